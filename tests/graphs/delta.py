"""A list kept as differences, with a full value only now and then."""

from typing import Annotated, Any

from langgraph.channels.delta import DeltaChannel
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict


def extend(items: list[str], writes: list[Any]) -> list[str]:
    return [*items, *(item for write in writes for item in write)]


class Diary(TypedDict, total=False):
    lines: Annotated[list[str], DeltaChannel(extend, snapshot_frequency=1_000)]


def note(state: Diary) -> Diary:
    return {"lines": [f"line {len(state.get('lines') or [])}"]}


graph = StateGraph(Diary).add_node("note", note).add_edge(START, "note").add_edge("note", END)
