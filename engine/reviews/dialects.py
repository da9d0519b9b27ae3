"""The ways in which graphs ask and clients answer, and the one shape between them.

`normalise` reads an interrupt, `encode` writes the value that the graph waits for, and
`decisions_from` reads what other people's clients send. None of them does I/O; the first never
fails, the other two fail only with `InvalidDecisionError`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.errors import InvalidDecisionError
from engine.reviews.decision import Decision, refuse
from engine.reviews.envelope import MAX_TEXT, EnvelopeReader
from engine.reviews.question import (
    DECISION_TYPES,
    Action,
    DecisionType,
    Dialect,
    Question,
    canonical,
    plain_line,
)
from engine.reviews.schemas import Flaw, coerce, flaws, infer, is_usable, resolve

# langchain's HITL middleware and our own envelope decide one action with one of these.
ACTION_DECISIONS: tuple[DecisionType, ...] = ("approve", "edit", "reject", "respond")
# Agent Inbox's words for the same.
INBOX_WORDS: Mapping[str, DecisionType] = {
    "accept": "approve",
    "edit": "edit",
    "ignore": "reject",
    "response": "respond",
}
# A property that carries the verdict of a typed answer, and the one that carries the words.
VERDICT_NAMES = ("type", "decision", "action", "verdict", "status")
APPROVING = ("approve", "approved", "accept", "yes")
REJECTING = ("reject", "rejected", "decline", "no")
COMMENT_NAMES = ("message", "comment", "reason", "feedback")
EXPIRED_TEXT = "expired: nobody decided before the deadline. This is not a refusal by a person."


def normalise(
    value: Any,
    response_schema: Any = None,
    *,
    node: str = "",
    defaults: Mapping[str, Any] | None = None,
) -> Question:
    """Read the value of an interrupt as a question, whatever it looks like.

    `defaults` are the graph's own `review` fields for what the interrupt does not say.
    """
    block = value.get("review") if isinstance(value, Mapping) else None
    aware = isinstance(block, Mapping)
    reader = EnvelopeReader({**(defaults or {}), **(block if isinstance(block, Mapping) else {})})
    schema = response_schema if is_usable(response_schema) else None
    asked = _read(value, schema, node=node)
    question = replace(
        asked,
        title=reader.text("title", line=True) or asked.title or plain_line(node) or "question",
        description=reader.text("description") or asked.description,
        risk=reader.risk(),
        why_now=reader.text("why_now"),
        reasoning=reader.text("reasoning"),
        evidence=reader.evidence(),
        effects=reader.effects(),
        reasons=reader.texts("reasons"),
        aware=aware,
        policy=reader.policy(),
    )
    notes = list(reader.notes)
    if response_schema is not None and schema is None:
        notes.append("response_schema is not a JSON Schema that can be used; answers go unchecked")
    return _with_expiry_checked(replace(question, notes=tuple(notes)), schema)


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


# Reading questions


def _read(value: Any, schema: Mapping[str, Any] | None, *, node: str) -> Question:
    if isinstance(value, Mapping):
        if value.get("type") == "tool_approval" and isinstance(value.get("name"), str):
            return _read_tool_approval(value, schema)
        if _is_hitl_request(value):
            return _read_hitl_request(value)
        if value.get("type") == "signal" and isinstance(value.get("name"), str):
            return _read_signal(value, schema)
    requests = value if isinstance(value, list) else [value]
    if requests and all(_is_human_interrupt(request) for request in requests):
        return _read_human_interrupt(requests)
    return _read_free(value, schema, node=node)


def _is_hitl_request(value: Mapping[str, Any]) -> bool:
    requests = value.get("action_requests")
    return (
        isinstance(requests, list)
        and bool(requests)
        and all(
            isinstance(item, Mapping) and isinstance(item.get("name"), str) for item in requests
        )
    )


def _is_human_interrupt(value: Any) -> bool:
    request = value.get("action_request") if isinstance(value, Mapping) else None
    return (
        isinstance(request, Mapping)
        and isinstance(request.get("action"), str)
        and isinstance(value.get("config"), Mapping)
    )


def _read_hitl_request(value: Mapping[str, Any]) -> Question:
    configs = value.get("review_configs")
    by_name: dict[str, Mapping[str, Any]] = {}
    for config in configs if isinstance(configs, list) else []:
        if isinstance(config, Mapping) and isinstance(config.get("action_name"), str):
            by_name.setdefault(config["action_name"], config)
    actions = [
        _action(request, by_name.get(request["name"], {})) for request in value["action_requests"]
    ]
    return _question_about("hitl_request", actions)


def _action(request: Mapping[str, Any], config: Mapping[str, Any]) -> Action:
    args = request.get("args", request.get("arguments"))
    allowed = config.get("allowed_decisions")
    named = [name for name in ACTION_DECISIONS if isinstance(allowed, list) and name in allowed]
    return _make_action(
        name=request["name"],
        args=args,
        description=request.get("description"),
        allowed=tuple(named) or ("approve", "reject"),
        schema=config.get("args_schema"),
    )


def _make_action(
    *,
    name: str,
    args: Any,
    description: Any,
    allowed: tuple[DecisionType, ...],
    schema: Any,
    call_id: Any = None,
) -> Action:
    shown = dict(args) if isinstance(args, Mapping) else {}
    given = is_usable(schema) and bool(schema)
    return Action(
        name=name,
        args=shown,
        description=description[:MAX_TEXT] if isinstance(description, str) else "",
        allowed=allowed,
        args_schema=dict(schema or {}) if given else infer(shown),
        schema_given=given,
        call_id=call_id if isinstance(call_id, str) else None,
    )


def _question_about(dialect: Dialect, actions: Sequence[Action]) -> Question:
    together = [kind for kind in ACTION_DECISIONS if all(kind in one.allowed for one in actions)]
    names = ", ".join(dict.fromkeys(action.name.replace("_", " ") for action in actions))
    return Question(
        dialect=dialect,
        title=plain_line(names),
        description=actions[0].description if len(actions) == 1 else "",
        actions=tuple(actions),
        allowed=tuple(together),
    )


def _read_human_interrupt(requests: Sequence[Mapping[str, Any]]) -> Question:
    actions = []
    for request in requests:
        config = request["config"]
        allowed = [
            kind
            for flag, kind in (
                ("allow_accept", "approve"),
                ("allow_edit", "edit"),
                ("allow_ignore", "reject"),
                ("allow_respond", "respond"),
            )
            if config.get(flag)
        ]
        actions.append(
            _make_action(
                name=request["action_request"]["action"],
                args=request["action_request"].get("args"),
                description=request.get("description"),
                allowed=tuple(kind for kind in ACTION_DECISIONS if kind in allowed),
                schema=config.get("args_schema"),
            )
        )
    return _question_about("human_interrupt", actions)


def _read_tool_approval(value: Mapping[str, Any], schema: Mapping[str, Any] | None) -> Question:
    branches = _branches(schema) if schema is not None else {}
    edit = branches.get("edit")
    edited_args: Any = None
    if schema is not None and edit is not None:
        edited = resolve(edit.get("properties", {}).get("edited_action"), schema)
        fields = edited.get("properties")
        if isinstance(fields, Mapping):
            edited_args = resolve(fields.get("args"), schema)
    allowed = tuple(kind for kind in ACTION_DECISIONS if not branches or kind in branches)
    action = _make_action(
        name=value["name"],
        args=value.get("args"),
        description=value.get("description"),
        allowed=allowed or ACTION_DECISIONS,
        schema=edited_args,
        call_id=value.get("tool_call_id"),
    )
    return _question_about("tool_approval", [action])


def _branches(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the parts of a union of decisions by the constant of their `type`."""
    union = schema.get("oneOf") or schema.get("anyOf") or [schema]
    found = {}
    for branch in union if isinstance(union, list) else [schema]:
        resolved = resolve(branch, schema)
        properties = resolved.get("properties")
        kind = properties.get("type") if isinstance(properties, Mapping) else None
        if isinstance(kind, Mapping) and isinstance(kind.get("const"), str):
            found[kind["const"]] = resolved
    return found


