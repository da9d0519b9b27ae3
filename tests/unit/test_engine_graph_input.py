import operator
from typing import Annotated, Any

import pytest
from langgraph.func import entrypoint
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from engine.errors import InvalidValueError
from engine.graph_input import check_input, input_types


class Text(TypedDict):
    text: str


class Opaque(TypedDict):
    """Holds what has no JSON Schema."""

    connection: object
    handler: type[BaseException] | Any
    thing: operator.attrgetter


def state_graph(schema: Any) -> Any:
    builder = StateGraph(schema)
    builder.add_node("node", lambda state: state)
    builder.add_edge(START, "node")
    return builder.compile()


@entrypoint()
def of_list(items: list[str]) -> int:
    return len(items)


@entrypoint()
def of_text_or_number(item: str | int) -> Any:
    return item


@entrypoint()
def of_typed_dict(item: Text) -> Any:
    return item


@entrypoint()
def of_anything(item) -> Any:
    return item


@pytest.mark.parametrize(
    ("graph", "types"),
    [
        (state_graph(Text), {"object"}),
        (state_graph(Opaque), {"object"}),
        (state_graph(Annotated[list, operator.add]), {"array"}),
        (of_list, {"array"}),
        (of_text_or_number, {"string", "integer"}),
        (of_typed_dict, {"object"}),
        (of_anything, None),
    ],
)
def test_the_types_of_an_input_are_those_of_the_graphs_schema(graph: Any, types: Any) -> None:
    found = input_types(graph)

    assert found == types


@pytest.mark.parametrize(
    ("value", "types"),
    [
        ({"text": 1, "more": 2}, {"object"}),
        (None, {"object"}),
        ([], {"array"}),
        (3, {"number"}),
        (3.0, {"integer"}),
        ("x", None),
    ],
)
def test_an_input_of_the_right_type_passes(value: Any, types: Any) -> None:
    check_input(value, types and frozenset(types))


@pytest.mark.parametrize("value", ["x", 5, [{"text": "x"}], True, 1.5])
def test_an_input_of_another_type_is_refused_by_its_name(value: Any) -> None:
    with pytest.raises(InvalidValueError, match="/input must be an object"):
        check_input(value, frozenset({"object"}))


def test_true_is_no_number() -> None:
    with pytest.raises(InvalidValueError, match="text or a whole number"):
        check_input(True, frozenset({"string", "integer"}))
