"""Reviews as clients send decisions about them and see them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from api.schemas.common import NULL, STATED, Strict, examples
from engine.errors import EngineError, InvalidDecisionError
from engine.gates.gate import Gate, GateState
from engine.reviews.ballots import MAX_BULK, Ballot
from engine.reviews.board import ReviewDetail, ReviewSummary
from engine.reviews.decision import Decision
from engine.reviews.handling import MAX_COMMENT_LENGTH
from engine.reviews.people import Absence
from engine.reviews.question import DecisionType
from engine.reviews.service import MAX_UNDO_SECONDS
from engine.signals import Receipt, Signal

Name = Annotated[str, Field(min_length=1, max_length=200)]
Words = Annotated[str, Field(max_length=MAX_COMMENT_LENGTH)]


class View(BaseModel):
    """An answer's part, read from the engine's own results."""

    model_config = ConfigDict(from_attributes=True)


# What clients send


class ActionDecision(Strict):
    """A decision about one action."""

    type: DecisionType
    args: dict[str, Any] | None = Field(
        default=None, description="For `edit`: all arguments, in place of the proposed ones."
    )
    message: Words | None = Field(default=None, description="What the agent is told.")
    value: Any = Field(default=None, description="For `answer`: the answer itself.")

    def to_decision(self) -> Decision:
        """Return the decision as the engine takes it."""
        if self.type == "answer" and "value" not in self.model_fields_set:
            raise InvalidDecisionError([{"pointer": "/value", "message": "an answer is expected"}])
        return Decision(type=self.type, args=self.args, message=self.message, value=self.value)


class DecisionCreate(Strict):
    """A decision: one for everything (`type`), or one for each action (`decisions`).

    What was seen must be named, by `fingerprint` or by the version in `If-Match`: nobody approves
    a proposal that changed meanwhile.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"type": "approve", "fingerprint": "9c56cc51"},
                {"type": "reject", "message": "too expensive", "version": 1},
            ],
            "oneOf": [
                {"required": ["type"], "properties": {"type": STATED, "decisions": NULL}},
                {"required": ["decisions"], "properties": {"decisions": STATED, "type": NULL}},
            ],
        },
    )

    type: DecisionType | None = None
    args: dict[str, Any] | None = Field(
        default=None, description="For `edit`: all arguments, in place of the proposed ones."
    )
    message: Words | None = Field(default=None, description="What the agent is told.")
    value: Any = Field(default=None, description="For `answer`: the answer itself.")
    decisions: list[ActionDecision] | None = None
    fingerprint: str | None = Field(default=None, description="Of the proposal that was seen.")
    version: int | None = Field(default=None, description="As `If-Match`, for simple clients.")
    note: Words | None = Field(
        default=None, description="Internal comment; the agent never sees it."
    )
    undo_seconds: Annotated[float, Field(ge=0, le=MAX_UNDO_SECONDS)] | None = Field(
        default=None, description="How long the decision can be taken back."
    )

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.type is None) == (self.decisions is None):
            raise ValueError("give either type or decisions")
        return self

    def to_ballot(self, version: int | None) -> Ballot:
        """Return the ballot; `version` is that of the `If-Match` header.

        Raises:
            InvalidDecisionError: it does not say what was seen.
        """
        version = self.version if version is None else version
        if version is None and self.fingerprint is None:
            message = "the fingerprint, or the version in If-Match, of what was seen is expected"
            raise InvalidDecisionError([{"pointer": "/fingerprint", "message": message}])
        if self.decisions is not None:
            decisions = [one.to_decision() for one in self.decisions]
        else:
            fields = self.model_fields_set & ActionDecision.model_fields.keys()
            single = {name: getattr(self, name) for name in fields}
            decisions = [ActionDecision.model_validate(single).to_decision()]
        return Ballot(
            decisions=decisions,
            version=version,
            fingerprint=self.fingerprint,
            note=self.note,
            undo_seconds=self.undo_seconds,
        )


class SeenReview(Strict):
    """A review and what was seen of it."""

    id: Name
    fingerprint: str
    version: int | None = None


class BulkDecisionCreate(Strict):
    """One decision about several reviews of one shape, none of high risk."""

    model_config = examples(
        {"reviews": [{"id": "r-1", "fingerprint": "9c56cc51"}], "type": "approve"}
    )

    reviews: Annotated[list[SeenReview], Field(min_length=1, max_length=MAX_BULK)]
    type: Literal["approve", "reject", "respond"]
    message: Words | None = None
    note: Words | None = None
    undo_seconds: Annotated[float, Field(ge=0, le=MAX_UNDO_SECONDS)] | None = None

    def to_ballots(self) -> dict[str, Ballot]:
        """Return a ballot per review."""
        return {
            seen.id: Ballot(
                decisions=[Decision(type=self.type, message=self.message)],
                version=seen.version,
                fingerprint=seen.fingerprint,
                note=self.note,
                undo_seconds=self.undo_seconds,
            )
            for seen in self.reviews
        }


