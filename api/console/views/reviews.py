"""The review inbox: the queue, the question, and everything its buttons do."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.console.forms import Difference, Field, FormError, differences, fields, parse
from api.console.render import going, page
from api.console.views.problems import status_of
from api.console.views.queue import Filter, filter_of, folded, read_queue
from api.dependencies import ActorDependency, EngineDependency
from engine.database import Connection
from engine.errors import EngineError, InvalidDecisionError, NotFoundError, PreconditionFailedError
from engine.gates.gate import UNANSWERED, Gate
from engine.reviews.ballots import Ballot
from engine.reviews.board import ReviewDetail, ReviewFilter, ReviewSummary
from engine.reviews.decision import Decision
from engine.runtime import Engine

router = APIRouter(prefix="/console/reviews", include_in_schema=False)

VIA = "console"
EACH = "each"  # the button that decides every action for itself
# A decision of high risk is asked for twice, also from a page without script.
SURE = "sure"
CERTAIN_TYPES = ("approve", "edit", "answer", EACH)
SAID: Mapping[str, str] = {
    "approve": "Approved",
    "edit": "Changed and sent",
    "reject": "Rejected",
    "respond": "Answered",
    "answer": "Answered",
    EACH: "Decided",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a reviewer typed, given back when it could not be taken.

    Attributes:
        form: names and texts as they were posted.
        errors: what is wrong, by the name of the field.
        trouble: why it was not taken.
        editing: whether the form was open.
        sure: whether the second press is awaited now.
        changed: what the proposal has become since it was read.
        typed: what the reviewer had changed, when the form itself is gone.
    """

    form: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    trouble: str | None = None
    editing: bool = False
    sure: bool = False
    changed: Sequence[Difference] = ()
    typed: Sequence[Difference] = ()


@router.get("")
async def inbox(request: Request, engine: EngineDependency, actor: ActorDependency) -> Response:
    """Show the queue with its most urgent review open."""
    chosen = filter_of(request)
    queue = await read_queue(engine, chosen, actor)
    first = queue[0].gate_id if queue else None
    return await _screen(request, engine, actor, chosen, review_id=first)


@router.get("/queue")
async def queue_only(
    request: Request,
    engine: EngineDependency,
    actor: ActorDependency,
    current: str | None = None,
    version: str | None = None,
    state: str | None = None,
) -> Response:
    """Show the queue, and what became of the review that is open in the page."""
    chosen = filter_of(request)
    return page(
        request,
        "queue_live.html",
        screen="reviews",
        current=current,
        news=await _news(engine, current, version, state),
        **await _around(engine, chosen, actor),
    )


@router.get("/{review_id}")
async def review(
    request: Request, review_id: str, engine: EngineDependency, actor: ActorDependency
) -> Response:
    """Show one review beside the queue, or with `at` as it was at an entry of the audit log."""
    live = request.headers.get("HX-Request") == "true"  # such a page has its queue already
    return await _screen(
        request, engine, actor, filter_of(request), review_id=review_id, with_queue=not live
    )


@router.post("/{review_id}/decision")
async def decide(
    request: Request, review_id: str, engine: EngineDependency, actor: ActorDependency
) -> Response:
    """Take the decision of a form; what cannot be taken comes back with everything typed."""
    form = await _form(request)
    chosen = filter_of(request)
    queue = [line.gate_id for line in await read_queue(engine, chosen, actor)]
    try:
        detail = await engine.reviews.get(review_id, viewer=actor)
        if _unsure(detail, form):
            draft = Draft(form=form, editing=form.get("type") == "edit", sure=True)
            return await _screen(
                request, engine, actor, chosen, review_id=review_id, draft=draft, status=422
            )
        ballot = _ballot(detail, form)
        async with engine.database.transaction() as connection:
            gate = await engine.reviews.decide(connection, review_id, ballot, actor=actor, via=VIA)
    except FormError as error:
        draft = Draft(form=form, errors={error.pointer: error.message}, editing=True)
        return await _screen(request, engine, actor, chosen, review_id=review_id, draft=draft)
    except EngineError as error:
        return await _refused(request, engine, actor, chosen, review_id, form, error)
    said = f"{SAID.get(form.get('type', ''), 'Decided')}: {gate.title}"
    if gate.state in UNANSWERED:
        said = f"Vote counted, {gate.quorum} are needed: {gate.title}"
    return await _go(
        request, engine, actor, chosen, _after(queue, review_id), said=said,
        undo=gate if gate.state == "scheduled" else None,
    )  # fmt: skip


