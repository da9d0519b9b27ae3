"""The console's addresses: its screens, its files, and who is looking."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from api.console.views import audit, graphs, health, reviews, runs, storage, threads
from api.identity import MAX_NAME_LENGTH, USER_COOKIE

COOKIE_SECONDS = 365 * 86_400

router = APIRouter(include_in_schema=False)
for screen in (reviews, runs, threads, graphs, storage, audit, health):
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


@router.post("/console/person")
async def person(request: Request) -> Response:
    """Keep the name that decisions from this browser carry."""
    form = await request.form()
    name = str(form.get("person", "")).strip()[:MAX_NAME_LENGTH]
    answer = RedirectResponse("/console/reviews", status_code=303)
    answer.set_cookie(
        USER_COOKIE, name, max_age=COOKIE_SECONDS, httponly=True, samesite="lax", path="/"
    )
    return answer
