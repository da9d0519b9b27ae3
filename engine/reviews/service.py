"""Decisions: validated, written, and only then told to the graph.

Every method whose first parameter is `connection` joins the caller's transaction, and the audit
entry of what it does is written in that transaction too.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from engine.audit import Audit
from engine.database import Connection, Database, statement
from engine.errors import ConflictError, EngineError, ForbiddenError
from engine.gates.answers import said
from engine.gates.book import Gates
from engine.gates.gate import Gate, outcome_of
from engine.reviews.ballots import Ballot, Outcome, as_typed, check_bulk, same, with_comments
from engine.reviews.decision import Decision
from engine.reviews.dialects.answers import encode
from engine.reviews.handling import Handling
from engine.reviews.people import People
from engine.reviews.question import Question
from engine.runs.run import Run
from engine.values import jsonb, text

MAX_UNDO_SECONDS = 600.0


class ResumeLedger(Protocol):
    """What decisions need of `engine.runs.ledger.Runs`."""

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


class Reviews(Handling):
    """Everything that a reviewer can do; `Handling` is what surrounds a decision."""

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
        decisions = as_typed(question, ballot.decisions)
        # Wrong decisions are refused before a comment or a vote is kept.
        encode(question, decisions, response_schema=gate.response_schema, decided_by=actor)
        if ballot.note:
            await self._comment(connection, gate, ballot.note, "internal", actor=actor)
        voters = [actor]
        if gate.quorum > 1:
            voters = await self._vote(connection, gate, decisions, actor=actor, via=via)
            if not voters:
                return await self._gates.get(connection, review_id)
        told = with_comments(question, decisions, await self.comments(connection, review_id))
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
        check_bulk(gates, ballots)
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

    # Inside

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
        alike = [one.voter for one in await self.votes(connection, gate.gate_id) if same(one, vote)]
        rejected = all(decision.type == "reject" for decision in decisions)
        if len(alike) >= gate.quorum or rejected:
            return alike
        details = {"vote": vote, "votes": len(alike), "quorum": gate.quorum}
        await self._gates.note(
            connection, gate, "gate.voted", actor=actor, via=via, details=details
        )
        return []