@router.post("/{review_id}/{command}")
async def around_a_decision(
    request: Request, review_id: str, command: str, engine: EngineDependency, actor: ActorDependency
) -> Response:
    """Do what surrounds a decision: undo, claim, release, comment, snooze, extend, delegate."""
    form = await _form(request)
    chosen = filter_of(request)
    try:
        if command == "repair":
            await engine.repair.repair(review_id, actor=actor, via=VIA)
            said = "The bad answer is dropped; the question is asked anew"
        else:
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
            audience = "internal" if form.get("audience") == "internal" else "agent"
            await reviews.comment(
                connection, review_id, body=form.get("message", ""), audience=audience, **who
            )
            return "Comment kept"
        case "snooze":
            minutes = _number(form.get("minutes"), default=60)
            until = datetime.now(UTC) + timedelta(minutes=minutes)
            await reviews.snooze(connection, review_id, until=until, **who)
            return f"Out of sight for {_minutes(minutes)}"
        case "wake":
            await reviews.snooze(connection, review_id, until=None, **who)
            return "Back in the queue"
        case "extend":
            minutes = _number(form.get("minutes"), default=60)
            await reviews.extend(connection, review_id, seconds=minutes * 60, **who)
            return f"Deadlines moved by {_minutes(minutes)}"
        case "delegate":
            people = [name.strip() for name in form.get("to", "").split(",") if name.strip()]
            await reviews.delegate(
                connection, review_id, to=people, reason=form.get("reason", ""), **who
            )
            return f"Handed to {', '.join(people)}"
        case _:
            raise NotFoundError("command", command)


def _unsure(detail: ReviewDetail, form: Mapping[str, str]) -> bool:
    asked = detail.gate.risk == "high" and form.get("type") in CERTAIN_TYPES
    return asked and form.get(SURE) != "yes" and detail.gate.state in UNANSWERED


def _ballot(detail: ReviewDetail, form: Mapping[str, str]) -> Ballot:
    """Read what a reviewer sent; internal words never become the agent's."""
    kind = form.get("type", "")
    words = form.get("message", "").strip() or None
    internal = form.get("audience") == "internal"
    message = None if internal else words
    question = detail.question
    if kind == EACH or (kind == "edit" and len(question.actions) == 1):
        decisions = [
            _decision(detail, index, kind, message, form) for index in range(len(question.actions))
        ]
    elif kind == "answer":
        schema = question.answer_schema or {}
        value = parse(schema, _fields_of(form, 0), question.proposed)
        decisions = [Decision(type="answer", value=value)]
    else:
        decisions = [Decision(type=kind, message=message)]  # type: ignore[arg-type]  # the engine checks it
    unchanged = form.get("fingerprint") == detail.gate.fingerprint
    if kind == "approve" and unchanged and _typed(detail, form):
        problem = "fields were changed: send the changes, or set them back and approve"
        raise InvalidDecisionError([{"pointer": "/type", "message": problem}])
    version = form.get("version", "")
    return Ballot(
        decisions=decisions,
        version=int(version) if version.isdigit() else None,
        fingerprint=form.get("fingerprint"),
        note=words if internal else None,
    )


def _decision(
    detail: ReviewDetail, index: int, kind: str, message: str | None, form: Mapping[str, str]
) -> Decision:
    action = detail.question.actions[index]
    chosen = form.get(f"d{index}", "") if kind == EACH else kind
    own = form.get(f"m{index}", "").strip() or message
    if chosen != "edit":
        return Decision(type=chosen, message=own)  # type: ignore[arg-type]  # the engine checks it
    try:
        changed = parse(action.args_schema, _fields_of(form, index), action.args)
    except FormError as error:
        raise FormError(f"a{index}:{error.pointer}", error.message) from error
    return Decision(type="edit", args=changed, message=own)


def _fields_of(form: Mapping[str, str], index: int) -> dict[str, str]:
    """Return the fields of one action under their JSON pointers."""
    start = f"a{index}:"
    return {
        name.removeprefix(start): value for name, value in form.items() if name.startswith(start)
    }


async def _form(request: Request) -> dict[str, str]:
    posted = await request.form()
    return {name: value for name, value in posted.items() if isinstance(value, str)}


