"""One node that tells what it was told of its caller, in `configurable`."""

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict


class Told(TypedDict, total=False):
    told: dict[str, Any]


def listen(state: Told, config: RunnableConfig) -> Told:
    told = config["configurable"].items()
    return {"told": {key: value for key, value in told if key.startswith(("langgraph_auth", "x-"))}}


graph = (
    StateGraph(Told).add_node("listen", listen).add_edge(START, "listen").add_edge("listen", END)
)
