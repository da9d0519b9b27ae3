"""Nodes that fail, are tried again, take too long, or are answered for."""

import asyncio
import operator
import sys
from typing import Annotated, Any

from langchain_core.runnables import RunnableConfig
from langgraph.cache.memory import InMemoryCache
from langgraph.errors import NodeError
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import CachePolicy, Command, RetryPolicy, TimeoutPolicy, interrupt
from typing_extensions import TypedDict

SOON = RetryPolicy(initial_interval=0.01, jitter=False, retry_on=ConnectionError)


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    fail: bool


def ok(name: str) -> Any:
    return lambda state: {"log": [name]}


def boom(state: Log) -> Log:
    if state.get("fail", True):
        raise ValueError("kaboom")
    return {"log": ["mended"]}


failing = (
    StateGraph(Log)
    .add_node("first", ok("first"))
    .add_node("boom", boom)
    .add_node("last", ok("last"))
    .add_edge(START, "first")
    .add_edge("first", "boom")
    .add_edge("boom", "last")
)

# One of three parallel nodes fails: what the others wrote is kept for the next try.


async def slow_boom(state: Log) -> Log:
    await asyncio.sleep(0.05)
    return boom(state)


failing_beside = (
    StateGraph(Log)
    .add_node("good", ok("good"))
    .add_node("fine", ok("fine"))
    .add_node("boom", slow_boom)
    .add_node("last", ok("last"))
    .add_edge(START, "good")
    .add_edge(START, "fine")
    .add_edge(START, "boom")
    .add_edge(["good", "fine", "boom"], "last")
)


def flaky(state: Log, runtime: Runtime) -> Log:
    attempt = runtime.execution_info.node_attempt
    if attempt < 3:
        raise ConnectionError(f"attempt {attempt}")
    return {"log": [f"attempt {attempt}"]}


retrying = StateGraph(Log).add_node("flaky", flaky, retry_policy=SOON).add_edge(START, "flaky")


def hopeless(state: Log) -> Log:
    raise ConnectionError("never")


giving_up = (
    StateGraph(Log).add_node("hopeless", hopeless, retry_policy=SOON).add_edge(START, "hopeless")
)


def recover(state: Log, error: NodeError) -> Command[Any]:
    return Command(update={"log": [f"{error.node}: {error.error}"]}, goto="last")


handled = (
    StateGraph(Log)
    .add_node("boom", boom, error_handler=recover, destinations=("last",))
    .add_node("last", ok("last"))
    .add_edge(START, "boom")
)


async def linger(state: Log) -> Log:
    await asyncio.sleep(30)
    return {"log": ["late"]}


too_slow = (
    StateGraph(Log)
    .add_node("linger", linger, timeout=TimeoutPolicy(run_timeout=0.1))
    .add_edge(START, "linger")
)


def named(state: Log) -> str:
    return state["log"][0]


def caching(**attached: Any) -> Any:
    """Its node is done once for two runs that name the same."""
    policy = CachePolicy(key_func=named, ttl=60)
    builder = StateGraph(Log).add_node("done", ok("done"), cache_policy=policy)
    return builder.add_edge(START, "done").compile(cache=InMemoryCache(), **attached)


def contrary(items: list[str], new: list[str]) -> list[str]:
    raise TypeError("nothing can be added")


class Contrary(TypedDict, total=False):
    items: Annotated[list[str], contrary]


refusing_reducer = (
    StateGraph(Contrary).add_node("put", lambda state: {"items": ["a"]}).add_edge(START, "put")
)


def conflict(state: Log) -> Any:
    return {"fail": True}


two_writers = (
    StateGraph(Log)
    .add_node("one", conflict)
    .add_node("two", conflict)
    .add_edge(START, "one")
    .add_edge(START, "two")
)
wrong_return = StateGraph(Log).add_node("odd", lambda state: "a text").add_edge(START, "odd")


def fails_after_answer(state: Log) -> Log:
    answer = interrupt("go?")
    raise ValueError(f"cannot {answer}")


refusing = StateGraph(Log).add_node("ask", fails_after_answer).add_edge(START, "ask")


async def cancelled(state: Log) -> Log:
    raise asyncio.CancelledError("by itself")


cancelling = StateGraph(Log).add_node("cancelled", cancelled).add_edge(START, "cancelled")


async def grouped(state: Log) -> Log:
    raise ExceptionGroup("several", [ValueError("one"), KeyError("two")])


grouping = StateGraph(Log).add_node("grouped", grouped).add_edge(START, "grouped")


async def leave(state: Log) -> Log:
    sys.exit(3)


def leave_thread(state: Log) -> Log:
    sys.exit(3)


leaving = StateGraph(Log).add_node("leave", leave).add_edge(START, "leave")
leaving_thread = StateGraph(Log).add_node("leave", leave_thread).add_edge(START, "leave")


def broken_factory(config: RunnableConfig) -> Any:
    """Makes a graph only when it is told to."""
    if not config["configurable"].get("made"):
        raise RuntimeError("cannot be made")
    return failing.compile()
