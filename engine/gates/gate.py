"""A gate: one question that is or was open, and what a latecomer is told of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, Self

from engine.errors import ConflictError, EngineError, GoneError
from engine.reviews.question import Dialect, Question, Risk

GateState = Literal["open", "claimed", "scheduled", "decided", "expired", "cancelled", "superseded"]
# What may follow on what; `0002_transitions.sql` says the same to the database.
TRANSITIONS: Mapping[GateState, frozenset[GateState]] = {
    "open": frozenset({"claimed", "scheduled", "decided", "expired", "cancelled", "superseded"}),
    "claimed": frozenset({"open", "scheduled", "decided", "expired", "cancelled", "superseded"}),
    "scheduled": frozenset({"open", "decided", "cancelled", "superseded"}),
    "decided": frozenset(),
    "expired": frozenset(),
    "cancelled": frozenset(),
    "superseded": frozenset(),
}
UNANSWERED: frozenset[GateState] = frozenset({"open", "claimed"})
LIVE: frozenset[GateState] = frozenset(
    state for state, successors in TRANSITIONS.items() if successors
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One row of `holdfast.gates`.

    Attributes:
        gate_id: also the review's id.
        value: what the graph passed to `interrupt()`.
        review: the question as `Question.to_json` wrote it.
        fingerprint: SHA-256 over what is proposed.
        version: counts the changes of what there is to decide: another proposal, a decision, its
            undoing.
        proposer: who may not decide.
        on_expiry: what happens at `expires_at`.
        escalations: hops still to come.
        effective_at: until then a scheduled decision can be taken back.
        wake_at: the next moment a timer has work here.
        decision: what was decided, as the reviewer said it.
        answer: what the graph is resumed with.
        read_at: the database's clock at the reading.
    """

    gate_id: str
    interrupt_id: str
    ordinal: int
    thread_id: str
    run_id: str
    assistant_id: str
    graph_id: str
    node: str
    task_id: str
    checkpoint_ns: str
    checkpoint_id: str
    dialect: Dialect
    value: Any
    response_schema: Mapping[str, Any] | None
    review: Mapping[str, Any]
    title: str
    risk: Risk
    allowed: Sequence[str]
    fingerprint: str
    version: int
    state: GateState
    proposer: str | None
    assignees: Sequence[str]
    quorum: int
    claimed_by: str | None
    claim_until: datetime | None
    snoozed_until: datetime | None
    signal_name: str | None
    due_at: datetime | None
    remind_at: datetime | None
    expires_at: datetime | None
    on_expiry: Mapping[str, Any]
    escalations: Sequence[Mapping[str, Any]]
    escalate_at: datetime | None
    effective_at: datetime | None
    wake_at: datetime | None
    decision: Mapping[str, Any] | None
    answer: Any
    decided_by: str | None
    decided_via: str | None
    decided_at: datetime | None
    resume_run_id: str | None
    created_at: datetime
    updated_at: datetime
    read_at: datetime

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Return the gate of a database row."""
        return cls(**{column.name: row[column.name] for column in fields(cls)})

    @property
    def question(self) -> Question:
        """The question that is asked."""
        return Question.from_json(self.review)

    def held_by_other(self, actor: str) -> bool:
        """Tell whether somebody else has claimed the gate and the claim has not lapsed."""
        return (
            self.claimed_by not in (None, actor)
            and self.claim_until is not None
            and self.claim_until > self.read_at
        )


def settled(gate: Gate) -> EngineError:
    """Return the error that tells a latecomer who came first, when, with what and why."""
    values = outcome_of(gate)
    if gate.state == "expired":
        return GoneError(f"the question expired at {shown(gate.expires_at)}", **values)
    if gate.state in ("superseded", "cancelled"):
        return GoneError(f"the question is {gate.state}: nobody needs to answer it", **values)
    kind = (gate.decision or {}).get("type", "decided")
    return ConflictError(
        f"{gate.decided_by!r} decided {kind!r} at {shown(gate.decided_at)}", **values
    )


def outcome_of(gate: Gate) -> dict[str, Any]:
    """Return what a conflict answer says about a gate: who, when, what, why."""
    return {
        "review_id": gate.gate_id,
        "state": gate.state,
        "version": gate.version,
        "fingerprint": gate.fingerprint,
        "decided_by": gate.decided_by,
        "decided_at": None if gate.decided_at is None else gate.decided_at.isoformat(),
        "decided_via": gate.decided_via,
        "decision": gate.decision,
        "claimed_by": gate.claimed_by,
        "checkpoint_id": gate.checkpoint_id,
    }


def shown(moment: datetime | None) -> str:
    """Return a moment as messages name it."""
    return "an unknown time" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