class ClaimCreate(Strict):
    """How long a review is taken for."""

    model_config = examples({"lease_seconds": 600})

    lease_seconds: Annotated[float, Field(gt=0, le=8 * 3600)] = 600.0


class Nothing(Strict):
    """A request without fields."""

    model_config = examples({})


class DelegationCreate(Strict):
    """Who is asked instead."""

    model_config = examples({"to": ["carla"], "reason": "over my limit"})

    to: Annotated[list[Name], Field(min_length=1, max_length=100)]
    reason: Words = ""


class CommentCreate(Strict):
    """Something to say about a review."""

    model_config = examples({"body": "the supplier has changed its address", "audience": "agent"})

    body: Annotated[str, Field(min_length=1, max_length=MAX_COMMENT_LENGTH)]
    audience: Literal["agent", "internal"] = "internal"


class SnoozeCreate(Strict):
    """Until when a review is put off; null brings it back."""

    model_config = examples({"until": "2027-01-04T09:00:00+01:00"})

    until: datetime | None

    @model_validator(mode="after")
    def _has_an_offset(self) -> Self:
        if self.until is not None and self.until.tzinfo is None:
            raise ValueError("until needs a UTC offset")
        return self


class ExtensionCreate(Strict):
    """By how much the deadlines move."""

    model_config = examples({"seconds": 3600})

    seconds: Annotated[float, Field(gt=0, le=90 * 86_400)]


class AbsencePut(Strict):
    """Who stands in, and from when to when."""

    model_config = examples({"delegate": "ben", "ends_at": "2027-01-04T09:00:00+01:00"})

    delegate: Name
    starts_at: datetime | None = Field(default=None, description="Null for now.")
    ends_at: datetime

    @model_validator(mode="after")
    def _have_offsets(self) -> Self:
        if any(at is not None and at.tzinfo is None for at in (self.starts_at, self.ends_at)):
            raise ValueError("instants need a UTC offset")
        return self


class SignalCreate(Strict):
    """An event from outside."""

    model_config = examples({"payload": {"paid": True}, "id": "evt-1"})

    payload: Any = None
    id: Name | None = Field(
        default=None, description="The sender's own id; the same event sent again is absorbed."
    )


class LinkDecision(Strict):
    """A decision by a link."""

    model_config = examples({"type": "approve"})

    type: Literal["approve", "reject", "respond"]
    message: Words | None = None


# What clients see


class ReviewLine(View):
    """One line of the list.

    `shape` is equal for reviews that may be decided together; `read_at` is the database's clock,
    to count deadlines from.
    """

    id: str = Field(validation_alias=AliasChoices("gate_id", "id"))
    thread_id: str
    run_id: str
    graph_id: str
    node: str
    dialect: str
    title: str
    risk: str
    why_now: str
    allowed: Sequence[str]
    effects: Mapping[str, str]
    actions: Sequence[str]
    state: GateState
    version: int
    fingerprint: str
    shape: str
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
    read_at: datetime

    @classmethod
    def of(cls, summary: ReviewSummary) -> Self:
        """Return the line of a summary."""
        return cls.model_validate(summary)


class ReviewPage(BaseModel):
    """A stretch of the list, and how the open reviews stand."""

    reviews: Sequence[ReviewLine]
    total: int
    next_offset: int | None
    counts: Mapping[str, int] = Field(description="waiting, scheduled, high_risk, overdue")


class ActionView(View):
    """One thing that the agent wants to do, with the schema of its form."""

    name: str
    args: Mapping[str, Any]
    description: str
    allowed: Sequence[str]
    args_schema: Mapping[str, Any]
    schema_given: bool
    call_id: str | None


class EvidenceView(View):
    """A fact that helps to decide."""

    label: str
    value: str
    href: str | None


class VoteView(View):
    """One person's vote."""

    voter: str
    decision: Mapping[str, Any]
    created_at: datetime


class CommentView(View):
    """Something said about a review."""

    comment_id: int
    author: str
    audience: str
    body: str
    created_at: datetime


