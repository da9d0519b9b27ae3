"""The review inbox: the queue, the question, and everything its buttons do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from api.console.forms import Field, FormError, fields, parse
from api.console.render import page
from api.dependencies import ActorDependency, EngineDependency
from engine.database import Connection
from engine.errors import (
    ConflictError,
    EngineError,
    ForbiddenError,
    GoneError,
    InvalidDecisionError,
    NotFoundError,
    PreconditionFailedError,
)
from engine.reviews.board import ReviewDetail, ReviewFilter, ReviewSummary
from engine.reviews.decision import Decision
from engine.reviews.service import Ballot
from engine.runtime import Engine

router = APIRouter(prefix="/console/reviews", include_in_schema=False)

VIA = "console"
WINDOW = 50  # reviews shown at once; "more" doubles it
ANSWER = "answer"
STATUS: Mapping[type[EngineError], int] = {
    NotFoundError: 404,
    InvalidDecisionError: 422,
    PreconditionFailedError: 412,
    ConflictError: 409,
    GoneError: 410,
    ForbiddenError: 403,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What the queue shows; kept in the address, so that every link keeps it."""

    mine: bool = False
    risk: str | None = None
    graph: str | None = None
    search: str | None = None
    window: int = WINDOW

    @property
    def query(self) -> str:
        """The filter as the end of an address."""
        given = {
            "mine": "1" if self.mine else None,
            "risk": self.risk,
            "graph": self.graph,
            "search": self.search,
            "window": self.window if self.window != WINDOW else None,
        }
        text = urlencode({name: value for name, value in given.items() if value})
        return f"?{text}" if text else ""

    def wider(self) -> "Filter":
        """The same filter with twice as many lines."""
        return replace(self, window=self.window * 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a reviewer typed, given back when it could not be taken."""

    form: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    trouble: str | None = None
    editing: bool = False


@router.get("")
async def inbox(request: Request, engine: EngineDependency, actor: ActorDependency) -> Response:
    """Show the queue with its most urgent review open."""
    chosen = _filter(request)
    queue = await _queue(engine, chosen, actor)
    first = queue[0].gate_id if queue else None
    return await _screen(request, engine, actor, chosen, review_id=first)


@router.get("/queue")
async def queue_only(
    request: Request, engine: EngineDependency, actor: ActorDependency, current: str | None = None
) -> Response:
    """Show the queue alone: what a live page fetches when something happened."""
    chosen = _filter(request)
    return page(
        request,
        "_queue.html",
        screen="reviews",
        current=current,
        **await _around(engine, chosen, actor),
    )


@router.get("/{review_id}")
async def review(
    request: Request, review_id: str, engine: EngineDependency, actor: ActorDependency
) -> Response:
    """Show one review beside the queue."""
    return await _screen(request, engine, actor, _filter(request), review_id=review_id)


@router.post("/{review_id}/decision")
async def decide(
    request: Request, review_id: str, engine: EngineDependency, actor: ActorDependency
) -> Response:
    """Take the decision of a form; what cannot be taken comes back with everything typed."""
    form = await _form(request)
    chosen = _filter(request)
    queue = [line.gate_id for line in await _queue(engine, chosen, actor)]
    try:
        detail = await engine.reviews.get(review_id, viewer=actor)
        ballot = _ballot(detail, form)
        async with engine.database.transaction() as connection:
            gate = await engine.reviews.decide(connection, review_id, ballot, actor=actor, via=VIA)
    except FormError as error:
        draft = Draft(form=form, errors={error.pointer: error.message}, editing=True)
        return await _screen(request, engine, actor, chosen, review_id=review_id, draft=draft)
    except EngineError as error:
        return await _refused(request, engine, actor, chosen, review_id, form, error)
    following = _after(queue, review_id)
    said = f"{form.get('type', 'decision').capitalize()}: {gate.title}"
    undo = gate.gate_id if gate.state == "scheduled" else None
    if gate.state in ("open", "claimed"):
        said = f"Vote counted, {gate.quorum} are needed: {gate.title}"
    return await _go(request, engine, actor, chosen, following, said=said, undo=undo)


@router.post("/{review_id}/{command}")
async def around_a_decision(
    request: Request, review_id: str, command: str, engine: EngineDependency, actor: ActorDependency
) -> Response:
    """Do what surrounds a decision: undo, claim, release, comment, snooze, extend, delegate."""
    form = await _form(request)
    chosen = _filter(request)
    try:
        async with engine.database.transaction() as connection:
            said = await _command(engine, connection, review_id, command, form, actor)
    except EngineError as error:
        return await _refused(request, engine, actor, chosen, review_id, form, error)
    return await _go(request, engine, actor, chosen, review_id, said=said)


async def _command(
    engine: Engine,
    connection: Connection,
    review_id: str,
    command: str,
    form: Mapping[str, str],
    actor: str,
) -> str:
    reviews = engine.reviews
    who: dict[str, str] = {"actor": actor, "via": VIA}
    match command:
        case "undo":
            await reviews.undo(connection, review_id, **who)
            return "Taken back; the review is open again"
        case "claim":
            await reviews.claim(connection, review_id, actor=actor, via=VIA)
            return "Claimed: colleagues see that you are at it"
        case "release":
            await reviews.release(connection, review_id, **who)
            return "Given back"
        case "comment":
            await reviews.comment(
                connection,
                review_id,
                body=form.get("body", ""),
                audience="agent" if form.get("audience") == "agent" else "internal",
                **who,
            )
            return "Comment kept"
        case "snooze":
            minutes = _number(form.get("minutes"), default=60)
            until = datetime.now(UTC) + timedelta(minutes=minutes)
            await reviews.snooze(connection, review_id, until=until, **who)
            return f"Out of sight for {minutes} minutes"
        case "extend":
            minutes = _number(form.get("minutes"), default=60)
            await reviews.extend(connection, review_id, seconds=minutes * 60, **who)
            return f"Deadlines moved by {minutes} minutes"
        case "delegate":
            people = [name.strip() for name in form.get("to", "").split(",") if name.strip()]
            await reviews.delegate(
                connection, review_id, to=people, reason=form.get("reason", ""), **who
            )
            return f"Handed to {', '.join(people)}"
        case _:
            raise NotFoundError("command", command)


def _ballot(detail: ReviewDetail, form: Mapping[str, str]) -> Ballot:
    kind = form.get("type", "")
    message = form.get("message", "").strip() or None
    note = form.get("note", "").strip() or None
    question = detail.question
    decision: Decision
    if kind == "edit" and question.actions:
        action = question.actions[0]
        changed = parse(action.args_schema, _fields_of(form), action.args)
        decision = Decision(type="edit", args=changed, message=message)
    elif kind == ANSWER:
        schema = question.answer_schema or {}
        decision = Decision(type="answer", value=parse(schema, _fields_of(form), question.proposed))
    else:
        decision = Decision(type=kind, message=message)  # type: ignore[arg-type]  # the engine checks it
    version = form.get("version", "")
    return Ballot(
        decisions=[decision],
        version=int(version) if version.isdigit() else None,
        fingerprint=form.get("fingerprint"),
        note=note,
    )


def _fields_of(form: Mapping[str, str]) -> dict[str, str]:
    # Fields of the proposal are JSON pointers; the form's own names never begin so.
    return {name: value for name, value in form.items() if name.startswith(("/", "@")) or not name}


async def _form(request: Request) -> dict[str, str]:
    posted = await request.form()
    return {name: value for name, value in posted.items() if isinstance(value, str)}


def _filter(request: Request) -> Filter:
    query = request.query_params
    window = query.get("window", "")
    return Filter(
        mine=query.get("mine") == "1",
        risk=query.get("risk") if query.get("risk") in ("low", "normal", "high") else None,
        graph=query.get("graph") or None,
        search=(query.get("search") or "")[:200] or None,
        window=max(1, min(int(window), 1000)) if window.isdigit() else WINDOW,
    )


async def _queue(engine: Engine, chosen: Filter, actor: str) -> Sequence[ReviewSummary]:
    found = await engine.reviews.list(
        ReviewFilter(
            mine=actor if chosen.mine else None,
            risk=chosen.risk,
            graph_id=chosen.graph,
            search=chosen.search,
            limit=chosen.window,
        )
    )
    return found.items


async def _around(engine: Engine, chosen: Filter, actor: str) -> dict[str, Any]:
    """Return what every answer of this screen shows beside the review itself."""
    counts = await engine.reviews.counts()
    return {
        "queue": await _queue(engine, chosen, actor),
        "counts": counts,
        "waiting": counts["waiting"],
        "filter": chosen,
        "graphs": engine.registry.graph_ids,
        "now": datetime.now(UTC),
    }


async def _screen(
    request: Request,
    engine: Engine,
    actor: str,
    chosen: Filter,
    *,
    review_id: str | None,
    draft: Draft | None = None,
    status: int = 200,
    said: str | None = None,
    undo: str | None = None,
) -> Response:
    detail: ReviewDetail | None = None
    if review_id is not None:
        try:
            detail = await engine.reviews.get(review_id, viewer=actor)
        except NotFoundError as error:
            draft, status = Draft(trouble=str(error)), 404
    live = request.headers.get("HX-Request") == "true"
    return page(
        request,
        "reviews_live.html" if live else "reviews.html",
        screen="reviews",
        headers={"HX-Push-Url": f"/console/reviews/{review_id or ''}{chosen.query}"},
        status=422 if draft and draft.errors and status == 200 else status,
        current=review_id,
        review=detail,
        draft=draft or Draft(),
        forms=[] if detail is None else _forms(detail, draft),
        said=said,
        undo=undo,
        **await _around(engine, chosen, actor),
    )


def _forms(detail: ReviewDetail, draft: Draft | None) -> Sequence[Sequence[Field]]:
    """Return the fields of each action's form, or of the answer's."""
    question = detail.question
    if question.actions:
        return [fields(action.args_schema, action.args) for action in question.actions]
    return [fields(question.answer_schema or {}, question.proposed)]


async def _refused(
    request: Request,
    engine: Engine,
    actor: str,
    chosen: Filter,
    review_id: str,
    form: Mapping[str, str],
    error: EngineError,
) -> Response:
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 400)
    errors = {
        str(flaw["pointer"]).removeprefix("/args").removeprefix("/value"): str(flaw["message"])
        for flaw in error.values.get("errors", [])
    }
    draft = Draft(form=form, errors=errors, trouble=str(error), editing=bool(errors))
    return await _screen(
        request, engine, actor, chosen, review_id=review_id, draft=draft, status=status
    )


async def _go(
    request: Request,
    engine: Engine,
    actor: str,
    chosen: Filter,
    review_id: str | None,
    *,
    said: str,
    undo: str | None = None,
) -> Response:
    """Go on to a review: the next screen at once for a live page, a redirect for a plain form."""
    if request.headers.get("HX-Request") == "true":
        target = review_id
        if target is None:
            queue = await _queue(engine, chosen, actor)
            target = queue[0].gate_id if queue else None
        return await _screen(request, engine, actor, chosen, review_id=target, said=said, undo=undo)
    address = f"/console/reviews/{review_id}" if review_id else "/console/reviews"
    return RedirectResponse(f"{address}{chosen.query}", status_code=303)


def _after(queue: Sequence[str], review_id: str) -> str | None:
    """Return the review that follows in the queue as it was seen, or the one before the last."""
    rest = [one for one in queue if one != review_id]
    if review_id not in queue:
        return rest[0] if rest else None
    position = queue.index(review_id)
    return rest[min(position, len(rest) - 1)] if rest else None


def _number(text: str | None, *, default: int) -> int:
    return int(text) if text and text.isdigit() and len(text) < 6 else default
