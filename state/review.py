"""The question put to a person, and the decision that answers it.

`gate()` builds what a node passes to LangGraph's `interrupt()`: a request that every review
client of LangChain understands, with a `review` block beside it that says why a person is asked,
what each choice does, until when, and what happens if nobody answers. `decision()` reads the
answer:

    answer = interrupt(gate(
        title=f"Order {order['number']}",
        action="create_order",
        args={"supplier": "Fix AG", "amount": 854_548},
        why_now="over the agent's own limit of EUR 2,000",
        effects={"approve": "goes to the supplier at once", "reject": "nothing is ordered"},
        due_in=timedelta(hours=4),
        expires_in=timedelta(days=2),
        on_expiry="reject",
    ))
    verdict = decision(answer)

A node that asks runs again from its top when it is answered, so everything that is passed here
must come out the same the second time: deadlines are durations, counted by the server.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from state.errors import InvalidGateError

DecisionType = Literal["approve", "edit", "reject", "respond", "expired"]
Allowed = Literal["approve", "edit", "reject", "respond"]
Risk = Literal["low", "normal", "high"]
OnExpiry = Literal["escalate", "reject"]


class ActionRequest(TypedDict):
    """One thing that the agent wants to do."""

    name: str
    args: dict[str, Any]
    description: NotRequired[str]


class ReviewConfig(TypedDict):
    """What may be decided about the actions of one name."""

    action_name: str
    allowed_decisions: list[Allowed]
    args_schema: NotRequired[dict[str, Any]]


class Gate(TypedDict):
    """The value of the interrupt: langchain's HITLRequest and the `review` block."""

    action_requests: list[ActionRequest]
    review_configs: list[ReviewConfig]
    review: dict[str, Any]


class SignalGate(TypedDict):
    """The value of an interrupt that an external event answers."""

    type: Literal["signal"]
    name: str
    payload_schema: NotRequired[dict[str, Any]]
    review: dict[str, Any]


class EditedAction(TypedDict):
    """The action as the reviewer wants it: all arguments, not only the changed ones."""

    name: str
    args: dict[str, Any]


class Decision(TypedDict):
    """A decision as the server hands it to the graph.

    `message` is what the reviewer tells the agent. `expired` is true for a decision that was
    declared for the case that nobody answers. The type `expired` is no refusal: nobody looked.
    """

    type: DecisionType
    edited_action: NotRequired[EditedAction]
    message: NotRequired[str]
    decided_by: NotRequired[str]
    expired: NotRequired[bool]


class Answer(TypedDict):
    """What `interrupt(gate(…))` returns; usable as its `response_schema` too."""

    decisions: list[Decision]


class Escalation(TypedDict):
    """One hop of an escalation chain: whom to ask when nobody answered for so long."""

    after_seconds: float
    to: list[str]


