import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain.agents.middleware.human_in_the_loop import _decision_schema
from langchain_core.tools import tool
from pydantic import BaseModel, TypeAdapter

from engine.errors import InvalidDecisionError
from engine.reviews.decision import Decision
from engine.reviews.dialects.answers import encode, encode_expiry, expiry_answer
from engine.reviews.dialects.clients import decisions_from, served
from engine.reviews.dialects.questions import normalise
from engine.reviews.question import DECISION_TYPES, Question, plain_line
from engine.reviews.schemas import coerce, flaws, infer, is_usable
from state.review import Answer, decided_args, decision, gate, wait_for_signal


def hitl(*names: str, allowed: Any = ("approve", "edit", "reject", "respond")) -> dict[str, Any]:
    return {
        "action_requests": [
            {"name": name, "args": {"to": "a@b.c", "amount": 4200.5}} for name in names
        ],
        "review_configs": [
            {"action_name": name, "allowed_decisions": list(allowed)} for name in names
        ],
    }


def inbox(**config: bool) -> dict[str, Any]:
    flags = {"allow_accept": True, "allow_edit": True, "allow_ignore": True, "allow_respond": True}
    return {
        "action_request": {"action": "pay", "args": {"amount": 4200.5}},
        "config": {**flags, **config},
        "description": "Pay it?",
    }


@tool
def send(to: str, amount: float, tags: list[str] | None = None) -> str:
    """Send money."""
    return f"{to} {amount} {tags}"


def tool_approval(*allowed: str) -> tuple[dict[str, Any], dict[str, Any]]:
    value = {
        "type": "tool_approval",
        "tool_call_id": "call_1",
        "name": "send",
        "args": {"to": "a@b.c", "amount": 4200.5},
        "description": "Send?",
    }
    kinds: Any = list(allowed) or ["approve", "edit", "reject", "respond"]
    return value, TypeAdapter(_decision_schema(kinds, "send", send)).json_schema()


class Verdict(BaseModel):
    decision: str = "approve"
    amount: float


# Reading


def test_langchains_middleware_is_read_action_by_action() -> None:
    question = normalise(hitl("mail", "delete"))

    assert question.dialect == "hitl_request"
    assert [action.name for action in question.actions] == ["mail", "delete"]
    assert question.allowed == ("approve", "edit", "reject", "respond")
    assert not question.aware


def test_what_is_allowed_for_all_is_what_is_allowed_for_each() -> None:
    value = hitl("mail", "delete")
    value["review_configs"][1]["allowed_decisions"] = ["approve", "reject"]

    question = normalise(value)

    assert question.allowed == ("approve", "reject")
    assert question.actions[0].allowed == ("approve", "edit", "reject", "respond")


def test_agent_inbox_requests_are_read() -> None:
    question = normalise([inbox(allow_respond=False)])

    assert question.dialect == "human_interrupt"
    assert question.allowed == ("approve", "edit", "reject")
    assert question.actions[0].args == {"amount": 4200.5}


def test_a_tool_approval_is_read_with_the_tools_own_schema() -> None:
    value, schema = tool_approval("approve", "edit")

    question = normalise(value, schema)

    (action,) = question.actions
    assert question.dialect == "tool_approval"
    assert action.allowed == ("approve", "edit")
    assert action.schema_given
    assert action.args_schema["properties"]["amount"]["type"] == "number"


def test_a_typed_question_offers_its_form_and_what_it_proposes() -> None:
    schema = Verdict.model_json_schema()

    question = normalise({"question": "Pay?", "amount": 10.5, "other": 1}, schema)

    assert (question.dialect, question.title) == ("typed", "Pay?")
    assert question.answer_schema == schema
    assert question.proposed == {"amount": 10.5}


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        ({"type": "boolean"}, True),
        ({"enum": ["approve", "reject"]}, "approve"),
        (
            {
                "type": "object",
                "properties": {"decision": {"enum": ["approved", "rejected"]}},
                "required": ["decision"],
            },
            {"decision": "approved"},
        ),
        ({"type": "object", "properties": {"approved": {"type": "boolean"}}}, {"approved": True}),
    ],
)
def test_a_typed_question_that_means_yes_or_no_can_be_approved(schema: Any, answer: Any) -> None:
    question = normalise("Pay?", schema)

    assert question.allowed == ("approve", "reject", "answer")
    assert encode(question, [Decision(type="approve")], response_schema=schema) == answer


