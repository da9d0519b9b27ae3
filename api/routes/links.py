"""Single-use links of notifications: GET shows, POST decides."""

from typing import Any, get_args

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from api.console.link_page import HEADERS, broken_link_page, link_page
from api.dependencies import EngineDependency
from api.problems import answer
from api.schemas.reviews import LinkDecision, ReviewState
from engine.errors import EngineError, InvalidDecisionError, NotFoundError
from engine.gates.gate import UNANSWERED, Gate
from engine.links import Link
from engine.reviews.decision import Decision
from engine.runtime import Engine

router = APIRouter(tags=["links"])

KINDS = get_args(LinkDecision.model_fields["type"].annotation)


@router.get("/r/{token}", response_model=None, responses={404: {"description": "No such link."}})
async def show_link(token: str, request: Request, engine: EngineDependency) -> Response:
    """Show the review of a link; nothing is decided, however often it is fetched."""
    try:
        link, gate = await engine.links.look(token)
    except NotFoundError as error:
        if not _wants_html(request):
            raise
        return broken_link_page(str(error), status=404)
    if not _wants_html(request):
        return JSONResponse(_shown(link, gate), headers=HEADERS)
    return link_page(link, gate, _choices(link, gate))


@router.post(
    "/r/{token}",
    status_code=202,
    response_model=ReviewState,
    responses={
        404: {"description": "No such link."},
        403: {"description": "High risk, or an edit: it is decided on the review's own page."},
        409: {"description": "The link was used, or the review is decided."},
        410: {"description": "The link or the review expired."},
        412: {"description": "The proposal changed since the link was made."},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": LinkDecision.model_json_schema()}
                for kind in ("application/json", "application/x-www-form-urlencoded")
            },
        }
    },
)
async def decide_by_link(token: str, request: Request, engine: EngineDependency) -> Response:
    """Decide the review of a link, as the person it was sent to; the link is used up by it."""
    html = _wants_html(request)
    typed = ""
    try:
        typed = str((await request.form()).get("message", "")) if html else ""
        wanted = await _read(request)
        decision = Decision(type=wanted.type, message=wanted.message)
        async with engine.database.transaction() as connection:
            gate = await engine.links.decide(connection, token, decision)
    except EngineError as error:
        if not html:
            raise
        return await _refused(engine, token, typed, error)
    if html:
        link, gate = await engine.links.look(token)
        return link_page(link, gate, (), status=202, decided=wanted.type)
    return JSONResponse(ReviewState.of(gate).model_dump(mode="json"), 202)


async def _refused(engine: Engine, token: str, typed: str, error: EngineError) -> Response:
    status = answer(error).status_code
    try:
        link, gate = await engine.links.look(token)
    except NotFoundError:
        return broken_link_page(str(error), status=status)
    choices = _choices(link, gate)
    # Where nothing can be decided any more, the page says so itself.
    trouble = str(error) if choices else None
    return link_page(link, gate, choices, status=status, trouble=trouble, typed=typed)


async def _read(request: Request) -> LinkDecision:
    content_type = request.headers.get("content-type", "")
    try:
        if content_type.startswith("application/json"):
            return LinkDecision.model_validate(await request.json())
        form = await request.form()
        fields = {key: value for key, value in form.items() if value != ""}
        return LinkDecision.model_validate(fields)
    except ValidationError as error:
        raise InvalidDecisionError(
            [
                {
                    "pointer": "/" + "/".join(str(part) for part in item["loc"]),
                    "message": item["msg"],
                }
                for item in error.errors()
            ]
        ) from error


def _wants_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _choices(link: Link, gate: Gate) -> list[str]:
    usable = (
        gate.state in UNANSWERED
        and link.used_at is None
        and not link.expired
        and gate.risk != "high"
        and gate.fingerprint == link.fingerprint
    )
    return [kind for kind in KINDS if kind in gate.allowed] if usable else []


def _shown(link: Link, gate: Gate) -> dict[str, Any]:
    question = gate.question
    return {
        "review_id": gate.gate_id,
        "person": link.person,
        "state": gate.state,
        "title": gate.title,
        "risk": gate.risk,
        "why_now": question.why_now,
        "evidence": [[fact.label, fact.value] for fact in question.evidence],
        "actions": [{"name": action.name, "args": action.args} for action in question.actions],
        "effects": question.effects,
        "expires_at": None if gate.expires_at is None else gate.expires_at.isoformat(),
        "used": link.used_at is not None,
        "changed": gate.fingerprint != link.fingerprint,
        "choices": _choices(link, gate),
    }
