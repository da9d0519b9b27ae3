"""What reviewers look at: the list, and everything that is known about one review."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.audit import Audit, AuditEntry
from engine.database import Connection, Database, statement
from engine.errors import EngineError, NotFoundError
from engine.gates.book import Gates
from engine.gates.gate import LIVE, UNANSWERED, Gate, GateState
from engine.listing import Page, make_page
from engine.reviews.people import People
from engine.reviews.question import Question, canonical
from engine.values import jsonb

SIMILAR_LIMIT = 5
ACTIVITY_LIMIT = 200
MAX_LIMIT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewFilter:
    """Which reviews are listed.

    Attributes:
        states: None lists what is not settled.
        mine: only those that this person is asked, alone, in a team or as a stand-in.
        search: part of the title or the reason, or a thread's id.
        with_snoozed: also those that were put off.
        with_signals: also questions that an external event answers.
        newest_first: by last change instead of by deadline.
        scope: what the metadata of the thread must contain.
    """

    states: Sequence[GateState] | None = None
    mine: str | None = None
    risk: str | None = None
    graph_id: str | None = None
    thread_id: str | None = None
    search: str | None = None
    with_snoozed: bool = False
    with_signals: bool = False
    newest_first: bool = False
    scope: Mapping[str, Any] | None = None
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSummary:
    """One line of the list.

    Attributes:
        shape: equal for reviews that may be decided together: same graph, node, actions.
        votes: votes so far.
        read_at: the database's clock, to count deadlines from.
    """

    gate_id: str
    thread_id: str
    run_id: str
    assistant_id: str
    graph_id: str
    node: str
    dialect: str
    title: str
    risk: str
    allowed: Sequence[str]
    state: GateState
    version: int
    fingerprint: str
    proposer: str | None
    assignees: Sequence[str]
    quorum: int
    votes: int
    claimed_by: str | None
    claim_until: datetime | None
    snoozed_until: datetime | None
    due_at: datetime | None
    remind_at: datetime | None
    expires_at: datetime | None
    escalate_at: datetime | None
    effective_at: datetime | None
    decision: Mapping[str, Any] | None
    decided_by: str | None
    decided_via: str | None
    decided_at: datetime | None
    created_at: datetime
    updated_at: datetime
    why_now: str
    effects: Mapping[str, str]
    actions: Sequence[str]
    shape: str
    read_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One person's vote."""

    voter: str
    decision: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """Something said about a review; the agent reads only what is meant for it."""

    comment_id: int
    author: str
    audience: str
    body: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewDetail:
    """Everything that a reviewer needs on one screen.

    Attributes:
        gate: the review itself.
        question: what is asked, with a schema for every form.
        shape: see `ReviewSummary`.
        previous: what the same node proposed on the thread before, and what became of it.
        similar: what was decided lately on other threads when the same node asked.
        activity: the audit log's lines about it, oldest first.
        asked: the people behind the assignees now, stand-ins in place of those away.
        undo_seconds: how long a decision about it can be taken back.
        refusal: why the person who looks may not decide, None when they may.
    """

    gate: Gate
    question: Question
    shape: str
    votes: Sequence[Vote]
    comments: Sequence[Comment]
    activity: Sequence[AuditEntry]
    previous: Mapping[str, Any] | None
    similar: Sequence[Mapping[str, Any]]
    asked: Sequence[str]
    undo_seconds: float
    refusal: str | None