def _read_signal(value: Mapping[str, Any], schema: Mapping[str, Any] | None) -> Question:
    name = value["name"]
    payload = value.get("payload_schema")
    return Question(
        dialect="signal",
        title=plain_line(f"waits for {name}"),
        signal_name=name,
        answer_schema=dict(payload) if is_usable(payload) else (dict(schema) if schema else None),
    )


def _read_free(value: Any, schema: Mapping[str, Any] | None, *, node: str) -> Question:
    fields = value if isinstance(value, Mapping) else {}
    title = next(
        (
            fields[key]
            for key in ("title", "question", "message", "prompt", "task")
            if isinstance(fields.get(key), str)
        ),
        value if isinstance(value, str) else "",
    )
    known = {key: fact for key, fact in fields.items() if key != "review"}
    description = ""
    if isinstance(value, str):
        description = value[:MAX_TEXT] if plain_line(value) != value else ""
    elif isinstance(fields.get("description"), str):
        description = fields["description"][:MAX_TEXT]
    allowed: tuple[DecisionType, ...] = ("answer",)
    if schema is not None:
        verdicts = tuple(
            kind for kind in ("approve", "reject") if _verdict(kind, schema) is not None
        )
        allowed = (*_decision_types(verdicts), "answer")
    return Question(
        dialect="raw" if schema is None else "typed",
        title=plain_line(title) or plain_line(node),
        description=description,
        allowed=allowed,
        answer_schema=None if schema is None else dict(schema),
        proposed=_proposed(known, schema),
    )


