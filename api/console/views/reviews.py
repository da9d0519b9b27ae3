"""The review inbox: the queue, the question, and everything its buttons do."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter
from fastapi.responses import Response

from api.console.ballot_form import EACH, Draft, ballot, read_form, unsure
from api.console.forms import FormError
from api.console.render import page
from api.console.review_screen import Desk, DeskDependency
from api.console.views.problems import ConsoleRoute
from engine.database import Connection
from engine.errors import EngineError, NotFoundError
from engine.gates.gate import UNANSWERED

router = APIRouter(prefix="/console/reviews", include_in_schema=False, route_class=ConsoleRoute)

VIA = "console"
SAID: Mapping[str, str] = {
    "approve": "Approved",
    "edit": "Changed and sent",
    "reject": "Rejected",
    "respond": "Answered",
    "answer": "Answered",
    EACH: "Decided",
}


@router.get("")
async def inbox(desk: DeskDependency) -> Response:
    """Show the queue with its most urgent review open."""
    queue = await desk.queue()
    return await desk.screen(queue[0].gate_id if queue else None, opened=False)


@router.get("/queue")
async def queue_only(
    desk: DeskDependency,
    current: str | None = None,
    version: str | None = None,
    state: str | None = None,
) -> Response:
    """Show the queue, and what became of the review that is open in the page."""
    return page(
        desk.request,
        "queue_live.html",
        screen="reviews",
        current=current,
        news=await desk.news(current, version, state),
        **await desk.around(),
    )


@router.get("/{review_id}")
async def review(review_id: str, desk: DeskDependency) -> Response:
    """Show one review beside the queue, or with `at` as it was at an entry of the audit log."""
    return await desk.screen(review_id, with_queue=not desk.live)


@router.post("/{review_id}/decision")
async def decide(review_id: str, desk: DeskDependency) -> Response:
    """Take the decision of a form; what cannot be taken comes back with everything typed."""
    form = await read_form(desk.request)
    reviews = desk.engine.reviews
    queue = [line.gate_id for line in await desk.queue()]
    try:
        detail = await desk.detail(review_id)
        if unsure(detail, form):
            draft = Draft(form=form, editing=form.get("type") == "edit", sure=True)
            return await desk.screen(review_id, draft=draft, status=422)
        sent = ballot(detail, form)
        async with desk.engine.database.transaction() as connection:
            gate = await reviews.decide(connection, review_id, sent, actor=desk.actor, via=VIA)
    except FormError as error:
        draft = Draft(form=form, errors={error.pointer: error.message}, editing=True)
        return await desk.screen(review_id, draft=draft)
    except EngineError as error:
        return await desk.refused(review_id, form, error)
    said = f"{SAID.get(form.get('type', ''), 'Decided')}: {gate.title}"
    if gate.state in UNANSWERED:
        said = f"Vote counted, {gate.quorum} are needed: {gate.title}"
    undo = gate if gate.state == "scheduled" else None
    return await desk.go(_after(queue, review_id), said=said, undo=undo)


@router.post("/{review_id}/{command}")
async def around_a_decision(review_id: str, command: str, desk: DeskDependency) -> Response:
    """Do what surrounds a decision: undo, claim, release, comment, snooze, extend, delegate."""
    form = await read_form(desk.request)
    try:
        async with desk.engine.database.transaction() as connection:
            said = await _do(desk, connection, review_id, command, form)
    except EngineError as error:
        return await desk.refused(review_id, form, error)
    return await desk.go(review_id, said=said)


async def _do(
    desk: Desk, connection: Connection, review_id: str, command: str, form: Mapping[str, str]
) -> str:
    reviews = desk.engine.reviews
    who: dict[str, str] = {"actor": desk.actor, "via": VIA}
    match command:
        case "repair":
            await desk.engine.repair.repair(connection, review_id, actor=desk.actor, via=VIA)
            return "The bad answer is dropped; the question is asked anew"
        case "undo":
            await reviews.undo(connection, review_id, **who)
            return "Taken back; the review is open again"
        case "claim":
            await reviews.claim(connection, review_id, actor=desk.actor, via=VIA)
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


def _after(queue: Sequence[str], review_id: str) -> str | None:
    """Return the review that follows in the queue as it was seen, or the one before the last."""
    rest = [one for one in queue if one != review_id]
    if review_id not in queue:
        return rest[0] if rest else None
    position = queue.index(review_id)
    return rest[min(position, len(rest) - 1)] if rest else None


def _number(text: str | None, *, default: int) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 6 else default


def _minutes(number: int) -> str:
    if number < 120:
        return f"{number} minutes"
    return f"{number // 60} hours" if number < 2_880 else f"{number // 1_440} days"