def test_a_free_question_shows_everything_that_it_says() -> None:
    question = normalise({"question": "Merge them?", "customers": [{"id": 1}], "note": "both old"})

    assert question.title == "Merge them?"
    assert [(fact.label, fact.value) for fact in question.evidence] == [
        ("customers", '[{"id": 1}]'),
        ("note", "both old"),
    ]


def test_a_signal_is_read_as_one() -> None:
    question = normalise(wait_for_signal("paid", title="Waits for the payment"))

    assert (question.dialect, question.signal_name) == ("signal", "paid")
    assert question.title == "Waits for the payment"


def test_our_own_envelope_is_read_whole() -> None:
    value = gate(
        title="Order PO-1",
        action="create_order",
        args={"amount": 854_548},
        risk="high",
        why_now="over the limit",
        evidence=[("Stock", "empty"), ("Quote", "8.40", "https://example.org/q")],
        effects={"approve": "goes out at once"},
        due_in=timedelta(hours=1),
        expires_in=timedelta(days=1),
        on_expiry="reject",
        quorum=2,
        assignees=["team:purchasing"],
        proposer="carla",
    )

    question = normalise(json.loads(json.dumps(value)))

    assert (question.title, question.risk, question.aware) == ("Order PO-1", "high", True)
    assert question.evidence[1].href == "https://example.org/q"
    assert question.effects == {"approve": "goes out at once"}
    assert (question.policy.due_in_seconds, question.policy.expires_in_seconds) == (3600, 86_400)
    assert question.policy.on_expiry == {"action": "reject"}
    assert (question.policy.quorum, question.policy.proposer) == (2, "carla")
    assert question.notes == ()


def test_a_graphs_defaults_hold_where_the_question_says_nothing() -> None:
    defaults = {"expires_in_seconds": 60, "assignees": ["ana"]}

    question = normalise({**hitl("pay"), "review": {"assignees": ["ben"]}}, defaults=defaults)

    assert question.policy.expires_in_seconds == 60
    assert question.policy.assignees == ("ben",)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("risk", "terrible"),
        ("due_at", "2027-01-01T00:00:00"),
        ("expires_in_seconds", -1),
        ("quorum", 0),
        ("on_expiry", "approve"),
        ("on_expiry", {"action": "answer"}),
        ("escalations", [{"after_seconds": "soon", "to": ["x"]}]),
        ("evidence", "none"),
        ("assignees", 7),
        ("title", ["x"]),
    ],
)
def test_a_field_that_cannot_be_used_is_noted_and_the_question_asked(
    field: str, value: Any
) -> None:
    question = normalise({**hitl("pay"), "review": {field: value}})

    assert any(f"review.{field}" in note for note in question.notes)
    assert question.actions[0].name == "pay"


def test_an_unknown_risk_counts_as_high() -> None:
    assert normalise({**hitl("pay"), "review": {"risk": "terrible"}}).risk == "high"


def test_a_schema_that_cannot_be_used_is_noted() -> None:
    question = normalise("Pay?", {"type": "nonsense"})

    assert question.dialect == "raw"
    assert "response_schema" in question.notes[0]


def test_a_schema_from_the_network_is_not_fetched() -> None:
    assert not is_usable({"$ref": "http://127.0.0.1:9/schema.json"})
    assert not is_usable({"properties": {"a": {"$ref": "file:///etc/passwd"}}})


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {
            "properties": {"a": {"$ref": "#/$defs/x"}},
            "$defs": {"x": {"not": {"$ref": "#/$defs/x"}}},
        },
    ],
)
def test_a_schema_without_an_end_is_not_evaluated(schema: Any) -> None:
    assert not is_usable(schema)


def test_a_schema_that_goes_deeper_may_refer_to_itself() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#"}, "n": {"type": "number"}}}

    assert is_usable(tree)
    assert coerce(tree, {"left": {"n": "1"}}) == {"left": {"n": 1}}


def test_text_cannot_change_the_direction_of_what_a_reviewer_reads() -> None:
    assert plain_line("pay \u202e0001\u202c EUR\n\x00now") == "pay 0001 EUR now"


def test_a_question_survives_its_way_through_json() -> None:
    question = normalise(
        {**hitl("pay"), "review": {"escalations": [{"after_seconds": 1, "to": "x"}]}}
    )

    assert Question.from_json(json.loads(json.dumps(question.to_json()))) == question


def test_the_fingerprint_follows_the_proposal_and_nothing_else() -> None:
    one = normalise({**hitl("pay"), "review": {"evidence": [["a", "b"]]}})
    same = normalise({**hitl("pay"), "review": {"evidence": [["a", "c"]]}})
    other = hitl("pay")
    other["action_requests"][0]["args"]["amount"] = 1

    assert one.fingerprint == same.fingerprint
    assert one.fingerprint != normalise(other).fingerprint


