"""Decisions: validated, written, and only then told to the graph.

Every method whose first parameter is `connection` joins the caller's transaction, and the audit
entry of what it does is written in that transaction too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from engine.audit import Audit
from engine.database import Connection, Database, statement
from engine.errors import (
    ConflictError,
    EngineError,
    ForbiddenError,
    GoneError,
    InvalidDecisionError,
    InvalidValueError,
)
from engine.gates.answers import said
from engine.gates.book import Gates
from engine.gates.gate import UNANSWERED, Gate, outcome_of, settled
from engine.reviews.board import Board, Comment, Vote, shape_of
from engine.reviews.decision import Decision
from engine.reviews.dialects import encode
from engine.reviews.people import People
from engine.reviews.question import Question, canonical
from engine.reviews.schemas import coerce
from engine.runs import Run
from engine.values import jsonb, text

CLAIM_SECONDS = 600.0
MAX_CLAIM_SECONDS = 8 * 3600.0
MAX_UNDO_SECONDS = 600.0
MAX_EXTENSION_SECONDS = 90 * 86_400.0
MAX_COMMENT_LENGTH = 10_000
MAX_BULK = 100
# What carries the words for the agent in dialects that know nothing of ours.
SPOKEN = ("reject", "respond")


class ResumeLedger(Protocol):
    """What decisions need of `engine.runs.Runs`."""

    async def submit_resume(
        self,
        connection: Connection,
        *,
        thread_id: str,
        values: Mapping[str, Any],
        gate_ids: Sequence[str],
        parent_run_id: str,
        actor: str = "system",
        via: str = "system",
    ) -> Run:
        """Accept the run that carries the answers of gates that were just decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """What a reviewer sends.

    Attributes:
        decisions: one for all actions, or one for each of them.
        version: the version of the review that was seen; None checks the fingerprint only.
        fingerprint: the fingerprint of the proposal that was seen.
        note: an internal comment, kept with the review and never shown to the agent.
        undo_seconds: a window of one's own for taking it back; None takes the review's.
    """

    decisions: Sequence[Decision]
    version: int | None = None
    fingerprint: str | None = None
    note: str | None = None
    undo_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one review of a bulk decision: the review as it is now, or the refusal."""

    review_id: str
    gate: Gate | None = None
    error: EngineError | None = None


class Reviews(Board):
    """Everything that a reviewer can do; see `Board` for what a reviewer sees."""

    def __init__(
        self,
        *,
        database: Database,
        gates: Gates,
        runs: ResumeLedger,
        people: People,
        audit: Audit,
        undo_seconds: float = 5.0,
    ) -> None:
        super().__init__(
            database=database, gates=gates, people=people, audit=audit, undo_seconds=undo_seconds
        )
        self._runs = runs

    # Deciding

    async def decide(
        self, connection: Connection, review_id: str, ballot: Ballot, *, actor: str, via: str
    ) -> Gate:
        """Decide a review, or vote on it, and return it as it is now.

        The graph hears of it when the window for taking it back is over; without a window the
        run is accepted in this transaction.

        Raises:
            NotFoundError: there is no such review.
            ConflictError: somebody else decided it or works on it.
            GoneError: it expired or was withdrawn.
            PreconditionFailedError: the proposal is not the one that was seen.
            ForbiddenError: the person is not asked, or proposed it.
            InvalidDecisionError: the decision does not fit; nothing was written.
        """
        gate = await self._gates.lock(connection, review_id)
        self._gates.check_open(
            gate, actor=actor, version=ballot.version, fingerprint=ballot.fingerprint
        )
        behind = await self.people.require(connection, gate.assignees, actor)
        question = gate.question
        decisions = _as_typed(question, ballot.decisions)
        # Wrong decisions are refused before a comment or a vote is kept.
        encode(question, decisions, response_schema=gate.response_schema, decided_by=actor)
        if ballot.note:
            await self._comment(connection, gate, ballot.note, "internal", actor=actor)
        voters = [actor]
        if gate.quorum > 1:
            voters = await self._vote(connection, gate, decisions, actor=actor, via=via)
            if not voters:
                return await self._gates.get(connection, review_id)
        told = _with_comments(question, decisions, await self.comments(connection, review_id))
        answer = encode(
            question, told, response_schema=gate.response_schema, decided_by=", ".join(voters)
        )
        more = {"for": behind} if behind else {}
        if len(voters) > 1:
            more["voters"] = ", ".join(voters)
        decided = await self._gates.decide(
            connection,
            gate,
            decision=said(told, **more),
            answer=answer,
            actor=actor,
            via=via,
            version=ballot.version,
            fingerprint=ballot.fingerprint,
            undo_seconds=self._window(question, ballot),
        )
        if decided.state == "decided":
            await self.resume(connection, decided)
        return await self._gates.get(connection, review_id)

    async def decide_many(
        self,
        connection: Connection,
        ballots: Mapping[str, Ballot],
        *,
        actor: str,
        via: str,
    ) -> list[Outcome]:
        """Decide alike reviews with one decision each; refusals of single ones do not stop others.

        Raises:
            InvalidDecisionError: they are not of one shape, too many, or decided by editing.
            ForbiddenError: one of them is of high risk: it is decided for itself.
            NotFoundError: one of them does not exist.
        """
        gates = [await self._gates.get(connection, review_id) for review_id in ballots]
        _check_bulk(gates, ballots)
        outcomes = []
        # One order of locks for everybody who decides many at once.
        for gate in sorted(gates, key=lambda one: (one.thread_id, one.gate_id)):
            try:
                async with connection.transaction():
                    decided = await self.decide(
                        connection, gate.gate_id, ballots[gate.gate_id], actor=actor, via=via
                    )
                outcomes.append(Outcome(review_id=gate.gate_id, gate=decided))
            except EngineError as error:
                outcomes.append(Outcome(review_id=gate.gate_id, error=error))
        return outcomes

    async def undo(self, connection: Connection, review_id: str, *, actor: str, via: str) -> Gate:
        """Take a decision back while its window is open.

        Raises:
            ConflictError: there is nothing to take back any more.
            ForbiddenError: somebody else decided.
        """
        gate = await self._gates.lock(connection, review_id)
        if gate.state != "scheduled":
            raise ConflictError(
                f"there is nothing to take back: the review is {gate.state}", **outcome_of(gate)
            )
        if gate.decided_by != actor:
            raise ForbiddenError(
                f"{gate.decided_by!r} decided; only the same person can take it back",
                **outcome_of(gate),
            )
        cursor = await connection.execute(statement("undo_gate"), self._key(review_id))
        if await cursor.fetchone() is None:
            raise ConflictError(
                "the time for taking it back is over; the graph goes on", **outcome_of(gate)
            )
        await connection.execute(statement("delete_vote"), {**self._key(review_id), "voter": actor})
        details = {"decision": gate.decision}
        await self._gates.note(
            connection, gate, "gate.undone", actor=actor, via=via, details=details
        )
        return await self._gates.get(connection, review_id)

    async def finalise(self, connection: Connection, gate: Gate) -> bool:
        """Make a locked, scheduled decision final if its window is over, and resume the graph."""
        cursor = await connection.execute(statement("finalise_gate"), self._key(gate.gate_id))
        if await cursor.fetchone() is None:
            return False
        await self.resume(connection, gate)
        await self._gates.note(
            connection,
            gate,
            "gate.decided",
            actor=gate.decided_by or "timer",
            via=gate.decided_via or "timer",
            details={"decision": gate.decision, "fingerprint": gate.fingerprint},
        )
        return True

    async def resume(self, connection: Connection, gate: Gate) -> None:
        """Accept the run that tells the graph the answer of a gate that is settled."""
        run = await self._runs.submit_resume(
            connection,
            thread_id=gate.thread_id,
            values={gate.interrupt_id: gate.answer},
            gate_ids=[gate.gate_id],
            parent_run_id=gate.run_id,
            actor=gate.decided_by or "timer",
            via=gate.decided_via or "timer",
        )
        await self._gates.link_run(connection, [gate.gate_id], run.run_id)

    # Around a decision

    async def claim(
        self,
        connection: Connection,
        review_id: str,
        *,
        actor: str,
        via: str,
        lease_seconds: float = CLAIM_SECONDS,
    ) -> Gate:
        """Take a review, or keep it longer; the claim lapses by itself after `lease_seconds`.

        Raises:
            ConflictError: somebody else has it, or it is settled.
            ForbiddenError: the person may not decide it.
        """
        gate = await self._open_to(connection, review_id, actor)
        lease = max(1.0, min(lease_seconds, MAX_CLAIM_SECONDS))
        cursor = await connection.execute(
            statement("claim_gate"),
            {**self._key(review_id), "actor": text(actor), "lease_seconds": lease},
        )
        if await cursor.fetchone() is None:
            raise ConflictError(f"{gate.claimed_by!r} works on it", **outcome_of(gate))
        details = {"lease_seconds": lease}
        return await self._noted(connection, gate, "gate.claimed", actor, via, details)

    async def release(
        self, connection: Connection, review_id: str, *, actor: str, via: str
    ) -> Gate:
        """Give a claimed review back.

        Raises:
            ConflictError: it is not claimed, or by somebody else.
        """
        gate = await self._gates.lock(connection, review_id)
        if gate.state != "claimed":
            raise ConflictError(
                f"there is no claim to give back: the review is {gate.state}", **outcome_of(gate)
            )
        if gate.held_by_other(actor):
            raise ConflictError(f"{gate.claimed_by!r} works on it", **outcome_of(gate))
        await connection.execute(statement("release_gate"), self._key(review_id))
        return await self._noted(connection, gate, "gate.released", actor, via, {})

    async def delegate(
        self,
        connection: Connection,
        review_id: str,
        *,
        to: Sequence[str],
        actor: str,
        via: str,
        reason: str = "",
    ) -> Gate:
        """Ask other people instead.

        Raises:
            InvalidValueError: nobody is named, or only the one who may not decide it.
            ForbiddenError: the person is not asked, so has nothing to hand over.
            ConflictError, GoneError: it is settled, or somebody works on it.
        """
        gate = await self._open_to(connection, review_id, actor)
        names = [text(name.strip()) for name in to if name.strip()]
        if not names or names == [gate.proposer]:
            raise InvalidValueError("/to", "people or teams who may decide it", list(to))
        await connection.execute(
            statement("reassign_gate"), {**self._key(review_id), "assignees": names}
        )
        details = {"from": list(gate.assignees), "to": names, "reason": reason}
        return await self._noted(connection, gate, "gate.delegated", actor, via, details)

    async def comment(
        self,
        connection: Connection,
        review_id: str,
        *,
        body: str,
        audience: str,
        actor: str,
        via: str,
    ) -> Comment:
        """Say something: `agent` is read by the agent with the decision, `internal` never.

        Raises:
            InvalidValueError: there is no text, too much of it, or no such audience.
            ConflictError, GoneError: it is settled and the agent could not hear it any more.
        """
        gate = await self._gates.lock(connection, review_id)
        if audience == "agent" and gate.state not in UNANSWERED:
            raise settled(gate)
        comment = await self._comment(connection, gate, body, audience, actor=actor)
        details = {"audience": audience, "body": comment.body}
        await self._gates.note(
            connection, gate, "gate.commented", actor=actor, via=via, details=details
        )
        return comment

    async def snooze(
        self,
        connection: Connection,
        review_id: str,
        *,
        until: datetime | None,
        actor: str,
        via: str,
    ) -> Gate:
        """Put a review out of sight until a moment; None brings it back.

        Raises:
            InvalidValueError: the moment is over, or after the review expires.
            ConflictError, GoneError, ForbiddenError: as in `claim`.
        """
        gate = await self._open_to(connection, review_id, actor)
        cursor = await connection.execute(
            statement("snooze_gate"), {**self._key(review_id), "until": until}
        )
        if await cursor.fetchone() is None:
            raise InvalidValueError("/until", "in the future and before the review expires", until)
        details = {"until": None if until is None else until.isoformat()}
        return await self._noted(connection, gate, "gate.snoozed", actor, via, details)

    async def extend(
        self, connection: Connection, review_id: str, *, seconds: float, actor: str, via: str
    ) -> Gate:
        """Move every deadline that is still to come by so many seconds.

        Raises:
            InvalidValueError: no time, or too much of it.
            ConflictError: there is no deadline.
            GoneError, ForbiddenError: as in `claim`.
        """
        if not 0 < seconds <= MAX_EXTENSION_SECONDS:
            expected = f"more than 0 and at most {MAX_EXTENSION_SECONDS:.0f}"
            raise InvalidValueError("/seconds", expected, seconds)
        gate = await self._open_to(connection, review_id, actor)
        if gate.due_at is None and gate.expires_at is None:
            raise ConflictError("the review has no deadline", **outcome_of(gate))
        cursor = await connection.execute(
            statement("extend_gate"), {**self._key(review_id), "seconds": seconds}
        )
        if await cursor.fetchone() is None:
            raise GoneError("the review expired", **outcome_of(gate))
        return await self._noted(
            connection, gate, "gate.extended", actor, via, {"seconds": seconds}
        )

    # Inside

    def _key(self, review_id: str) -> dict[str, Any]:
        return {"tenant": self._tenant, "gate_id": review_id}

    async def _open_to(self, connection: Connection, review_id: str, actor: str) -> Gate:
        gate = await self._gates.lock(connection, review_id)
        self._gates.check_open(gate, actor=actor, version=None, fingerprint=None)
        await self.people.require(connection, gate.assignees, actor)
        return gate

    async def _noted(
        self,
        connection: Connection,
        gate: Gate,
        action: str,
        actor: str,
        via: str,
        details: Mapping[str, Any],
    ) -> Gate:
        await self._gates.note(connection, gate, action, actor=actor, via=via, details=details)
        return await self._gates.get(connection, gate.gate_id)

    def _window(self, question: Question, ballot: Ballot) -> float:
        wanted = ballot.undo_seconds
        seconds = self.undo_seconds(question) if wanted is None else wanted
        return max(0.0, min(seconds, MAX_UNDO_SECONDS))

    async def _vote(
        self,
        connection: Connection,
        gate: Gate,
        decisions: Sequence[Decision],
        *,
        actor: str,
        via: str,
    ) -> list[str]:
        """Keep a vote; return who decided alike if that settles it, nobody if it does not."""
        vote = said(decisions)
        await connection.execute(
            statement("save_vote"),
            {**self._key(gate.gate_id), "voter": text(actor), "decision": jsonb(vote)},
        )
        alike = [
            one.voter for one in await self.votes(connection, gate.gate_id) if _same(one, vote)
        ]
        rejected = all(decision.type == "reject" for decision in decisions)
        if len(alike) >= gate.quorum or rejected:
            return alike
        details = {"vote": vote, "votes": len(alike), "quorum": gate.quorum}
        await self._gates.note(
            connection, gate, "gate.voted", actor=actor, via=via, details=details
        )
        return []

    async def _comment(
        self, connection: Connection, gate: Gate, body: str, audience: str, *, actor: str
    ) -> Comment:
        if audience not in ("agent", "internal"):
            raise InvalidValueError("/audience", "agent or internal", audience)
        if not body.strip() or len(body) > MAX_COMMENT_LENGTH:
            raise InvalidValueError("/body", f"a text of at most {MAX_COMMENT_LENGTH} characters")
        cursor = await connection.execute(
            statement("insert_comment"),
            {
                **self._key(gate.gate_id),
                "author": text(actor),
                "audience": audience,
                "body": text(body.strip()),
            },
        )
        return Comment(**(await cursor.fetchall())[0])


def _as_typed(question: Question, decisions: Sequence[Decision]) -> list[Decision]:
    """Return decisions with text turned into what the schemas ask for."""
    actions = question.actions
    typed = []
    for index, decision in enumerate(decisions):
        if decision.type == "edit" and decision.args is not None and index < len(actions):
            args = coerce(actions[index].args_schema, decision.args)
            typed.append(replace(decision, args=args))
        elif decision.type == "answer":
            typed.append(replace(decision, value=coerce(question.answer_schema, decision.value)))
        else:
            typed.append(decision)
    return typed


def _with_comments(
    question: Question, decisions: Sequence[Decision], comments: Sequence[Comment]
) -> list[Decision]:
    """Add what was said to the agent before, where the dialect has ears for it."""
    spoken = [f"{one.author}: {one.body}" for one in comments if one.audience == "agent"]
    if not spoken:
        return list(decisions)
    return [
        replace(one, message="\n".join([*spoken, *([one.message] if one.message else [])]))
        if question.aware or one.type in SPOKEN
        else one
        for one in decisions
    ]


def _same(vote: Vote, said_now: Mapping[str, Any]) -> bool:
    """Tell whether two votes want the same to be done, whatever they say about it."""

    def wanted(decision: Mapping[str, Any]) -> str:
        without_words = [
            {key: value for key, value in one.items() if key != "message"}
            for one in decision["decisions"]
        ]
        return canonical(without_words)

    return wanted(vote.decision) == wanted(said_now)


def _check_bulk(gates: Sequence[Gate], ballots: Mapping[str, Ballot]) -> None:
    if not 0 < len(gates) <= MAX_BULK:
        raise InvalidDecisionError(
            [{"pointer": "/reviews", "message": f"1 to {MAX_BULK} reviews are expected"}]
        )
    risky = [gate.gate_id for gate in gates if gate.risk == "high"]
    if risky:
        raise ForbiddenError("reviews of high risk are decided one by one", review_ids=risky)
    shapes = {
        shape_of(
            gate.graph_id,
            gate.node,
            gate.dialect,
            [action.name for action in gate.question.actions],
        )
        for gate in gates
    }
    if len(shapes) > 1:
        raise InvalidDecisionError(
            [{"pointer": "/reviews", "message": "the reviews are not of one shape"}]
        )
    kinds = {decision.type for ballot in ballots.values() for decision in ballot.decisions}
    if len(kinds) != 1 or "edit" in kinds:
        raise InvalidDecisionError(
            [{"pointer": "/type", "message": "one decision that edits nothing is expected"}]
        )
