"""What people and programs say to a gate: one of them is heard, the others learn who was."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from engine.database import Connection, statement
from engine.errors import (
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidDecisionError,
    PreconditionFailedError,
)
from engine.gates.gate import UNANSWERED, Gate, outcome_of, settled, shown
from engine.gates.register import GateRegister
from engine.reviews.decision import Decision
from engine.reviews.dialects.answers import encode
from engine.reviews.dialects.clients import decisions_from
from engine.values import jsonb, text, to_storable_json

INTERRUPT_ID_LENGTH = 32
MAX_ANSWER_BYTES = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedResume:
    """A resume that was checked against its gates and closed them.

    Attributes:
        values: what the graph is resumed with, by interrupt id.
        gate_ids: the gates that are decided by it.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    gate_ids: Sequence[str] = ()


class Answers(GateRegister):
    """Decides gates."""

    async def accept_resume(
        self,
        connection: Connection,
        thread_id: str,
        resume: Any,
        *,
        actor: str,
        via: str = "api",
        graph_id: str | None = None,
        checkpoint_id: str | None = None,
    ) -> AcceptedResume:
        """Decide the gates that a client's `command.resume` answers, and return the answers.

        A map by interrupt id answers each gate it names; any other value answers the one gate
        that is open. Numbers that came as text are numbers again in the answer. There is no
        window for undoing here: the caller starts the run at once.

        Raises:
            ConflictError: nothing is open, it was decided by somebody else, several gates are
                open and none is named, the gate needs more votes, another graph than `graph_id`
                asks, or the page was of another checkpoint.
            GoneError: the gate expired or was withdrawn.
            ForbiddenError: this person may not decide.
            InvalidDecisionError: the value does not fit the gate's schema.
        """
        await self.lock_thread(connection, thread_id)
        named = _named(resume)
        gates = await self._of_thread(connection, thread_id, list(named or ()))
        unanswered = [gate for gate in gates if gate.state in UNANSWERED]
        if named is None:
            answers = {(await self._only(connection, thread_id, unanswered)).gate_id: resume}
        else:
            answers = _by_gate(named, gates)
        chosen = {gate.gate_id: gate for gate in gates}
        values: dict[str, Any] = {}
        for gate_id, value in answers.items():
            gate = chosen[gate_id]
            _check_addressee(gate, graph_id=graph_id, checkpoint_id=checkpoint_id)
            values[gate.interrupt_id] = await self._decide_foreign(
                connection, gate, value, actor=actor, via=via
            )
        return AcceptedResume(values=values, gate_ids=tuple(answers))

    async def decide(
        self,
        connection: Connection,
        gate: Gate,
        *,
        decision: Mapping[str, Any],
        answer: Any,
        actor: str,
        via: str,
        version: int | None = None,
        fingerprint: str | None = None,
        undo_seconds: float = 0.0,
    ) -> Gate:
        """Close a locked gate with an answer that was encoded and checked; return it as it is now.

        The row changes only if it still is what the caller saw; the audit entry is written beside
        it. With `undo_seconds` the gate is `scheduled` first. The caller starts the resume run of
        a gate that comes back `decided`.

        Raises:
            ConflictError: somebody decided or claimed it, or its checkpoint was pruned.
            GoneError: it expired or was withdrawn.
            PreconditionFailedError: what the caller saw is not what there is to decide.
            ForbiddenError: the proposer decides.
            InvalidDecisionError: the answer is too large to be kept.
        """
        self.check_open(gate, actor=actor, version=version, fingerprint=fingerprint)
        _check_size(answer)
        await self._check_ground(connection, gate)
        cursor = await connection.execute(
            statement("decide_gate"),
            {
                "tenant": self._tenant,
                "gate_id": gate.gate_id,
                "version": gate.version if version is None else version,
                "fingerprint": gate.fingerprint if fingerprint is None else fingerprint,
                "decision": jsonb(decision),
                "answer": jsonb(answer),
                "actor": text(actor),
                "via": via,
                "undo_seconds": undo_seconds,
            },
        )
        if await cursor.fetchone() is None:
            # Everything but time was checked under the lock.
            raise GoneError(f"the question expired at {shown(gate.expires_at)}", **outcome_of(gate))
        await self.note(
            connection,
            gate,
            "gate.decided" if undo_seconds <= 0 else "gate.scheduled",
            actor=actor,
            via=via,
            details={
                "decision": dict(decision),
                "fingerprint": gate.fingerprint,
                "version": gate.version,
                "undo_seconds": undo_seconds,
                "took_seconds": (gate.read_at - gate.created_at).total_seconds(),
            },
        )
        return await self.get(connection, gate.gate_id)

    def check_open(
        self, gate: Gate, *, actor: str, version: int | None, fingerprint: str | None
    ) -> None:
        """Check that a gate can be decided by `actor`, who saw this version of it.

        Raises:
            ConflictError, GoneError, PreconditionFailedError, ForbiddenError: as `decide` does.
        """
        if gate.state not in UNANSWERED:
            raise settled(gate)
        if gate.expires_at is not None and gate.expires_at <= gate.read_at:
            raise GoneError(f"the question expired at {shown(gate.expires_at)}", **outcome_of(gate))
        if fingerprint is not None and fingerprint != gate.fingerprint:
            raise PreconditionFailedError(
                "the proposal changed since it was read; look at it again", **outcome_of(gate)
            )
        if version is not None and version != gate.version:
            raise PreconditionFailedError(
                f"the review is at version {gate.version}, version {version} was read;"
                " look at it again",
                **outcome_of(gate),
            )
        if gate.proposer is not None and gate.proposer == actor:
            raise ForbiddenError(
                f"{actor!r} proposed this and may not decide it; another person has to",
                **outcome_of(gate),
            )
        if gate.held_by_other(actor):
            raise ConflictError(
                f"{gate.claimed_by!r} works on it until {shown(gate.claim_until)}",
                **outcome_of(gate),
            )

    # Inside

    async def _only(
        self, connection: Connection, thread_id: str, unanswered: Sequence[Gate]
    ) -> Gate:
        if len(unanswered) == 1:
            return unanswered[0]
        if unanswered:
            raise ConflictError(
                f"{len(unanswered)} questions are open on the thread; name the one that is"
                " answered: {interrupt_id: value}",
                thread_id=thread_id,
                interrupt_ids=[gate.interrupt_id for gate in unanswered],
            )
        last = await self._last_settled(connection, thread_id)
        if last is not None:
            raise settled(last)
        raise ConflictError("the thread waits for no answer", thread_id=thread_id)

    async def _check_ground(self, connection: Connection, gate: Gate) -> None:
        # Only another program than ours can have pruned it: an open question pins where it stands.
        cursor = await connection.execute(
            statement("has_lost_checkpoint"),
            {
                "thread_id": gate.thread_id,
                "checkpoint_ns": gate.checkpoint_ns,
                "checkpoint_id": gate.checkpoint_id,
            },
        )
        row = await cursor.fetchone()
        if row is not None and row["lost"]:
            raise ConflictError(
                f"checkpoint {gate.checkpoint_id!r}, where this was asked, no longer exists; the"
                " thread went on without an answer",
                **outcome_of(gate),
            )

    async def _decide_foreign(
        self, connection: Connection, gate: Gate, value: Any, *, actor: str, via: str
    ) -> Any:
        self.check_open(gate, actor=actor, version=None, fingerprint=None)
        if gate.quorum > 1:
            raise ConflictError(
                f"the question needs {gate.quorum} votes; vote at /reviews/{gate.gate_id}/decision",
                **outcome_of(gate),
            )
        question = gate.question
        decisions = decisions_from(question, value)
        answer = encode(question, decisions, response_schema=gate.response_schema, decided_by=actor)
        await self.decide(
            connection, gate, decision=said(decisions), answer=answer, actor=actor, via=via
        )
        return answer