# Writing


def test_each_dialect_gets_its_own_words_for_an_edit() -> None:
    args = {"to": "x@y.z", "amount": 4300.0}
    edit = Decision(type="edit", args=args)
    edited = {"type": "edit", "edited_action": {"name": "send", "args": args}}
    value, schema = tool_approval()

    assert encode(normalise(hitl("send")), [edit]) == {"decisions": [edited]}
    assert encode(normalise(value, schema), [edit], response_schema=schema) == edited
    assert encode(normalise([inbox()]), [Decision(type="edit", args={"amount": 1})]) == [
        {"type": "edit", "args": {"action": "pay", "args": {"amount": 1}}}
    ]


def test_agent_inboxs_own_words_are_used_for_the_rest() -> None:
    question = normalise([inbox()])

    def said(decision: Decision) -> Any:
        return encode(question, [decision])[0]

    assert said(Decision(type="approve"))["type"] == "accept"
    assert said(Decision(type="reject")) == {"type": "ignore", "args": None}
    assert said(Decision(type="respond", message="why?")) == {"type": "response", "args": "why?"}


def test_one_approval_stands_for_all_actions() -> None:
    answer = encode(normalise(hitl("a", "b")), [Decision(type="approve")])

    assert answer == {"decisions": [{"type": "approve"}, {"type": "approve"}]}


def test_a_graph_that_knows_the_envelope_hears_comment_and_decider() -> None:
    question = normalise(gate(title="t", action="pay", args={"n": 1}))

    answer = encode(question, [Decision(type="approve", message="go")], decided_by="ana")

    assert decision(answer) == {"type": "approve", "message": "go", "decided_by": "ana"}
    assert TypeAdapter(Answer).validate_python(answer) == answer


def test_an_edit_reaches_the_node_as_its_arguments() -> None:
    question = normalise(gate(title="t", action="pay", args={"n": 1}))

    answer = encode(question, [Decision(type="edit", args={"n": 2})])

    assert decided_args(decision(answer), {"n": 1}) == {"n": 2}


@pytest.mark.parametrize(
    ("decisions", "pointer"),
    [
        ([Decision(type="edit", args={"to": "x", "amount": "much"})], "/args/amount"),
        ([Decision(type="edit")], "/args"),
        ([Decision(type="respond", message=" ")], "/message"),
        ([Decision(type="answer", value=1)], "/type"),
        ([Decision(type="approve"), Decision(type="approve")], "/decisions"),
    ],
)
def test_a_decision_that_does_not_fit_is_refused_with_a_pointer(
    decisions: list[Decision], pointer: str
) -> None:
    with pytest.raises(InvalidDecisionError) as caught:
        encode(normalise(hitl("send")), decisions)

    assert caught.value.values["errors"][0]["pointer"] == pointer


def test_what_the_graph_does_not_allow_is_refused() -> None:
    with pytest.raises(InvalidDecisionError, match="not allowed"):
        encode(normalise(hitl("send", allowed=["approve"])), [Decision(type="reject")])


def test_a_typed_answer_is_checked_with_pointers() -> None:
    schema = Verdict.model_json_schema()
    question = normalise("Pay?", schema)

    with pytest.raises(InvalidDecisionError) as caught:
        encode(question, [Decision(type="answer", value={"amount": "x"})], response_schema=schema)

    assert caught.value.values["errors"][0]["pointer"] == "/value/amount"


def test_a_missing_field_is_pointed_to_by_its_name() -> None:
    assert [flaw.pointer for flaw in flaws(Verdict.model_json_schema(), {})] == ["/amount"]


# Reading other clients' answers


def test_agent_inbox_answers_langchains_middleware_and_numbers_stay_numbers() -> None:
    question = normalise(hitl("send"))
    foreign = [
        {"type": "edit", "args": {"action": "send", "args": {"to": "a@b.c", "amount": "4300"}}}
    ]

    answer = encode(question, decisions_from(question, foreign))

    assert answer["decisions"][0]["edited_action"]["args"] == {"to": "a@b.c", "amount": 4300}


def test_an_inbox_accept_is_an_approval() -> None:
    question = normalise(hitl("send"))

    assert decisions_from(question, [{"type": "accept", "args": {}}]) == [Decision(type="approve")]


def test_chat_ui_answers_an_inbox_request() -> None:
    question = normalise([inbox()])
    foreign = {"decisions": [{"type": "reject", "message": "no"}]}

    assert encode(question, decisions_from(question, foreign))[0]["type"] == "ignore"


