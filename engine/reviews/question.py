"""What a person is asked: one shape, whatever dialect the graph spoke."""

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

Dialect = Literal["typed", "human_interrupt", "hitl_request", "tool_approval", "raw", "signal"]
DecisionType = Literal["approve", "edit", "reject", "respond", "answer"]
Risk = Literal["low", "normal", "high"]

DECISION_TYPES: tuple[DecisionType, ...] = get_args(DecisionType)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing the agent wants to do.

    Attributes:
        name: tool or step, as the graph calls it.
        args: its arguments, as proposed.
        description: Markdown by the graph's author or the agent; show it sanitised.
        allowed: what may be decided about it.
        args_schema: JSON Schema of the arguments; a full replacement must fit it.
        schema_given: false when the schema was only inferred from the proposed arguments.
        call_id: the model's tool call, when there is one.
    """

    name: str
    args: dict[str, Any]
    description: str = ""
    allowed: tuple[DecisionType, ...] = ("approve", "reject")
    args_schema: dict[str, Any] = field(default_factory=dict)
    schema_given: bool = False
    call_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """One hop of the chain: whom to ask when nobody answered for so long."""

    after_seconds: float
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When and by whom a question must be decided, and what happens otherwise.

    Instants are RFC 3339 texts; the `_in_seconds` forms count from the moment the question is
    recorded, by the database's clock, and stay equal when a node runs again.

    Attributes:
        due_at: soft deadline: colour and order.
        remind_at: when the assignees are reminded.
        expires_at: hard deadline, after which `on_expiry` happens.
        on_expiry: {"action": "escalate" | "reject" | "answer", "value": the answer}.
        escalations: the hops, one after the other.
        quorum: equal votes needed.
        assignees: people and `team:` names who may decide; empty means everybody.
        proposer: who the agent acts for; may not decide.
        four_eyes: without a proposer, whoever started the run may not decide.
        undo_seconds: the window in which a decision can be taken back; None is the server's own.
    """

    due_at: str | None = None
    due_in_seconds: float | None = None
    remind_at: str | None = None
    remind_in_seconds: float | None = None
    expires_at: str | None = None
    expires_in_seconds: float | None = None
    on_expiry: dict[str, Any] = field(default_factory=lambda: {"action": "escalate"})
    escalations: tuple[Escalation, ...] = ()
    quorum: int = 1
    assignees: tuple[str, ...] = ()
    proposer: str | None = None
    four_eyes: bool = False
    undo_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A fact that helps to decide: its label, its text, and where to see more."""

    label: str
    value: str
    href: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question to a person, read from an interrupt.

    Attributes:
        dialect: how the graph asked, which is how it must be answered.
        title: one line for the list.
        description: Markdown; show it sanitised.
        why_now: why a person is asked at all.
        reasoning: the agent's own words.
        effects: what each decision does, by decision type.
        reasons: preset reasons for a rejection.
        actions: what is proposed; empty for a free answer.
        allowed: what may be decided about the whole.
        answer_schema: JSON Schema of a free answer, None when any JSON will do.
        proposed: the answer to start from, when the graph gave one.
        aware: the graph understands Holdfast's envelope: it is told `expired` as such, who
            decided, and the comment of an approval.
        signal_name: the external event that answers this question.
        notes: what in the question could not be used, for the graph's author.
    """

    dialect: Dialect
    title: str
    description: str = ""
    risk: Risk = "normal"
    why_now: str = ""
    reasoning: str = ""
    evidence: tuple[Evidence, ...] = ()
    effects: dict[str, str] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    allowed: tuple[DecisionType, ...] = ("answer",)
    answer_schema: dict[str, Any] | None = None
    proposed: Any = None
    aware: bool = False
    signal_name: str | None = None
    notes: tuple[str, ...] = ()
    policy: Policy = field(default_factory=Policy)

    @property
    def fingerprint(self) -> str:
        """SHA-256, hex, over what is proposed: the names and arguments, or the answer's form."""
        seen = {
            "actions": [[action.name, action.args] for action in self.actions],
            "answer": [self.answer_schema, self.proposed, self.title] if not self.actions else None,
        }
        return hashlib.sha256(canonical(seen).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return the question as JSON shapes."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Question":
        """Read what `to_json` wrote."""
        policy = dict(stored["policy"])
        policy["escalations"] = tuple(
            Escalation(after_seconds=hop["after_seconds"], to=tuple(hop["to"]))
            for hop in policy["escalations"]
        )
        policy["assignees"] = tuple(policy["assignees"])
        actions = tuple(
            Action(**{**action, "allowed": tuple(action["allowed"])})
            for action in stored["actions"]
        )
        return cls(
            **{
                **stored,
                "policy": Policy(**policy),
                "actions": actions,
                "evidence": tuple(Evidence(**fact) for fact in stored["evidence"]),
                **{name: tuple(stored[name]) for name in ("reasons", "allowed", "notes")},
            }
        )


def canonical(value: Any) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def plain_line(text: str, limit: int = 200) -> str:
    """Return text fit for one line: no control or direction-changing characters, cut at `limit`.

    An agent's text must not be able to reorder or hide what a reviewer reads.
    """
    kept = "".join(
        " " if character.isspace() else character
        for character in text
        if character.isspace() or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co"}
    )
    line = " ".join(kept.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