async def _around(engine: Engine, chosen: Filter, actor: str) -> dict[str, Any]:
    """Return what every answer of this screen shows beside the review itself."""
    counts = await engine.reviews.counts()
    queue = await read_queue(engine, chosen, actor)
    shapes: dict[str, int] = {}
    for one in queue:
        if one.risk != "high":
            shapes[one.shape] = shapes.get(one.shape, 0) + 1
    away = next((one for one in await engine.people.absences() if one.person == actor), None)
    return {
        "queue": queue,
        "lines": folded(queue),
        "alike": {shape: number for shape, number in shapes.items() if number > 1},
        "counts": counts,
        "waiting": counts["waiting"],
        "today": await engine.inspection.today(actor),
        "away": away if away and away.starts_at <= datetime.now(UTC) else None,
        "filter": chosen,
        "graphs": engine.registry.graph_ids,
    }


async def _news(
    engine: Engine, review_id: str | None, version: str | None, state: str | None
) -> Mapping[str, Any] | None:
    """Return the review that is open in a page if it is not what the page shows any more."""
    if not review_id:
        return None
    async with engine.database.pool.connection() as connection:
        with suppress(NotFoundError):
            gate = await engine.gates.get(connection, review_id)
            if str(gate.version) != version or gate.state != state:
                return {
                    "gate": gate,
                    "other": gate.state in UNANSWERED and version == str(gate.version),
                }
    return None


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
    undo: Gate | None = None,
    with_queue: bool = True,
) -> Response:
    detail: ReviewDetail | None = None
    siblings: Sequence[ReviewSummary] = ()
    if review_id is not None:
        try:
            detail = await engine.reviews.get(review_id, viewer=actor)
            siblings = [
                one
                for one in (
                    await engine.reviews.list(
                        ReviewFilter(thread_id=detail.gate.thread_id, with_snoozed=True)
                    )
                ).items
                if one.gate_id != review_id
            ]
        except NotFoundError as error:
            draft, status = Draft(trouble=str(error)), 404
    live = request.headers.get("HX-Request") == "true"
    at = request.query_params.get("at", "")
    return page(
        request,
        "reviews_live.html" if live else "reviews.html",
        screen="reviews",
        headers={"HX-Push-Url": f"/console/reviews/{review_id or ''}{chosen.query}"},
        status=422 if draft and draft.errors and status == 200 else status,
        current=review_id,
        review=detail,
        draft=draft or Draft(),
        forms=[] if detail is None else _forms(detail),
        schemas=[] if detail is None else [one.args_schema for one in detail.question.actions],
        previous=None if detail is None else _previous(detail),
        decided=[] if detail is None else _decided(detail),
        siblings=siblings,
        seen="" if detail is None else _seen(detail),
        at=_as_it_was(detail, int(at)) if detail and at.isdigit() else None,
        news=None,
        said=said,
        undo=undo.gate_id if undo else None,
        undo_seconds=_undo_seconds(undo),
        with_queue=with_queue,
        **(await _around(engine, chosen, actor) if with_queue else {"filter": chosen, "queue": ()}),
    )


def _forms(detail: ReviewDetail) -> Sequence[Sequence[Field]]:
    """Return the fields of each action's form, or of the answer's."""
    question = detail.question
    if question.actions:
        return [fields(action.args_schema, action.args) for action in question.actions]
    return [fields(question.answer_schema or {}, question.proposed)]


def _previous(detail: ReviewDetail) -> dict[str, Any] | None:
    """Return how the same node's last proposal on this thread differs, and what became of it."""
    before = detail.previous
    if before is None:
        return None
    actions = before["actions"] or []
    return {
        **before,
        "changed": [
            differences(action.args_schema, earlier["args"], action.args)
            for action, earlier in zip(detail.question.actions, actions, strict=False)
            if action.name == earlier["name"]
        ],
    }


def _decided(detail: ReviewDetail) -> list[dict[str, Any]]:
    """Return what was decided about each action, with what the reviewer changed."""
    told = (detail.gate.decision or {}).get("decisions") or []
    return [
        {
            **one,
            "changed": differences(action.args_schema, action.args, one["args"])
            if action is not None and one.get("args") is not None
            else [],
        }
        for one, action in zip(told, [*detail.question.actions, *[None] * len(told)], strict=False)
    ]


def _seen(detail: ReviewDetail) -> str:
    """Return the proposal as text that the form carries, to say later what has changed."""
    return json.dumps([action.args for action in detail.question.actions])


