"""Health: what `/healthz` says, for people, with the buttons that help."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.console.render import going, page
from api.console.views.problems import ConsoleRoute, refused
from api.dependencies import ActorDependency, EngineDependency
from api.routes.health import JobsDependency
from engine.checkup import SILENT_SECONDS, examine
from engine.errors import EngineError

router = APIRouter(prefix="/console/health", include_in_schema=False, route_class=ConsoleRoute)

VIA = "console"


@router.get("")
async def health(request: Request, engine: EngineDependency, jobs: JobsDependency) -> Response:
    """Show how the server is."""
    report = await examine(engine, jobs)
    return page(
        request, "health.html", screen="health", report=report, silent=SILENT_SECONDS,
        options=engine.options,
    )  # fmt: skip


@router.post("/messages/{message_id}/retry")
async def retry(request: Request, message_id: str, engine: EngineDependency) -> Response:
    """Let a dead message be tried again."""
    try:
        await engine.outbox.retry(message_id)
    except EngineError as error:
        return refused(request, "health", error)
    return going("/console/health", said="The message is tried again")


@router.post("/reviews/{review_id}/repair")
async def repair(
    request: Request, review_id: str, engine: EngineDependency, actor: ActorDependency
) -> Response:
    """Let a review that poisoned its thread be asked anew."""
    try:
        async with engine.database.transaction() as connection:
            await engine.repair.repair(connection, review_id, actor=actor, via=VIA)
    except EngineError as error:
        return refused(request, "health", error)
    return going("/console/health", said="The question is asked anew")
