"""Single-use links of notifications: GET shows, POST decides."""

from html import escape
from typing import Any, get_args

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import ValidationError

from api.dependencies import EngineDependency
from api.problems import answer
from api.schemas.reviews import LinkDecision, ReviewState
from engine.errors import EngineError, InvalidDecisionError
from engine.gates.gate import UNANSWERED, Gate
from engine.links import Link
from engine.reviews.decision import Decision

router = APIRouter(tags=["links"])

KINDS = get_args(LinkDecision.model_fields["type"].annotation)
# A page that a mail client opens must neither be kept nor be able to do anything but post.
PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self';"
    " form-action 'self'; frame-ancestors 'none'",
    # Under `no-referrer` the form's post would carry the origin `null`, which is refused.
    "Referrer-Policy": "same-origin",
}


@router.get("/r/{token}", response_model=None, responses={404: {"description": "No such link."}})
async def show_link(token: str, request: Request, engine: EngineDependency) -> Response:
    """Show the review of a link; nothing is decided, however often it is fetched."""
    link, gate = await engine.links.look(token)
    if not _wants_html(request):
        return JSONResponse(_shown(link, gate), headers=PAGE_HEADERS)
    return HTMLResponse(_page(link, gate), headers=PAGE_HEADERS)


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
    try:
        wanted = await _read(request)
        decision = Decision(type=wanted.type, message=wanted.message)
        async with engine.database.transaction() as connection:
            gate = await engine.links.decide(connection, token, decision)
    except EngineError as error:
        if not html:
            raise
        refusal = answer(error)
        page = _frame("Not decided", f"<p>{escape(str(error))}</p>")
        return HTMLResponse(page, refusal.status_code, headers=PAGE_HEADERS)
    if html:
        said = "Your vote is counted." if gate.state in UNANSWERED else "Your decision is noted."
        return HTMLResponse(_frame(gate.title, f"<p>{said}</p>"), 202, headers=PAGE_HEADERS)
    return JSONResponse(ReviewState.of(gate).model_dump(mode="json"), 202)


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


def _page(link: Link, gate: Gate) -> str:
    question = gate.question
    facts = [(fact.label, fact.value) for fact in question.evidence]
    facts += [
        (f"{action.name} · {name}" if len(question.actions) > 1 else name, str(value))
        for action in question.actions
        for name, value in action.args.items()
    ]
    rows = "".join(
        f"<tr><th scope=row>{escape(label)}</th><td>{escape(value)}</td></tr>"
        for label, value in facts
    )
    choices = _choices(link, gate)
    buttons = "".join(
        f'<p><button class="{kind}" name="type" value="{kind}">{kind.capitalize()}</button>'
        f' <span class="quiet">{escape(question.effects.get(kind, ""))}</span></p>'
        for kind in choices
    )
    form = (
        f'<form method="post"><p><label>Comment<br>'
        f'<textarea name="message" rows="3"></textarea></label></p>{buttons}</form>'
        if choices
        else "<p>There is nothing to decide here any more.</p>"
    )
    why = f'<p class="note">{escape(question.why_now)}</p>' if question.why_now else ""
    return _frame(gate.title, f"{why}<table>{rows}</table>{form}")


def _frame(title: str, content: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="/console/static/app.css">'
        f"<title>{escape(title)}</title></head>"
        f'<body><main class="letter card stack"><h1>{escape(title)}</h1>{content}</main></body>'
        "</html>"
    )
