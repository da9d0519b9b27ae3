"""Graphs inside graphs: with the parent's checkpoints, with their own, without any."""

import operator
from typing import Annotated, Any

from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send, interrupt
from typing_extensions import TypedDict


class Notes(TypedDict, total=False):
    notes: Annotated[list[str], operator.add]
    answer: str


class Inner(TypedDict, total=False):
    notes: Annotated[list[str], operator.add]
    calls: Annotated[int, operator.add]


def note(name: str) -> Any:
    def write(state: Notes) -> Notes:
        get_stream_writer()({"at": name})
        return {"notes": [name]}

    return write


def question(state: Notes) -> Notes:
    answer = interrupt({"ask": "inner", "notes": len(state.get("notes", []))})
    return {"notes": [f"heard {answer}"], "answer": str(answer)}


async def only_note(state: Notes) -> Notes:
    return {"notes": [f"heard {interrupt('?')}"]}


asking = StateGraph(Notes).add_node("ask", only_note).add_edge(START, "ask").compile()


innermost = (
    StateGraph(Notes)
    .add_node("before", note("innermost"))
    .add_node("question", question)
    .add_edge(START, "before")
    .add_edge("before", "question")
)
middle = (
    StateGraph(Notes)
    .add_node("start", note("middle"))
    .add_node("innermost", innermost.compile())
    .add_node("stop", note("middle again"))
    .add_edge(START, "start")
    .add_edge("start", "innermost")
    .add_edge("innermost", "stop")
)
two_deep = (
    StateGraph(Notes)
    .add_node("start", note("outer"))
    .add_node("middle", middle.compile())
    .add_node("stop", note("outer again"))
    .add_edge(START, "start")
    .add_edge("start", "middle")
    .add_edge("middle", "stop")
    .add_edge("stop", END)
)


# A subgraph that remembers between the parent's runs


def count(state: Inner) -> Inner:
    return {"notes": [f"call {state.get('calls', 0) + 1}"], "calls": 1}


remembering = StateGraph(Inner).add_node("count", count).add_edge(START, "count")
with_memory = (
    StateGraph(Notes)
    .add_node("child", remembering.compile(checkpointer=True))
    .add_node("after", note("after"))
    .add_edge(START, "child")
    .add_edge("child", "after")
)


# A subgraph called as a function

called = innermost.compile()


async def call(state: Notes, config: RunnableConfig) -> Notes:
    done = await called.ainvoke({"notes": []}, config)
    return {"notes": [f"child said {done['answer']}", *done["notes"]]}


as_function = StateGraph(Notes).add_node("call", call).add_edge(START, "call")


def call_quietly(state: Notes) -> Notes:
    quiet = StateGraph(Notes).add_node("a", note("quiet")).add_edge(START, "a")
    return {"notes": quiet.compile(checkpointer=False).invoke({"notes": []})["notes"]}


without_checkpoints = StateGraph(Notes).add_node("call", call_quietly).add_edge(START, "call")


# Two children that ask at once

children = (
    StateGraph(Notes)
    .add_node("one", asking)
    .add_node("two", asking)
    .add_node("stop", note("both"))
    .add_edge(START, "one")
    .add_edge(START, "two")
    .add_edge(["one", "two"], "stop")
)


# Two questions at once in one child, and as many children as are sent


def asks(name: str) -> Any:
    async def ask(state: Notes) -> Notes:
        return {"notes": [f"{name} {interrupt(f'{name}?')}"]}

    return ask


asking_both = (
    StateGraph(Notes)
    .add_node("left", asks("left"))
    .add_node("right", asks("right"))
    .add_node("both", note("both"))
    .add_edge(START, "left")
    .add_edge(START, "right")
    .add_edge(["left", "right"], "both")
)
child_asking_both = (
    StateGraph(Notes)
    .add_node("child", asking_both.compile())
    .add_node("stop", note("stop"))
    .add_edge(START, "child")
    .add_edge("child", "stop")
)


def send_children(state: Notes) -> list[Send]:
    return [Send("child", {"notes": [f"sent {number}"]}) for number in range(3)]


sent_children = (
    StateGraph(Notes)
    .add_node("child", asking)
    .add_node("stop", note("stop"))
    .add_conditional_edges(START, send_children, ["child"])
    .add_edge("child", "stop")
)


# A failure two levels down


def fail(state: Notes) -> Notes:
    raise LookupError("not here \ud800")


def around(name: str, inside: Any) -> Any:
    builder = StateGraph(Notes).add_node("start", note(name)).add_node("inside", inside)
    return builder.add_edge(START, "start").add_edge("start", "inside").compile()


failing_below = around("outer", around("middle", fail))


# A subgraph that stops where it was compiled to

stepping = (
    StateGraph(Notes)
    .add_node("a", note("a"))
    .add_node("b", note("b"))
    .add_edge(START, "a")
    .add_edge("a", "b")
    .compile(interrupt_before=["b"])
)
with_breakpoint = (
    StateGraph(Notes)
    .add_node("child", stepping)
    .add_node("stop", note("stop"))
    .add_edge(START, "child")
    .add_edge("child", "stop")
)
