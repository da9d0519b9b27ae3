"""Other people's clients: what they send, and what they need to be served."""

from collections.abc import Mapping
from typing import Any

from engine.reviews.decision import Decision, refuse
from engine.reviews.dialects.words import ACTION_DECISIONS, INBOX_WORDS
from engine.reviews.question import Question, canonical
from engine.reviews.schemas import Flaw, coerce


def decisions_from(question: Question, foreign: Any) -> list[Decision]:
    """Read a resume value written by another client: the dialect's own words, or a neighbour's.

    Text becomes a number where the schema asks for one.

    Raises:
        InvalidDecisionError: it cannot be understood.
    """
    if not question.actions:
        return [Decision(type="answer", value=coerce(question.answer_schema, foreign))]
    items = _answers_in(foreign)
    if not items:
        refuse([Flaw(pointer="", message=_expected_answer(question))])
    read = [
        _decision_in(question, item, index=min(index, len(question.actions) - 1), at=f"/{index}")
        for index, item in enumerate(items)
    ]
    # A client that shows only the first of several actions must not decide the others unseen.
    if len(read) != len(question.actions):
        expected = f"{len(question.actions)} decisions, one per action, got {len(read)}"
        refuse([Flaw(pointer="", message=expected)])
    return read


def served(value: Any) -> Any:
    """Return an interrupt's value as clients get it: with `arguments` beside each `args`.

    Agent Inbox reads the one where langchain's middleware writes the other.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("action_requests"), list):
        return value
    requests = [
        {**request, "arguments": request["args"]}
        if isinstance(request, Mapping) and "args" in request and "arguments" not in request
        else request
        for request in value["action_requests"]
    ]
    return {**value, "action_requests": requests}


def _answers_in(foreign: Any) -> list[Any]:
    if isinstance(foreign, Mapping) and isinstance(foreign.get("decisions"), list):
        return list(foreign["decisions"])
    if isinstance(foreign, list):
        return list(foreign)
    return [foreign] if isinstance(foreign, Mapping) and "type" in foreign else []


def _decision_in(question: Question, item: Any, *, index: int, at: str) -> Decision:
    action = question.actions[index]
    word = item.get("type") if isinstance(item, Mapping) else None
    kind = INBOX_WORDS.get(word, word) if isinstance(word, str) else None
    if kind not in ACTION_DECISIONS:
        refuse([Flaw(pointer=f"{at}/type", message=_expected_answer(question))])
    decision_type = next(known for known in ACTION_DECISIONS if known == kind)
    args = item.get("args")
    if decision_type == "edit":
        edited = item.get("edited_action", args)
        edited = edited if isinstance(edited, Mapping) else {}
        name = edited.get("name", edited.get("action", action.name))
        if name != action.name:
            message = f"an edit cannot turn {action.name!r} into another action"
            refuse([Flaw(pointer=f"{at}/edited_action/name", message=message)])
        replaced = edited.get("args", edited.get("arguments"))
        if not isinstance(replaced, Mapping):
            refuse(
                [Flaw(pointer=f"{at}/edited_action/args", message="an edit carries all arguments")]
            )
        whole = coerce(action.args_schema, dict(replaced or {}))
        if canonical(whole) == canonical(action.args) and "approve" in action.allowed:
            return Decision(type="approve")
        return Decision(type="edit", args=whole)
    spoken = item.get("message", args if isinstance(args, str) else None)
    return Decision(type=decision_type, message=spoken if isinstance(spoken, str) else None)


def _expected_answer(question: Question) -> str:
    allowed = ", ".join(question.allowed) or "a decision per action"
    return f'{{"decisions": [{{"type": …}}]}} is expected, with types: {allowed}'
