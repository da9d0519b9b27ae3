"""Who is looking: the name that decisions carry, and who stands in when somebody is away."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.access import access
from api.console.render import going, page
from api.console.views.problems import ConsoleRoute, status_of
from api.dependencies import ActorDependency, EngineDependency
from api.identity import MAX_NAME_LENGTH, USER_COOKIE
from api.identity import actor as name_of
from engine.errors import EngineError, InvalidValueError

router = APIRouter(prefix="/console/person", include_in_schema=False, route_class=ConsoleRoute)

VIA = "console"
COOKIE_SECONDS = 365 * 86_400


@router.get("")
async def person(request: Request, engine: EngineDependency) -> Response:
    """Show the name and the absences."""
    return await _screen(request, engine)


@router.post("")
async def name(request: Request) -> Response:
    """Keep the name that decisions from this browser carry."""
    form = await request.form()
    chosen = str(form.get("person", "")).strip()[:MAX_NAME_LENGTH]
    answer = going("/console/person", said=f"You are {chosen}" if chosen else "")
    answer.set_cookie(
        USER_COOKIE, chosen, max_age=COOKIE_SECONDS, httponly=True, samesite="lax", path="/"
    )
    return answer


@router.post("/absence")
async def absence(request: Request, engine: EngineDependency, actor: ActorDependency) -> Response:
    """Name a stand-in until a moment."""
    form = await request.form()
    delegate = str(form.get("delegate", "")).strip()
    try:
        until = _moment(str(form.get("until", "")))
        async with engine.database.transaction() as connection:
            await engine.people.set_absence(
                connection, person=actor, delegate=delegate, starts_at=None, ends_at=until,
                actor=actor, via=VIA,
            )  # fmt: skip
    except EngineError as error:
        return await _screen(request, engine, trouble=str(error), status=status_of(error))
    return going("/console/person", said=f"{delegate} decides for you")


@router.post("/back")
async def back(request: Request, engine: EngineDependency, actor: ActorDependency) -> Response:
    """Say that one is back."""
    try:
        async with engine.database.transaction() as connection:
            await engine.people.end_absence(connection, actor, actor=actor, via=VIA)
    except EngineError as error:
        return await _screen(request, engine, trouble=str(error), status=status_of(error))
    return going("/console/person", said="Welcome back")


async def _screen(
    request: Request, engine: EngineDependency, *, trouble: str | None = None, status: int = 200
) -> Response:
    absences = await engine.people.absences()
    if access(request).scope:  # who may see a part only is told of the own absence only
        absences = [one for one in absences if one.person == name_of(request)]
    return page(
        request,
        "person.html",
        screen="person",
        status=status,
        absences=absences,
        authenticated=getattr(request.state, "user", None) is not None,
        trouble=trouble,
    )


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidValueError("/until", "a date and a time", text) from error