class ActivityView(View):
    """A line of the audit log."""

    seq: int
    at: datetime
    actor: str
    via: str
    action: str
    details: Mapping[str, Any]


class ReviewState(View):
    """A review as it stands after a command."""

    id: str = Field(validation_alias=AliasChoices("gate_id", "id"))
    interrupt_id: str
    thread_id: str
    run_id: str
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
    claimed_by: str | None
    claim_until: datetime | None
    snoozed_until: datetime | None
    due_at: datetime | None
    remind_at: datetime | None
    expires_at: datetime | None
    escalate_at: datetime | None
    effective_at: datetime | None = Field(description="Until then the decision can be taken back.")
    decision: Mapping[str, Any] | None
    decided_by: str | None
    decided_via: str | None
    decided_at: datetime | None
    resume_run_id: str | None = Field(description="The run that told the graph.")
    created_at: datetime
    updated_at: datetime
    read_at: datetime

    @classmethod
    def of(cls, gate: Gate) -> Self:
        """Return the state of a gate."""
        return cls.model_validate(gate)


class ReviewView(ReviewState):
    """Everything about one review, for one screen.

    `refusal` says why the caller may not decide it, null when they may. `asked` are the people
    behind `assignees` now. `previous` is what the same node proposed on the thread before.
    """

    ordinal: int
    assistant_id: str
    task_id: str
    checkpoint_ns: str
    checkpoint_id: str
    value: Any = Field(description="What the graph passed to interrupt().")
    response_schema: Mapping[str, Any] | None
    shape: str
    description: str
    why_now: str
    reasoning: str
    evidence: Sequence[EvidenceView]
    effects: Mapping[str, str]
    reasons: Sequence[str]
    actions: Sequence[ActionView]
    answer_schema: Mapping[str, Any] | None
    proposed: Any
    aware: bool = Field(description="The agent reads comments of approvals and who decided.")
    signal_name: str | None
    notes: Sequence[str] = Field(description="What in the question could not be used.")
    on_expiry: Mapping[str, Any]
    escalations: Sequence[Mapping[str, Any]]
    undo_seconds: float
    votes: Sequence[VoteView]
    comments: Sequence[CommentView]
    activity: Sequence[ActivityView]
    previous: Mapping[str, Any] | None
    similar: Sequence[Mapping[str, Any]]
    asked: Sequence[str]
    refusal: str | None

    @classmethod
    def of_detail(cls, detail: ReviewDetail) -> Self:
        """Return the view of a review's detail."""
        names = [name for name in cls.model_fields if name != "id"]
        gate = {name: getattr(detail.gate, name) for name in names if hasattr(detail.gate, name)}
        asked = {
            name: getattr(detail.question, name)
            for name in names
            if name not in gate and hasattr(detail.question, name)
        }
        around = {name: getattr(detail, name) for name in names if hasattr(detail, name)}
        return cls.model_validate(
            {**asked, **gate, **around, "gate_id": detail.gate.gate_id}, from_attributes=True
        )


class BulkOutcome(BaseModel):
    """What became of one review: its state, or why not."""

    id: str
    review: ReviewState | None = None
    error: str | None = None
    values: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, review_id: str, gate: Gate | None, error: EngineError | None) -> Self:
        """Return the outcome of one review."""
        return cls(
            id=review_id,
            review=None if gate is None else ReviewState.of(gate),
            error=None if error is None else str(error),
            values=None if error is None else error.values,
        )


class BulkOutcomes(BaseModel):
    """What became of each review."""

    outcomes: Sequence[BulkOutcome]


class AbsenceView(View):
    """Somebody is away, and somebody else decides meanwhile."""

    person: str
    delegate: str
    starts_at: datetime
    ends_at: datetime

    @classmethod
    def of(cls, absence: Absence) -> Self:
        """Return the view of an absence."""
        return cls.model_validate(absence)


class SignalView(View):
    """An event that was received; `delivered_at` is null while it waits for a gate."""

    name: str
    id: str = Field(validation_alias=AliasChoices("signal_id", "id"))
    payload: Any
    received_at: datetime
    delivered_at: datetime | None
    review_id: str | None = Field(validation_alias=AliasChoices("gate_id", "review_id"))

    @classmethod
    def of(cls, signal: Signal) -> Self:
        """Return the view of an event."""
        return cls.model_validate(signal)


class SignalReceipt(BaseModel):
    """What became of an event: `duplicate` when the same one was received before."""

    signal: SignalView
    duplicate: bool

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        """Return the view of a receipt."""
        return cls(signal=SignalView.of(receipt.signal), duplicate=receipt.duplicate)
