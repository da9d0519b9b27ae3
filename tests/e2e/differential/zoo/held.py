"""Graphs that hold still in the middle until a file is there: for whoever pulls the plug."""

import asyncio
import operator
from pathlib import Path
from typing import Annotated, Any

from langgraph.config import get_stream_writer
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import Send, interrupt
from typing_extensions import TypedDict


class Held(TypedDict, total=False):
    folder: str
    done: Annotated[list[str], operator.add]


async def hold(folder: str, name: str) -> None:
    """Say that one is there, and wait for the file of that name."""
    get_stream_writer()({"holding": name})
    while not (Path(folder) / name).exists():  # noqa: ASYNC110 - the file is the signal
        await asyncio.sleep(0.02)


def done(name: str) -> Any:
    return lambda state: {"done": [name]}


# Five at once, one of them held


def scatter(state: Held) -> list[Send]:
    return [Send("work", {"folder": state["folder"], "number": n}) for n in range(5)]


async def work(state: dict[str, Any]) -> Held:
    if state["number"] == 3:
        await hold(state["folder"], "first")
    return {"done": [f"item {state['number']}"]}


async def ask(state: Held) -> Held:
    answer = interrupt({"done": len(state["done"])})
    await hold(state["folder"], "second")
    return {"done": [f"heard {answer}"]}


held_fan = (
    StateGraph(Held)
    .add_node("work", work)
    .add_node("ask", ask)
    .add_conditional_edges(START, scatter, ["work"])
    .add_edge("work", "ask")
)


# Two levels down, before and after a question


async def wait(state: Held) -> Held:
    await hold(state["folder"], "first")
    return {"done": ["waited"]}


inner = (
    StateGraph(Held)
    .add_node("before", done("inner"))
    .add_node("wait", wait)
    .add_node("ask", ask)
    .add_node("after", done("inner again"))
    .add_edge(START, "before")
    .add_edge("before", "wait")
    .add_edge("wait", "ask")
    .add_edge("ask", "after")
)
held_child = (
    StateGraph(Held)
    .add_node("start", done("outer"))
    .add_node("inner", inner.compile())
    .add_node("stop", done("outer again"))
    .add_edge(START, "start")
    .add_edge("start", "inner")
    .add_edge("inner", "stop")
)


# The functional API


@task
async def count(number: int) -> int:
    return number + 1


@task
async def held(folder: str, name: str) -> str:
    await hold(folder, name)
    return f"held {name}"


def held_entrypoint(**attached: Any) -> Any:
    """Holds in a task, asks, and holds in another."""

    @entrypoint(**attached)
    async def workflow(folder: str, *, previous: list[Any] | None = None) -> list[Any]:
        counted = [await future for future in [count(number) for number in range(3)]]
        first = await held(folder, "first")
        answer = interrupt({"counted": counted})
        return [previous, counted, first, answer, await held(folder, "second")]

    return workflow
