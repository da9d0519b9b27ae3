"""Returns what it is told to, as a model might."""

from typing import Any

from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

VALUES: dict[str, Any] = {
    "sound": "sound",
    "nul": "a\0b",
    "nul_inside": {"deep": ["a\0b"]},
    "surrogate": "a\ud800b",
    "surrogate_key": {"a\ud800": 1},
    "nan": float("nan"),
    "infinity": float("inf"),
    "big_integer": 2**70,
    "big_integer_inside": [2**70],
    "deep": None,
    "big": "x" * (9 * 1_048_576),
}
for _ in range(500):
    VALUES["deep"] = [VALUES["deep"]]


class Poisoned(TypedDict, total=False):
    kind: str
    value: Any


def drink(state: Poisoned) -> Poisoned:
    return {"value": VALUES[state["kind"]]}


def after(state: Poisoned) -> Poisoned:
    return {"kind": f"{state['kind']} survived"}


graph = (
    StateGraph(Poisoned)
    .add_node("drink", drink)
    .add_node("after", after)
    .add_edge(START, "drink")
    .add_edge("drink", "after")
    .add_edge("after", END)
)
