"""What reviewers send: one decision each, one for many, and what must hold of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.errors import EngineError, ForbiddenError, InvalidDecisionError
from engine.gates.gate import Gate
from engine.reviews.board import Comment, Vote, shape_of
from engine.reviews.decision import Decision
from engine.reviews.question import Question, canonical
from engine.reviews.schemas import coerce

MAX_BULK = 100
# What carries the words for the agent in dialects that know nothing of ours.
SPOKEN = ("reject", "respond")


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


def as_typed(question: Question, decisions: Sequence[Decision]) -> list[Decision]:
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


def with_comments(
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


def same(vote: Vote, said_now: Mapping[str, Any]) -> bool:
    """Tell whether two votes want the same to be done, whatever they say about it."""

    def wanted(decision: Mapping[str, Any]) -> str:
        without_words = [
            {key: value for key, value in one.items() if key != "message"}
            for one in decision["decisions"]
        ]
        return canonical(without_words)

    return wanted(vote.decision) == wanted(said_now)


def check_bulk(gates: Sequence[Gate], ballots: Mapping[str, Ballot]) -> None:
    """Check that reviews may be decided together.

    Raises:
        InvalidDecisionError: they are not of one shape, too many, or decided by editing.
        ForbiddenError: one of them is of high risk.
    """
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
