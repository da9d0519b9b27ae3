"""Questions to people: list, look, decide, and everything around a decision."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import StreamingResponse

from api.access import AccessDependency
from api.dependencies import ActorDependency, EngineDependency
from api.idempotency import Once, OnceDependency
from api.schemas.reviews import (
    AbsencePut,
    AbsenceView,
    BulkDecisionCreate,
    BulkOutcome,
    BulkOutcomes,
    ClaimCreate,
    CommentCreate,
    CommentView,
    DecisionCreate,
    DelegationCreate,
    ExtensionCreate,
    Nothing,
    ReviewLine,
    ReviewPage,
    ReviewState,
    ReviewView,
    SnoozeCreate,
)
from api.schemas.runs import RunView
from api.streams import event_stream, frame
from engine.database import Connection
from engine.errors import ForbiddenError, InvalidValueError, NotFoundError
from engine.gates.gate import Gate, GateState
from engine.reviews.board import MAX_LIMIT, ReviewFilter
from engine.reviews.service import Reviews
from engine.runtime import Engine

router = APIRouter(tags=["reviews"])

API = "api"
NOTHING = Nothing()
CLAIM = ClaimCreate()
MAX_VERSION_DIGITS = 9
REFUSALS: dict[int | str, dict[str, Any]] = {
    403: {"description": "The caller is not asked, or proposed it."},
    404: {"description": "There is no such review."},
    409: {"description": "Decided or claimed by somebody else: who, when, what and why."},
    410: {"description": "It expired, or nobody needs to answer it any more."},
    412: {"description": "The proposal is not the one that was seen."},
    422: {"description": "The request does not fit; `errors` holds JSON pointers."},
}
SSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events named after what happened: `opened`, `decided`, …;"
        " `resync` asks to read the list again.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}

IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="The version of the review that was seen.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One thing done to a review: in one transaction, once for a key, told with its new ETag."""

    reviews: Reviews
    actor: str
    once: Once
    response: Response

    async def run(
        self, act: Callable[[Connection], Awaitable[Gate]], *, status: int = 200
    ) -> ReviewState:
        """Do it and return the review as it is then."""

        async def work(connection: Connection) -> ReviewState:
            return ReviewState.of(await act(connection))

        state = await self.once(work, ReviewState, status=status)
        self.response.headers["ETag"] = _etag(state.version)
        return state


async def _command(
    response: Response,
    engine: EngineDependency,
    actor: ActorDependency,
    once: OnceDependency,
) -> Command:
    return Command(reviews=engine.reviews, actor=actor, once=once, response=response)


CommandDependency = Annotated[Command, Depends(_command)]


