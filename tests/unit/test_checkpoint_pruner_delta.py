"""Reading a subgraph's graph from its namespace."""

from typing import Annotated

import pytest
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from engine.delta_snapshots import _subgraph


class State(TypedDict):
    log: Annotated[list[str], lambda old, new: old + new]


def graph(name: str, child: object) -> StateGraph:
    return StateGraph(State).add_node(name, child).add_edge(START, name)


LEAF = graph("leaf", lambda state: {"log": ["leaf"]}).compile()
MIDDLE = graph("inner", LEAF).compile()
ROOT = graph("outer", MIDDLE).compile()


@pytest.mark.parametrize(
    ("namespace", "expected"),
    [
        ("", ROOT),
        ("outer", MIDDLE),
        ("outer:0b9", MIDDLE),
        ("outer:0b9|1", MIDDLE),
        ("outer:0b9|inner:77c", LEAF),
        ("outer|inner", LEAF),
    ],
)
def test_a_namespace_names_its_graph(namespace: str, expected: object):
    assert _subgraph(ROOT, namespace) is expected


def test_a_namespace_of_another_graph_names_none():
    assert _subgraph(ROOT, "elsewhere:1") is None