def gate(
    *,
    title: str,
    action: str,
    args: Mapping[str, Any],
    allowed: Sequence[Allowed] = ("approve", "edit", "reject"),
    args_schema: Mapping[str, Any] | None = None,
    description: str = "",
    risk: Risk | None = None,
    why_now: str = "",
    reasoning: str = "",
    evidence: Sequence[tuple[str, str] | tuple[str, str, str]] = (),
    effects: Mapping[Allowed, str] | None = None,
    reasons: Sequence[str] = (),
    due_in: timedelta | None = None,
    remind_in: timedelta | None = None,
    expires_in: timedelta | None = None,
    on_expiry: OnExpiry | Decision | None = None,
    escalations: Sequence[Escalation] = (),
    quorum: int | None = None,
    assignees: Sequence[str] = (),
    proposer: str | None = None,
    undo_in: timedelta | None = None,
) -> Gate:
    """Build the question whether one action may be done.

    What is not said is left to the graph's defaults in `langgraph.json`, then to the server's:
    normal risk, one vote, no deadline, escalation.

    Args:
        title: one line for the list.
        action: name of what will be done.
        args: its arguments, JSON shapes.
        allowed: what the reviewer may decide.
        args_schema: JSON Schema of the arguments; the form is made from it, and an edit must fit.
        description: Markdown.
        risk: high asks twice, is never decided in bulk and never by a link.
        why_now: why a person is asked at all.
        reasoning: the agent's own words.
        evidence: label, value and, if there is one, a link.
        effects: what each decision does.
        reasons: preset reasons for a rejection.
        due_in: soft deadline; orders the list.
        remind_in: when the assignees are reminded.
        expires_in: hard deadline; then `on_expiry` happens.
        on_expiry: ask the next in the chain, tell the graph `expired`, or decide like this.
        escalations: the chain.
        quorum: equal votes needed.
        assignees: people and `team:` names; empty means everybody.
        proposer: who the agent acts for, who may not decide.
        undo_in: how long a decision can be taken back; None takes the server's setting.

    Raises:
        InvalidGateError: the question contradicts itself.
    """
    _check(allowed=allowed, quorum=quorum, on_expiry=on_expiry)
    config = ReviewConfig(action_name=action, allowed_decisions=list(allowed))
    if args_schema is not None:
        config["args_schema"] = dict(args_schema)
    outcome: Any = on_expiry
    if on_expiry is not None and not isinstance(on_expiry, str):
        outcome = {"action": "answer", "value": {"decisions": [on_expiry]}}
    review = {
        "title": title,
        "risk": risk,
        "why_now": why_now,
        "reasoning": reasoning,
        "evidence": [list(fact) for fact in evidence],
        "effects": dict(effects or {}),
        "reasons": list(reasons),
        "on_expiry": outcome,
        "escalations": [dict(hop) for hop in escalations],
        "quorum": quorum,
        "assignees": list(assignees),
        "proposer": proposer,
        **_seconds("due_in_seconds", due_in),
        **_seconds("remind_in_seconds", remind_in),
        **_seconds("expires_in_seconds", expires_in),
        **_seconds("undo_seconds", undo_in),
    }
    return Gate(
        action_requests=[ActionRequest(name=action, args=dict(args), description=description)],
        review_configs=[config],
        review={key: value for key, value in review.items() if value not in ("", None, [], {})},
    )


def wait_for_signal(
    name: str,
    *,
    title: str,
    payload_schema: Mapping[str, Any] | None = None,
    expires_in: timedelta | None = None,
    on_expiry: OnExpiry | None = None,
) -> SignalGate:
    """Build a question that an external event answers: `POST /threads/{id}/signals/{name}`.

    The answer is the event's payload, or `{"type": "expired", …}` when it did not come in time
    and `on_expiry` is `reject`.
    """
    review: dict[str, Any] = {"title": title, **_seconds("expires_in_seconds", expires_in)}
    if on_expiry is not None:
        review["on_expiry"] = on_expiry
    asked = SignalGate(type="signal", name=name, review=review)
    if payload_schema is not None:
        asked["payload_schema"] = dict(payload_schema)
    return asked


def decision(answer: Any) -> Decision:
    """Return the one decision of an answer to `gate()`.

    Raises:
        InvalidGateError: the answer is of another shape; the server never hands one out.
    """
    decisions = answer.get("decisions") if isinstance(answer, Mapping) else None
    if not isinstance(decisions, Sequence) or len(decisions) != 1:
        raise InvalidGateError("answer", expected="one decision", got=repr(answer)[:120])
    only: Decision = decisions[0]
    return only


def decided_args(answer: Decision, proposed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that were approved: the reviewer's own, or the proposed ones."""
    edited = answer.get("edited_action")
    return dict(proposed) if edited is None else dict(edited["args"])


def _seconds(name: str, duration: timedelta | None) -> dict[str, float]:
    return {} if duration is None else {name: duration.total_seconds()}


def _check(
    *, allowed: Sequence[Allowed], quorum: int | None, on_expiry: OnExpiry | Decision | None
) -> None:
    if not allowed:
        raise InvalidGateError("allowed", expected="one decision or more", got="none")
    if quorum is not None and quorum < 1:
        raise InvalidGateError("quorum", expected="1 or more", got=str(quorum))
    if on_expiry is None or isinstance(on_expiry, str) or on_expiry["type"] in allowed:
        return
    names = ", ".join(allowed)
    raise InvalidGateError("on_expiry", expected=f"one of {names}", got=on_expiry["type"])