def said(decisions: Sequence[Decision], **more: Any) -> dict[str, Any]:
    """Return decisions as the gate's row and the audit log keep them."""
    shown = [decision.to_json() for decision in decisions]
    kinds = {decision.type for decision in decisions}
    return {"type": kinds.pop() if len(kinds) == 1 else "mixed", "decisions": shown, **more}


def _check_addressee(gate: Gate, *, graph_id: str | None, checkpoint_id: str | None) -> None:
    """Check that an answer is for this question; None: the caller does not say."""
    if graph_id is not None and graph_id != gate.graph_id:
        # Another graph would find nothing to do there, and the answer would be spent.
        raise ConflictError(
            f"the answer is for graph {graph_id!r}, the question is asked by {gate.graph_id!r};"
            " resume with an assistant of that graph",
            gate_id=gate.gate_id,
            graph_id=gate.graph_id,
        )
    if checkpoint_id is not None and checkpoint_id != gate.checkpoint_id:
        raise ConflictError(
            f"the answer is for checkpoint {checkpoint_id!r}, the question is of"
            f" {gate.checkpoint_id!r}; look at it again",
            gate_id=gate.gate_id,
            checkpoint_id=gate.checkpoint_id,
        )


def _check_size(answer: Any) -> None:
    """Refuse an answer that the checkpoint could not hold: the question would be spent on it."""
    size = len(to_storable_json(answer).encode())
    if size > MAX_ANSWER_BYTES:
        message = f"an answer of at most {MAX_ANSWER_BYTES} bytes is expected, got {size}"
        raise InvalidDecisionError([{"pointer": "/answer", "message": message}])


def _named(resume: Any) -> Mapping[str, Any] | None:
    """Return a resume that is a map by interrupt id, None for any other value."""
    if resume is None or resume == {}:
        raise InvalidDecisionError(
            [{"pointer": "/command/resume", "message": "an answer is expected, got nothing"}]
        )
    return resume if names_questions(resume) else None


def names_questions(resume: Any) -> TypeGuard[Mapping[str, Any]]:
    """Tell whether a resume is a map by interrupt id, which says what it answers."""
    return isinstance(resume, Mapping) and all(_is_interrupt_id(key) for key in resume)


def _is_interrupt_id(key: Any) -> bool:
    return (
        isinstance(key, str)
        and len(key) == INTERRUPT_ID_LENGTH
        and all(character in "0123456789abcdef" for character in key)
    )


def _by_gate(named: Mapping[str, Any], gates: Sequence[Gate]) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for interrupt_id, value in named.items():
        asked = [gate for gate in gates if gate.interrupt_id == interrupt_id]
        if not asked:
            raise ConflictError(
                f"the thread does not wait at interrupt {interrupt_id!r}",
                interrupt_id=interrupt_id,
                interrupt_ids=[gate.interrupt_id for gate in gates if gate.state in UNANSWERED],
            )
        gate = next((one for one in asked if one.state in UNANSWERED), None)
        if gate is None:
            raise settled(max(asked, key=lambda one: one.ordinal))
        answers[gate.gate_id] = value
    return answers