def test_a_client_that_shows_one_of_two_actions_does_not_decide_both() -> None:
    with pytest.raises(InvalidDecisionError, match="2 decisions"):
        decisions_from(normalise(hitl("a", "b")), [{"type": "accept", "args": None}])


def test_an_edit_cannot_turn_an_action_into_another() -> None:
    foreign = {"decisions": [{"type": "edit", "edited_action": {"name": "drop", "args": {}}}]}

    with pytest.raises(InvalidDecisionError, match="another action"):
        decisions_from(normalise(hitl("send")), foreign)


@pytest.mark.parametrize("forged", ["approve", True, 1, [], {}, [7], {"decisions": ["approve"]}])
def test_what_is_no_decision_is_refused(forged: Any) -> None:
    question = normalise(hitl("send"))

    with pytest.raises(InvalidDecisionError):
        encode(question, decisions_from(question, forged))


def test_a_per_call_approval_answers_in_the_middlewares_own_form() -> None:
    value, schema = tool_approval()
    question = normalise(value, schema)
    foreign = {
        "type": "edit",
        "edited_action": {"name": "send", "args": {"to": "x", "amount": "1.5"}},
    }

    answer = encode(question, decisions_from(question, foreign), response_schema=schema)

    assert answer["edited_action"]["args"]["amount"] == 1.5
    TypeAdapter(_decision_schema(["approve", "edit"], "send", send)).validate_python(answer)


def test_clients_are_served_arguments_beside_args() -> None:
    (request,) = served(hitl("send"))["action_requests"]

    assert request["arguments"] == request["args"]
    assert served("text") == "text"


# Expiry


def test_a_graph_that_knows_the_envelope_is_told_expired() -> None:
    question = normalise(gate(title="t", action="pay", args={}))

    assert decision(encode_expiry(question))["type"] == "expired"


def test_a_foreign_graph_hears_that_nobody_refused() -> None:
    value, schema = tool_approval()

    batched = encode_expiry(normalise(hitl("a", "b")))
    per_call = encode_expiry(normalise(value, schema), response_schema=schema)

    assert {one["type"] for one in batched["decisions"]} == {"reject"}
    assert all("not a refusal" in one["message"] for one in [*batched["decisions"], per_call])


def test_a_declared_answer_is_marked_as_given_by_nobody() -> None:
    question = normalise(
        gate(
            title="t",
            action="pay",
            args={},
            expires_in=timedelta(seconds=1),
            on_expiry={"type": "approve"},
        )
    )

    told = decision(expiry_answer(question))

    assert (told["type"], told["expired"], told["decided_by"]) == ("approve", True, "timer")


def test_an_outcome_that_the_graph_could_not_be_told_becomes_an_escalation() -> None:
    schema = {"type": "integer"}

    question = normalise({"question": "n?", "review": {"on_expiry": "reject"}}, schema)

    assert question.policy.on_expiry == {"action": "escalate"}
    assert "escalates instead" in question.notes[0]


# Text into types


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "number"}, "4300", 4300),
        ({"type": "number"}, " 4200.5 ", 4200.5),
        ({"type": "integer"}, "7.0", 7),
        ({"type": "integer"}, "7.5", "7.5"),
        ({"type": "number"}, "nan", "nan"),
        ({"type": "number"}, "1_000", "1_000"),
        ({"type": "boolean"}, "false", False),
        ({"type": ["number", "null"]}, "", None),
        ({"type": "array"}, '["a"]', ["a"]),
        ({"type": "array"}, '{"a": 1}', '{"a": 1}'),
        ({"type": "string"}, "4300", "4300"),
        ({"anyOf": [{"type": "number"}, {"type": "string"}]}, "4300", "4300"),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, "4300", 4300),
        ({"enum": ["1", "2"]}, "1", "1"),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "number"}}}, "1", 1),
    ],
)
def test_text_is_turned_only_into_what_it_exactly_is(schema: Any, text: str, value: Any) -> None:
    turned = coerce(schema, text)

    assert turned == value
    assert type(turned) is type(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["review", "action_requests", "review_configs", "name", "args", "type", "config",
             "action_request", "action", "title", "question", "decisions", "evidence", "on_expiry",
             "proposed", "escalations", "risk", "value", "allowed_decisions", "action_name"]
        )
        | st.text(max_size=8),
        inner,
        max_size=6,
    ),
    max_leaves=25,
)  # fmt: skip