class Board:
    """Reads reviews."""

    def __init__(
        self,
        *,
        database: Database,
        gates: Gates,
        people: People,
        audit: Audit,
        undo_seconds: float = 5.0,
    ) -> None:
        self.people = people
        self._database = database
        self._tenant = database.tenant
        self._gates = gates
        self._audit = audit
        self._undo_seconds = undo_seconds

    async def list(self, which: ReviewFilter) -> Page[ReviewSummary]:
        """Return reviews, the most urgent first."""
        states = sorted(LIVE) if which.states is None else [*which.states]
        limit = max(1, min(which.limit, MAX_LIMIT))
        async with self._database.pool.connection() as connection:
            names = None
            if which.mine is not None:
                names = await self.people.names_of(connection, which.mine)
            cursor = await connection.execute(
                statement("list_reviews"),
                {
                    "tenant": self._tenant,
                    "states": states,
                    "names": names,
                    "claimed_by": which.mine,
                    "risk": which.risk,
                    "graph_id": which.graph_id,
                    "thread_id": which.thread_id,
                    "search": which.search or None,
                    "with_snoozed": which.with_snoozed,
                    "with_signals": which.with_signals,
                    "newest_first": which.newest_first,
                    "scope": jsonb(which.scope) if which.scope else None,
                    "limit": limit,
                    "offset": max(0, which.offset),
                },
            )
            rows = await cursor.fetchall()
        total = rows[0]["total"] if rows else 0
        return make_page([_summary(row) for row in rows], total=total, offset=which.offset)

    async def require(
        self, review_ids: Iterable[str], *, scope: Mapping[str, Any] | None = None
    ) -> None:
        """Check that there are such reviews, on threads whose metadata contains `scope`.

        Raises:
            NotFoundError: there is no such review, or its thread is outside.
        """
        parameters = {"tenant": self._tenant, "scope": jsonb(scope) if scope else None}
        async with self._database.pool.connection() as connection:
            for review_id in review_ids:
                cursor = await connection.execute(
                    statement("find_review"), {**parameters, "gate_id": review_id}
                )
                if await cursor.fetchone() is None:
                    raise NotFoundError("review", review_id)

    async def counts(self, scope: Mapping[str, Any] | None = None) -> dict[str, int]:
        """Return how many reviews wait, are scheduled, are of high risk, are overdue."""
        async with self._database.pool.connection() as connection:
            cursor = await connection.execute(
                statement("count_reviews"),
                {"tenant": self._tenant, "scope": jsonb(scope) if scope else None},
            )
            return dict((await cursor.fetchall())[0])

    async def get(
        self, review_id: str, *, viewer: str, scope: Mapping[str, Any] | None = None
    ) -> ReviewDetail:
        """Return a review with everything around it, for the person who looks.

        `scope` limits what is shown of other threads: the decisions of similar reviews.

        Raises:
            NotFoundError: there is none.
        """
        async with self._database.pool.connection() as connection:
            gate = await self._gates.get(connection, review_id)
            question = gate.question
            return ReviewDetail(
                gate=gate,
                question=question,
                shape=shape_of(
                    gate.graph_id,
                    gate.node,
                    gate.dialect,
                    [action.name for action in question.actions],
                ),
                votes=await self.votes(connection, review_id),
                comments=await self.comments(connection, review_id),
                activity=(await self._audit.list(gate_id=review_id, limit=ACTIVITY_LIMIT))[::-1],
                previous=await self._previous(connection, gate),
                similar=await self._similar(connection, gate, scope),
                asked=await self.people.reached(connection, gate.assignees),
                undo_seconds=self.undo_seconds(question),
                refusal=await self._refusal(connection, gate, viewer),
            )

    async def votes(self, connection: Connection, review_id: str) -> Sequence[Vote]:
        """Return the votes on what is proposed now."""
        return [Vote(**row) for row in await self._rows(connection, "list_votes", review_id)]

    async def comments(self, connection: Connection, review_id: str) -> Sequence[Comment]:
        """Return the comments, oldest first."""
        return [Comment(**row) for row in await self._rows(connection, "list_comments", review_id)]

    def undo_seconds(self, question: Question) -> float:
        """Return how long a decision about a question can be taken back."""
        declared = question.policy.undo_seconds
        return self._undo_seconds if declared is None else declared

    async def _rows(
        self, connection: Connection, name: str, review_id: str
    ) -> Sequence[Mapping[str, Any]]:
        cursor = await connection.execute(
            statement(name), {"tenant": self._tenant, "gate_id": review_id}
        )
        return await cursor.fetchall()

    async def _previous(self, connection: Connection, gate: Gate) -> Mapping[str, Any] | None:
        cursor = await connection.execute(
            statement("read_previous_gate"),
            {
                "tenant": self._tenant,
                "gate_id": gate.gate_id,
                "thread_id": gate.thread_id,
                "node": gate.node,
                "dialect": gate.dialect,
                "created_at": gate.created_at,
            },
        )
        return await cursor.fetchone()

    async def _similar(
        self, connection: Connection, gate: Gate, scope: Mapping[str, Any] | None
    ) -> Sequence[Mapping[str, Any]]:
        cursor = await connection.execute(
            statement("list_similar_gates"),
            {
                "tenant": self._tenant,
                "graph_id": gate.graph_id,
                "node": gate.node,
                "dialect": gate.dialect,
                "thread_id": gate.thread_id,
                "scope": jsonb(scope) if scope else None,
                "limit": SIMILAR_LIMIT,
            },
        )
        return await cursor.fetchall()

    async def _refusal(self, connection: Connection, gate: Gate, viewer: str) -> str | None:
        if gate.state not in UNANSWERED:
            return f"it is {gate.state}"
        try:
            self._gates.check_open(gate, actor=viewer, version=None, fingerprint=None)
            await self.people.require(connection, gate.assignees, viewer)
        except EngineError as error:
            return str(error)
        return None


def shape_of(graph_id: str, node: str, dialect: str, actions: Sequence[str]) -> str:
    """Return what reviews must have in common to be decided together, as a short hash."""
    seen = canonical([graph_id, node, dialect, [*actions]])
    return hashlib.sha256(seen.encode()).hexdigest()[:16]


def _summary(row: Mapping[str, Any]) -> ReviewSummary:
    fields = {key: value for key, value in row.items() if key != "total"}
    shape = shape_of(row["graph_id"], row["node"], row["dialect"], row["actions"])
    return ReviewSummary(**fields, shape=shape)