def _since(detail: ReviewDetail, form: Mapping[str, str]) -> list[Difference]:
    """Return how the proposal differs from the one that a form was made from."""
    try:
        seen = json.loads(form.get("seen", "[]"))
    except ValueError:
        return []
    found: list[Difference] = []
    for action, before in zip(detail.question.actions, seen, strict=False):
        found += differences(action.args_schema, before, action.args)
    return found


def _typed(detail: ReviewDetail, form: Mapping[str, str]) -> list[Difference]:
    """Return what a reviewer had changed in a form that cannot be shown any more."""
    found: list[Difference] = []
    for index, action in enumerate(detail.question.actions):
        posted = _fields_of(form, index)
        if posted:
            with suppress(FormError):
                typed = parse(action.args_schema, posted, action.args)
                found += differences(action.args_schema, action.args, typed)
    return found


def _as_it_was(detail: ReviewDetail, seq: int) -> dict[str, Any] | None:
    """Return the moment of an audit entry, and which proposal there was then."""
    until = [entry for entry in detail.activity if entry.seq <= seq]
    if not until:
        return None
    told = [entry.details["fingerprint"] for entry in until if "fingerprint" in entry.details]
    return {
        "entry": until[-1],
        "activity": until,
        "same": not told or told[-1] == detail.gate.fingerprint,
    }


async def _refused(
    request: Request,
    engine: Engine,
    actor: str,
    chosen: Filter,
    review_id: str,
    form: Mapping[str, str],
    error: EngineError,
) -> Response:
    status = status_of(error)
    errors = {_name(str(flaw["pointer"])): str(flaw["message"])
              for flaw in error.values.get("errors", [])}  # fmt: skip
    changed: Sequence[Difference] = ()
    typed: Sequence[Difference] = ()
    if status != 404:
        detail = await engine.reviews.get(review_id, viewer=actor)
        if isinstance(error, PreconditionFailedError):
            changed = _since(detail, form)
        if detail.gate.state not in UNANSWERED or detail.refusal:
            typed = _typed(detail, form)
    edits = form.get("type") in ("edit", EACH)
    draft = Draft(
        form=form, errors=errors, trouble=str(error), editing=edits, changed=changed, typed=typed
    )
    return await _screen(
        request, engine, actor, chosen, review_id=review_id, draft=draft, status=status
    )


def _name(pointer: str) -> str:
    """Return the field's name behind the engine's pointer to a flaw."""
    parts = pointer.split("/")
    index = 0
    if parts[1:2] == ["decisions"] and len(parts) > 2 and parts[2].isdigit():
        index, parts = int(parts[2]), ["", *parts[3:]]
    if parts[1:2] == ["args"]:
        return f"a{index}:{''.join(f'/{part}' for part in parts[2:])}"
    if parts[1:2] == ["message"]:
        return "message"
    return f"a{index}:{pointer.removeprefix('/value')}"


async def _go(
    request: Request,
    engine: Engine,
    actor: str,
    chosen: Filter,
    review_id: str | None,
    *,
    said: str,
    undo: Gate | None = None,
) -> Response:
    """Go on to a review: the next screen at once for a live page, a redirect for a plain form."""
    if request.headers.get("HX-Request") == "true":
        target = review_id
        if target is None:
            queue = await read_queue(engine, chosen, actor)
            target = queue[0].gate_id if queue else None
        return await _screen(request, engine, actor, chosen, review_id=target, said=said, undo=undo)
    address = f"/console/reviews/{review_id}" if review_id else "/console/reviews"
    return going(
        f"{address}{chosen.query}",
        said=said,
        undo=undo.gate_id if undo else None,
        undo_seconds=_undo_seconds(undo),
    )


def _undo_seconds(gate: Gate | None) -> float | None:
    if gate is None or gate.effective_at is None:
        return None
    return max(0.0, (gate.effective_at - gate.read_at).total_seconds())


def _after(queue: Sequence[str], review_id: str) -> str | None:
    """Return the review that follows in the queue as it was seen, or the one before the last."""
    rest = [one for one in queue if one != review_id]
    if review_id not in queue:
        return rest[0] if rest else None
    position = queue.index(review_id)
    return rest[min(position, len(rest) - 1)] if rest else None


def _number(text: str | None, *, default: int) -> int:
    return int(text) if text and text.isdigit() and len(text) < 6 else default


def _minutes(number: int) -> str:
    if number < 120:
        return f"{number} minutes"
    return f"{number // 60} hours" if number < 2_880 else f"{number // 1_440} days"