KINDS = ["string", "number", "integer", "boolean", "array", "object", "null", "nonsense"]
SCHEMAS = st.recursive(
    st.sampled_from([{}, {"$ref": "#"}, {"$ref": "#/$defs/x"}, {"$ref": "http://x.test/"}])
    | st.fixed_dictionaries({"type": st.sampled_from(KINDS)})
    | st.fixed_dictionaries({"enum": st.lists(st.text(max_size=5) | st.integers(), max_size=3)})
    | st.fixed_dictionaries({"const": st.text(max_size=5)}),
    lambda inner: (
        st.fixed_dictionaries(
            {"type": st.just("object")},
            optional={
                "properties": st.dictionaries(
                    st.sampled_from(["decision", "type", "approved", "comment", "amount"])
                    | st.text(max_size=5),
                    inner,
                    max_size=4,
                ),
                "required": st.lists(st.text(max_size=5), max_size=2, unique=True),
                "additionalProperties": st.booleans() | inner,
                "$defs": st.dictionaries(st.just("x"), inner, max_size=1),
            },
        )
        | st.fixed_dictionaries({"type": st.just("array"), "items": inner})
        | st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)})
        | st.fixed_dictionaries({"oneOf": st.lists(inner, min_size=1, max_size=3)})
    ),
    max_leaves=12,
)

REQUESTS = st.builds(
    lambda names, args, allowed, review: {
        "action_requests": [{"name": name, "args": args} for name in names],
        "review_configs": [{"action_name": name, "allowed_decisions": allowed} for name in names],
        **({} if review is None else {"review": review}),
    },
    st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=3),
    JSON,
    st.lists(st.sampled_from(["approve", "edit", "reject", "respond", "fly"]), max_size=4) | JSON,
    st.none() | JSON,
)
VALUES = JSON | REQUESTS | st.builds(lambda value: [value], REQUESTS)


@given(value=VALUES, schema=st.none() | SCHEMAS | JSON)
@settings(max_examples=400, deadline=None)
def test_every_value_with_any_schema_is_a_question(value: Any, schema: Any) -> None:
    question = normalise(value, schema, node="ask")

    assert question.title
    assert Question.from_json(question.to_json()) == question
    assert len(question.fingerprint) == 64


@given(value=VALUES, schema=st.none() | SCHEMAS | JSON, given_value=JSON, data=st.data())
@settings(max_examples=400, deadline=None)
def test_every_decision_is_encoded_or_refused(
    value: Any, schema: Any, given_value: Any, data: st.DataObject
) -> None:
    question = normalise(value, schema, node="ask")
    kind = data.draw(st.sampled_from(DECISION_TYPES))
    args = data.draw(st.none() | st.dictionaries(st.text(max_size=5), JSON, max_size=3))
    made = Decision(type=kind, args=args, message="because", value=given_value)

    with suppress(InvalidDecisionError):
        answer = encode(question, [made], response_schema=schema, decided_by="ana")
        assert flaws(schema if is_usable(schema) else None, answer) == []


@given(value=VALUES, schema=st.none() | SCHEMAS | JSON, foreign=JSON)
@settings(max_examples=400, deadline=None)
def test_every_foreign_answer_is_understood_or_refused(
    value: Any, schema: Any, foreign: Any
) -> None:
    question = normalise(value, schema, node="ask")

    with suppress(InvalidDecisionError):
        answer = encode(question, decisions_from(question, foreign), response_schema=schema)
        assert flaws(schema if is_usable(schema) else None, answer) == []


@given(value=REQUESTS)
@settings(max_examples=200, deadline=None)
def test_what_was_encoded_is_read_back_as_the_same_decision(value: Any) -> None:
    question = normalise(value)
    kinds = [kind for kind in question.allowed if kind in ("approve", "reject", "respond")]
    for kind in kinds:
        made = [Decision(type=kind, message="because")] * len(question.actions)

        read = decisions_from(question, encode(question, made))

        assert [one.type for one in read] == [kind] * len(made)


@given(value=JSON)
@settings(max_examples=200, deadline=None)
def test_a_value_fits_the_schema_inferred_from_it(value: Any) -> None:
    plain = json.loads(json.dumps(value, allow_nan=False, default=str)) if _finite(value) else None

    assert flaws(infer(plain), plain) == []


@given(schema=SCHEMAS, value=JSON)
@settings(max_examples=200, deadline=None)
def test_a_value_that_fits_is_not_changed(schema: Any, value: Any) -> None:
    if is_usable(schema) and not flaws(schema, value):
        assert flaws(schema, coerce(schema, value)) == []


def _finite(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True
