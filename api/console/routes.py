"""The console's addresses: its screens, its files, and who is looking."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from api.console.views import alike, audit, graphs, health, person, reviews, runs, storage, threads
from api.console.views.problems import ConsoleRoute
from engine.errors import NotFoundError

router = APIRouter(include_in_schema=False, route_class=ConsoleRoute)
for screen in (alike, reviews, runs, threads, graphs, storage, audit, health, person):
    router.include_router(screen.router)


@router.get("/")
async def root(request: Request) -> Response:
    """Send a browser to the console; everybody else hears that the server is well."""
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/console/reviews", status_code=307)
    return JSONResponse({"ok": True})


@router.get("/console")
async def console() -> Response:
    """Open the first screen."""
    return RedirectResponse("/console/reviews", status_code=307)


@router.get("/console/{name}")
async def nothing(name: str) -> Response:
    """Say that there is no such screen."""
    raise NotFoundError("screen", name)
