"""Decisions as the value that the graph waits for, in the dialect in which it asked."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.reviews.decision import Decision, refuse
from engine.reviews.dialects.clients import decisions_from
from engine.reviews.dialects.words import COMMENT_NAMES, INBOX_WORDS, verdict
from engine.reviews.question import Action, DecisionType, Question
from engine.reviews.schemas import Flaw, flaws, is_usable, resolve

EXPIRED_TEXT = "expired: nobody decided before the deadline. This is not a refusal by a person."


def encode(
    question: Question,
    decisions: Sequence[Decision],
    *,
    response_schema: Any = None,
    decided_by: str | None = None,
) -> Any:
    """Return the value that the graph is resumed with.

    One decision per action, or one for all of them when it carries no arguments of its own.

    Raises:
        InvalidDecisionError: a decision is not allowed here or does not fit its schema.
    """
    schema = response_schema if is_usable(response_schema) else None
    if not question.actions:
        answer = _encode_answer(question, decisions, schema)
    else:
        per_action = _one_each(question, decisions)
        _check_each(question, per_action)
        answer = _encode_actions(question, per_action, decided_by)
    refuse(flaws(schema, answer))
    return answer


def encode_expiry(question: Question, *, response_schema: Any = None) -> Any:
    """Return what tells the graph that nobody decided in time, in its own words.

    Graphs that know the envelope, and free answers, hear `{"type": "expired"}`; clients of older
    dialects know no such word and hear a rejection that says that it is none.

    Raises:
        InvalidDecisionError: the question has no way to say so.
    """
    schema = response_schema if is_usable(response_schema) else None
    expired = {"type": "expired", "message": EXPIRED_TEXT}
    if not question.actions:
        if question.answer_schema is not None:
            refuse(flaws(question.answer_schema, expired))
        refuse(flaws(schema, expired))
        return expired
    if question.aware and question.dialect == "hitl_request":
        told: Any = {"decisions": [expired for _ in question.actions]}
        refuse(flaws(schema, told))
        return told
    fallback = [_spoken_expiry(action) for action in question.actions]
    return encode(question, fallback, response_schema=response_schema)


def expiry_answer(question: Question, *, response_schema: Any = None) -> Any:
    """Return the value a question's declared outcome resumes the graph with; None to escalate.

    Raises:
        InvalidDecisionError: the declared outcome does not fit the question.
    """
    on_expiry = question.policy.on_expiry
    if on_expiry["action"] == "escalate":
        return None
    if on_expiry["action"] == "reject":
        return encode_expiry(question, response_schema=response_schema)
    declared = decisions_from(question, on_expiry["value"])
    answer = encode(question, declared, response_schema=response_schema, decided_by="timer")
    if question.aware and question.dialect == "hitl_request":
        for entry in answer["decisions"]:
            entry["expired"] = True
    return answer


def _one_each(question: Question, decisions: Sequence[Decision]) -> list[Decision]:
    if len(decisions) == len(question.actions):
        return list(decisions)
    if len(decisions) == 1 and decisions[0].type in ("approve", "reject", "respond"):
        return list(decisions) * len(question.actions)
    expected = f"{len(question.actions)} decisions, one per action, got {len(decisions)}"
    refuse([Flaw(pointer="/decisions", message=expected)])
    return []


def _check_each(question: Question, decisions: Sequence[Decision]) -> None:
    found: list[Flaw] = []
    for index, (action, decision) in enumerate(zip(question.actions, decisions, strict=True)):
        at = f"/decisions/{index}" if len(question.actions) > 1 else ""
        if decision.type not in action.allowed:
            allowed = ", ".join(action.allowed) or "nothing"
            message = f"{decision.type!r} is not allowed for {action.name!r}; allowed: {allowed}"
            found.append(Flaw(pointer=f"{at}/type", message=message))
        elif decision.type == "edit":
            if decision.args is None:
                found.append(Flaw(pointer=f"{at}/args", message="an edit carries all arguments"))
            else:
                found += flaws(action.args_schema, decision.args, at=f"{at}/args")
        elif decision.type == "respond" and not (decision.message or "").strip():
            found.append(Flaw(pointer=f"{at}/message", message="an answer must say something"))
    refuse(found)


def _encode_answer(
    question: Question, decisions: Sequence[Decision], schema: Mapping[str, Any] | None
) -> Any:
    if len(decisions) != 1:
        refuse([Flaw(pointer="/decisions", message="one answer is expected")])
    decision = decisions[0]
    if decision.type not in question.allowed:
        allowed = ", ".join(question.allowed)
        message = f"{decision.type!r} is not allowed here; allowed: {allowed}"
        refuse([Flaw(pointer="/type", message=message)])
    if decision.type == "answer":
        refuse(flaws(question.answer_schema, decision.value, at="/value"))
        return decision.value
    answer = verdict(decision.type, question.answer_schema or schema or {})
    properties = resolve(question.answer_schema, question.answer_schema or {}).get("properties")
    if isinstance(answer, dict) and decision.message and isinstance(properties, Mapping):
        carrier = next((name for name in COMMENT_NAMES if name in properties), None)
        if carrier is not None:
            answer = {**answer, carrier: decision.message}
    refuse(flaws(question.answer_schema, answer, at="/value"))
    return answer


def _encode_actions(
    question: Question, decisions: Sequence[Decision], decided_by: str | None
) -> Any:
    pairs = list(zip(question.actions, decisions, strict=True))
    if question.dialect == "human_interrupt":
        return [_inbox_answer(action, decision) for action, decision in pairs]
    if question.dialect == "tool_approval":
        return _hitl_decision(*pairs[0])
    told = [_hitl_decision(action, decision) for action, decision in pairs]
    if question.aware:
        # Only a graph that knows the envelope has ears for these.
        for entry, decision in zip(told, decisions, strict=True):
            if decision.message:
                entry["message"] = decision.message
            if decided_by:
                entry["decided_by"] = decided_by
    return {"decisions": told}


def _hitl_decision(action: Action, decision: Decision) -> dict[str, Any]:
    if decision.type == "edit":
        return {"type": "edit", "edited_action": {"name": action.name, "args": decision.args}}
    if decision.type in ("reject", "respond") and decision.message:
        return {"type": decision.type, "message": decision.message}
    return {"type": decision.type}


def _inbox_answer(action: Action, decision: Decision) -> dict[str, Any]:
    words: dict[DecisionType, str] = {kind: word for word, kind in INBOX_WORDS.items()}
    args: Any = None
    if decision.type == "approve":
        args = {"action": action.name, "args": action.args}
    elif decision.type == "edit":
        args = {"action": action.name, "args": decision.args}
    elif decision.type == "respond":
        args = decision.message
    return {"type": words[decision.type], "args": args}


def _spoken_expiry(action: Action) -> Decision:
    if "reject" in action.allowed or "respond" not in action.allowed:
        return Decision(type="reject", message=EXPIRED_TEXT)
    return Decision(type="respond", message=EXPIRED_TEXT)