@router.get("/reviews")
async def list_reviews(
    engine: EngineDependency,
    actor: ActorDependency,
    access: AccessDependency,
    state: Annotated[
        list[GateState] | None, Query(description="By default open, claimed and scheduled ones.")
    ] = None,
    mine: Annotated[bool, Query(description="Only those that the caller is asked.")] = False,
    risk: Literal["low", "normal", "high"] | None = None,
    graph_id: str | None = None,
    thread_id: str | None = None,
    search: Annotated[str | None, Query(max_length=200)] = None,
    snoozed: Annotated[bool, Query(description="Also those that were put off.")] = False,
    signals: Annotated[bool, Query(description="Also those that an event answers.")] = False,
    sort: Literal["deadline", "newest"] = "deadline",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> ReviewPage:
    """List reviews, by default the most urgent first."""
    page = await engine.reviews.list(
        ReviewFilter(
            states=state,
            mine=actor if mine else None,
            risk=risk,
            graph_id=graph_id,
            thread_id=thread_id,
            search=search,
            with_snoozed=snoozed,
            with_signals=signals,
            newest_first=sort == "newest",
            scope=access.scope,
            limit=limit,
            offset=offset,
        )
    )
    return ReviewPage(
        reviews=[ReviewLine.of(item) for item in page.items],
        total=page.total,
        next_offset=page.next_offset,
        counts=await engine.reviews.counts(access.scope),
    )


@router.get("/reviews/events", response_class=StreamingResponse, responses=SSE)
async def stream_events(
    engine: EngineDependency,
    access: AccessDependency,
    thread_id: Annotated[str | None, Query(description="Only of this thread.")] = None,
) -> StreamingResponse:
    """Stream what happens to reviews, from now on; the first event is `resync`."""
    return event_stream(review_frames(engine, thread_id, access.scope))


@router.post("/reviews/decide", responses=REFUSALS)
async def decide_many(
    body: BulkDecisionCreate,
    engine: EngineDependency,
    access: AccessDependency,
    command: CommandDependency,
) -> BulkOutcomes:
    """Decide several reviews of one shape; high risk is never decided so."""
    ballots = body.to_ballots()
    await engine.reviews.require(ballots, scope=access.scope)

    async def work(connection: Connection) -> BulkOutcomes:
        outcomes = await command.reviews.decide_many(
            connection, ballots, actor=command.actor, via=API
        )
        return BulkOutcomes(
            outcomes=[BulkOutcome.of(one.review_id, one.gate, one.error) for one in outcomes]
        )

    return await command.once(work, BulkOutcomes)


@router.get("/reviews/{review_id}", responses={404: REFUSALS[404]})
async def get_review(
    review_id: str,
    response: Response,
    engine: EngineDependency,
    actor: ActorDependency,
    access: AccessDependency,
) -> ReviewView:
    """Return everything about a review; the ETag is its version."""
    detail = await engine.reviews.get(review_id, viewer=actor, scope=access.scope)
    response.headers["ETag"] = _etag(detail.gate.version)
    return ReviewView.of_detail(detail)


@router.post("/reviews/{review_id}/decision", status_code=202, responses=REFUSALS)
async def decide_review(
    review_id: str, body: DecisionCreate, command: CommandDependency, if_match: IfMatch = None
) -> ReviewState:
    """Decide a review, or vote on it.

    Until `effective_at` the decision can be taken back; then the graph is told. A review that
    needs more votes stays open.
    """
    ballot = body.to_ballot(_seen_version(if_match))
    return await command.run(
        lambda connection: command.reviews.decide(
            connection, review_id, ballot, actor=command.actor, via=API
        ),
        status=202,
    )


@router.post("/reviews/{review_id}/undo", responses=REFUSALS)
async def undo_decision(
    review_id: str, command: CommandDependency, body: Nothing = NOTHING
) -> ReviewState:
    """Take a decision back before it is told to the graph."""
    return await command.run(
        lambda connection: command.reviews.undo(connection, review_id, actor=command.actor, via=API)
    )


@router.post("/reviews/{review_id}/claim", responses=REFUSALS)
async def claim_review(
    review_id: str, command: CommandDependency, body: ClaimCreate = CLAIM
) -> ReviewState:
    """Take a review for a while, or keep it longer; the claim lapses by itself."""
    return await command.run(
        lambda connection: command.reviews.claim(
            connection, review_id, lease_seconds=body.lease_seconds, actor=command.actor, via=API
        )
    )


@router.post("/reviews/{review_id}/release", responses=REFUSALS)
async def release_review(
    review_id: str, command: CommandDependency, body: Nothing = NOTHING
) -> ReviewState:
    """Give a claimed review back."""
    return await command.run(
        lambda connection: command.reviews.release(
            connection, review_id, actor=command.actor, via=API
        )
    )


@router.post("/reviews/{review_id}/delegate", responses=REFUSALS)
async def delegate_review(
    review_id: str, body: DelegationCreate, command: CommandDependency
) -> ReviewState:
    """Ask other people instead."""
    return await command.run(
        lambda connection: command.reviews.delegate(
            connection, review_id, to=body.to, reason=body.reason, actor=command.actor, via=API
        )
    )


@router.post("/reviews/{review_id}/comment", status_code=201, responses=REFUSALS)
async def comment_review(
    review_id: str, body: CommentCreate, command: CommandDependency
) -> CommentView:
    """Say something, to the agent (it reads it with the decision) or among reviewers."""

    async def work(connection: Connection) -> CommentView:
        return CommentView.model_validate(
            await command.reviews.comment(
                connection,
                review_id,
                body=body.body,
                audience=body.audience,
                actor=command.actor,
                via=API,
            )
        )

    return await command.once(work, CommentView, status=201)


@router.post("/reviews/{review_id}/snooze", responses=REFUSALS)
async def snooze_review(
    review_id: str, body: SnoozeCreate, command: CommandDependency
) -> ReviewState:
    """Put a review out of sight until a moment before it expires; null brings it back."""
    return await command.run(
        lambda connection: command.reviews.snooze(
            connection, review_id, until=body.until, actor=command.actor, via=API
        )
    )


@router.post("/reviews/{review_id}/extend", responses=REFUSALS)
async def extend_review(
    review_id: str, body: ExtensionCreate, command: CommandDependency
) -> ReviewState:
    """Move every deadline that is still to come."""
    return await command.run(
        lambda connection: command.reviews.extend(
            connection, review_id, seconds=body.seconds, actor=command.actor, via=API
        )
    )


@router.post("/reviews/{review_id}/repair", status_code=202, responses=REFUSALS)
async def repair_review(
    review_id: str, engine: EngineDependency, command: CommandDependency, body: Nothing = NOTHING
) -> RunView:
    """Ask anew where the graph keeps an answer that its node fails with; returns the new run."""

    async def work(connection: Connection) -> RunView:
        return RunView.of(
            await engine.repair.repair(connection, review_id, actor=command.actor, via=API)
        )

    return await command.once(work, RunView, status=202)


@router.get("/absences")
async def list_absences(engine: EngineDependency) -> list[AbsenceView]:
    """List who is away now or later, and who stands in."""
    return [AbsenceView.of(absence) for absence in await engine.people.absences()]


@router.put("/absences/{person}", responses={403: {"description": "It is somebody else."}})
async def put_absence(
    person: str, body: AbsencePut, engine: EngineDependency, actor: ActorDependency
) -> AbsenceView:
    """Say that one is away: the stand-in may decide what one is asked."""
    _require_self(person, actor)
    async with engine.database.transaction() as connection:
        absence = await engine.people.set_absence(
            connection,
            person=person,
            delegate=body.delegate,
            starts_at=body.starts_at,
            ends_at=body.ends_at,
            actor=actor,
            via=API,
        )
    return AbsenceView.of(absence)


@router.delete(
    "/absences/{person}",
    status_code=204,
    responses={403: {"description": "It is somebody else."}},
)
async def delete_absence(person: str, engine: EngineDependency, actor: ActorDependency) -> None:
    """Say that one is back."""
    _require_self(person, actor)
    async with engine.database.transaction() as connection:
        await engine.people.end_absence(connection, person, actor=actor, via=API)


def _require_self(person: str, actor: str) -> None:
    # Whoever could send somebody else away could decide in that one's place.
    if person != actor:
        raise ForbiddenError(f"{actor!r} cannot say that {person!r} is away", actor=actor)


def _seen_version(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"')
    if not text.isascii() or not text.isdigit() or len(text) > MAX_VERSION_DIGITS:
        raise InvalidValueError("/headers/if-match", 'a version, such as "3"', if_match)
    return int(text)


def _etag(version: int) -> str:
    return f'"{version}"'


async def review_frames(
    engine: Engine, thread_id: str | None, scope: Mapping[str, Any]
) -> AsyncGenerator[bytes]:
    """Yield what happens to reviews, on one thread or on all whose metadata contains `scope`."""
    async with engine.feed.watch() as events:
        # Whatever happened before is in the list.
        yield frame("resync", "{}")
        async for event in events:
            meant = thread_id in (None, event.thread_id) or event.name == "resync"
            if meant and await _is_visible(engine, event.thread_id, scope):
                yield frame(event.name, json.dumps(event.to_json()))


async def _is_visible(engine: Engine, thread_id: str, scope: Mapping[str, Any]) -> bool:
    if not scope or not thread_id:
        return True
    try:
        await engine.threads.get(thread_id, scope=scope)
    except NotFoundError:
        return False
    return True
