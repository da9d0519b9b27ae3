"""Interrupts as questions, whatever dialect the graph speaks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.errors import InvalidDecisionError
from engine.reviews.dialects.answers import expiry_answer
from engine.reviews.dialects.words import ACTION_DECISIONS, verdict
from engine.reviews.envelope import MAX_ITEMS, MAX_TEXT, EnvelopeReader
from engine.reviews.question import (
    DECISION_TYPES,
    Action,
    DecisionType,
    Dialect,
    Evidence,
    Question,
    plain_line,
)
from engine.reviews.schemas import infer, is_usable, resolve

# Fields of a free question that say what is asked, the first that is there.
TITLE_NAMES = ("title", "question", "message", "prompt", "task")
MAX_FACT = 2_000  # characters


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
        evidence=reader.evidence() or asked.evidence,
        effects=reader.effects(),
        reasons=reader.texts("reasons"),
        aware=aware,
        policy=reader.policy(),
    )
    notes = list(reader.notes)
    if response_schema is not None and schema is None:
        notes.append("response_schema is not a JSON Schema that can be used; answers go unchecked")
    return _with_expiry_checked(replace(question, notes=tuple(notes)), schema)


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
    if not isinstance(value, (Mapping, str)) and value is not None:
        fields = {"asked": value}
    asked = next((name for name in TITLE_NAMES if isinstance(fields.get(name), str)), None)
    title = fields[asked] if asked else value if isinstance(value, str) else ""
    known = {key: fact for key, fact in fields.items() if key != "review"}
    description = ""
    if isinstance(value, str):
        description = value[:MAX_TEXT] if plain_line(value) != value else ""
    elif isinstance(fields.get("description"), str):
        description = fields["description"][:MAX_TEXT]
    proposed = _proposed(known, schema)
    allowed: tuple[DecisionType, ...] = ("answer",)
    if schema is not None:
        verdicts = tuple(
            kind for kind in ("approve", "reject") if verdict(kind, schema) is not None
        )
        allowed = (*_decision_types(verdicts), "answer")
    return Question(
        dialect="raw" if schema is None else "typed",
        title=plain_line(title) or plain_line(node),
        description=description,
        allowed=allowed,
        evidence=_facts(known, asked, proposed),
        answer_schema=None if schema is None else dict(schema),
        proposed=proposed,
    )


def _decision_types(names: Sequence[str]) -> tuple[DecisionType, ...]:
    return tuple(kind for kind in DECISION_TYPES if kind in names)


def _facts(fields: Mapping[str, Any], asked: str | None, proposed: Any) -> tuple[Evidence, ...]:
    """Return what else a free question says: a reviewer must not answer without having seen it."""
    shown = {asked, "description", "proposed", *(proposed if isinstance(proposed, Mapping) else ())}
    return tuple(
        Evidence(
            label=plain_line(name.replace("_", " ")),
            value=plain_line(fact if isinstance(fact, str) else _as_json(fact), MAX_FACT),
        )
        for name, fact in fields.items()
        if isinstance(name, str) and name not in shown and fact is not None
    )[:MAX_ITEMS]


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _proposed(fields: Mapping[str, Any], schema: Mapping[str, Any] | None) -> Any:
    if "proposed" in fields:
        return fields["proposed"]
    properties = resolve(schema, schema).get("properties") if schema is not None else None
    if not isinstance(properties, Mapping):
        return None
    return {name: fields[name] for name in properties if name in fields} or None


def _with_expiry_checked(question: Question, schema: Mapping[str, Any] | None) -> Question:
    """Put escalation in the place of a declared outcome that the graph could not be told."""
    try:
        expiry_answer(question, response_schema=schema)
    except InvalidDecisionError as error:
        note = f"review.on_expiry cannot be told to the graph, escalates instead: {error}"
        policy = replace(question.policy, on_expiry={"action": "escalate"})
        return replace(question, policy=policy, notes=(*question.notes, note))
    return question