def _decision_types(names: Sequence[str]) -> tuple[DecisionType, ...]:
    return tuple(kind for kind in DECISION_TYPES if kind in names)


def _proposed(fields: Mapping[str, Any], schema: Mapping[str, Any] | None) -> Any:
    if "proposed" in fields:
        return fields["proposed"]
    properties = resolve(schema, schema).get("properties") if schema is not None else None
    if not isinstance(properties, Mapping):
        return None
    return {name: fields[name] for name in properties if name in fields} or None


def _verdict(kind: str, schema: Mapping[str, Any]) -> Any:
    """Return the smallest answer to a typed question that says yes or no; None without one."""
    words = APPROVING if kind == "approve" else REJECTING
    top = resolve(schema, schema)
    if top.get("type") == "boolean":
        return kind == "approve"
    options = top.get("enum")
    if isinstance(options, list):
        return next((word for word in words if word in options), None)
    properties = top.get("properties")
    if not isinstance(properties, Mapping):
        return None
    for name in VERDICT_NAMES:
        field = resolve(properties.get(name), schema)
        options = field.get("enum")
        word = next((w for w in words if isinstance(options, list) and w in options), None)
        if word is not None:
            return {name: word}
    if resolve(properties.get("approved"), schema).get("type") == "boolean":
        return {"approved": kind == "approve"}
    return None


# Writing answers


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
    answer = _verdict(decision.type, question.answer_schema or schema or {})
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


# Reading answers of other clients


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


# Expiry


def _with_expiry_checked(question: Question, schema: Mapping[str, Any] | None) -> Question:
    """Put escalation in the place of a declared outcome that the graph could not be told."""
    try:
        expiry_answer(question, response_schema=schema)
    except InvalidDecisionError as error:
        note = f"review.on_expiry cannot be told to the graph, escalates instead: {error}"
        policy = replace(question.policy, on_expiry={"action": "escalate"})
        return replace(question, policy=policy, notes=(*question.notes, note))
    return question


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
