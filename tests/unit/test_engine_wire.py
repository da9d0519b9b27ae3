"""Whatever a graph holds can be written as JSON."""

import json
from collections import deque, namedtuple
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.types import Command, Interrupt, Send

from engine.wire import TOO_DEEP, to_json, to_plain

Point = namedtuple("Point", ["x", "y"])


@dataclass
class Box:
    width: int


def test_json_is_compact():
    assert to_json({"a": [1, 2]}) == '{"a":[1,2]}'


def test_a_message_becomes_the_object_that_clients_know():
    plain = to_plain(AIMessage("hi", id="m1"))

    assert (plain["type"], plain["content"], plain["id"]) == ("ai", "hi", "m1")


def test_an_interrupt_keeps_value_id_and_response_schema():
    plain = to_plain(Interrupt(value=1, id="i", response_schema={"type": "integer"}))

    assert plain == {"value": 1, "id": "i", "response_schema": {"type": "integer"}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        (float("-inf"), None),
        (2**70, 2**70),
        ("a\ud800b", "a\ufffdb"),
        ("nul\x00", "nul\x00"),
        ({1: "one"}, {"1": "one"}),
        ((1, 2), [1, 2]),
        (deque([1]), [1]),
        ({3}, [3]),
        (b"ab", "YWI="),
        (Decimal("1.5"), "Decimal('1.5')"),
        (Point(1, 2), {"x": 1, "y": 2}),
        (Box(width=3), {"width": 3}),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00Z"),
        (ValueError("kaboom"), {"error": "ValueError", "message": "kaboom"}),
        (Send("node", 1), {"node": "node", "arg": 1, "timeout": None}),
    ],
)
def test_each_kind_of_value_has_one_form(value, expected):
    assert to_plain(value) == expected


def test_poison_deep_inside_spares_its_neighbours():
    value = {"messages": [HumanMessage("x\udfff", id="m")], "n": float("inf"), "big": 2**80}

    plain = to_plain(value)

    assert plain["messages"][0]["content"] == "x\ufffd"
    assert plain["n"] is None
    assert plain["big"] == 2**80


def test_a_cycle_ends():
    value: dict[str, object] = {}
    value["self"] = value

    assert TOO_DEEP in to_json(value)


def test_a_command_is_shown_with_its_fields():
    assert to_plain(Command(goto="next"))["goto"] == "next"


def test_every_output_is_valid_json():
    json.loads(to_json([object(), int, lambda: None, {frozenset({1}): 2}, Box]))
