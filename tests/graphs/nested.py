"""A graph inside a graph that stops to ask."""

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    text: str
    answer: str


def ask(state: State) -> State:
    return {"answer": interrupt({"question": state.get("text", "")})}


def finish(state: State) -> State:
    return {"text": f"{state.get('text', '')}: {state.get('answer', '')}"}


child = StateGraph(State).add_node("ask", ask).add_edge(START, "ask").add_edge("ask", END)
graph = (
    StateGraph(State)
    .add_node("child", child.compile())
    .add_node("finish", finish)
    .add_edge(START, "child")
    .add_edge("child", "finish")
    .add_edge("finish", END)
)
