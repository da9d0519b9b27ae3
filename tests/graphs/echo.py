"""One node that repeats its input; `context.suffix` is added."""

from dataclasses import dataclass

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict


class Echo(TypedDict, total=False):
    text: str
    count: int


@dataclass
class Context:
    suffix: str = ""


def echo(state: Echo, runtime: Runtime[Context]) -> Echo:
    suffix = runtime.context.suffix if runtime.context else ""
    return {"text": state.get("text", "") + suffix, "count": state.get("count", 0) + 1}


graph = (
    StateGraph(Echo, context_schema=Context)
    .add_node("echo", echo)
    .add_edge(START, "echo")
    .add_edge("echo", END)
)
