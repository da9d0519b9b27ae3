"""Which way a graph goes: fans, commands, deferred nodes, breakpoints, limits."""

import asyncio
import operator
import threading
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from langchain_core.messages import HumanMessage
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.managed import RemainingSteps
from langgraph.types import Command, Overwrite, Send, interrupt
from pydantic import BaseModel
from typing_extensions import TypedDict


class Items(TypedDict, total=False):
    count: int
    items: Annotated[list[str], operator.add]
    total: int


# Fans


def scatter(state: Items) -> list[Send]:
    return [Send("work", {"number": number}) for number in range(state["count"])]


def work(state: dict[str, int]) -> Items:
    return {"items": [f"item {state['number']}"]}


def gather(state: Items) -> Items:
    return {"total": len(state["items"])}


fan_out = (
    StateGraph(Items)
    .add_node("work", work)
    .add_node("gather", gather)
    .add_conditional_edges(START, scatter, ["work"])
    .add_edge("work", "gather")
    .add_edge("gather", END)
)


async def ask_one(state: dict[str, int]) -> Items:
    number = state["number"]
    answer = interrupt(f"item {number}?")
    return {"items": [f"{number}: {answer}"]}


asking_fan = (
    StateGraph(Items)
    .add_node("work", ask_one)
    .add_node("gather", gather)
    .add_conditional_edges(START, scatter, ["work"])
    .add_edge("work", "gather")
    .add_edge("gather", END)
)


# A deferred node, and one that overwrites what a reducer kept


def named(name: str) -> Any:
    return lambda state: {"items": [name]}


deferred = (
    StateGraph(Items)
    .add_node("left", named("left"))
    .add_node("right", named("right"))
    .add_node("right_again", named("right again"))
    .add_node("last", lambda state: {"total": len(state["items"])}, defer=True)
    .add_edge(START, "left")
    .add_edge(START, "right")
    .add_edge("right", "right_again")
    .add_edge("left", "last")
    .add_edge("right_again", "last")
)
overwriting = (
    StateGraph(Items)
    .add_node("fill", lambda state: {"items": ["a", "b", "c"]})
    .add_node("clear", lambda state: {"items": Overwrite([f"{len(state['items'])} before"])})
    .add_edge(START, "fill")
    .add_edge("fill", "clear")
)


# Commands


def route(state: Items) -> Command[Literal["even", "odd"]]:
    return Command(
        goto="odd" if state["count"] % 2 else "even", update={"items": [f"{state['count']}"]}
    )


def jump(state: Items) -> Command[Any]:
    sends = [Send("even", {"items": ["sent"]}), "odd"]
    return Command(graph=Command.PARENT, goto=sends, update={"items": ["from below"]})


commanding = (
    StateGraph(Items)
    .add_node("route", route)
    .add_node("even", named("even"))
    .add_node("odd", named("odd"))
    .add_edge(START, "route")
)
lost: Any = StateGraph(Items).add_node("away", lambda state: Command(goto="nowhere"))
lost.add_edge(START, "away")
handing_over = (
    StateGraph(Items)
    .add_node(
        "below",
        StateGraph(Items).add_node("jump", jump).add_edge(START, "jump").compile(),
        destinations=("even", "odd"),
    )
    .add_node("even", named("even"))
    .add_node("odd", named("odd"))
    .add_edge(START, "below")
)


# Chains, loops and what limits them


class Loop(TypedDict, total=False):
    steps: int
    left: list[int]
    remaining: RemainingSteps


def step(state: Loop) -> Loop:
    return {"steps": state.get("steps", 0) + 1, "left": [state["remaining"]]}


def until(state: Loop) -> str:
    return END if state["remaining"] <= 2 else "step"


def for_ever(state: Loop) -> str:
    return "step"


careful_loop = (
    StateGraph(Loop)
    .add_node("step", step)
    .add_edge(START, "step")
    .add_conditional_edges("step", until, ["step", END])
)
endless_loop = (
    StateGraph(Loop)
    .add_node("step", step)
    .add_edge(START, "step")
    .add_conditional_edges("step", for_ever, ["step", END])
)


class Counted(TypedDict, total=False):
    goal: int
    steps: int


long_chain = (
    StateGraph(Counted)
    .add_node("step", lambda state: {"steps": state.get("steps", 0) + 1})
    .add_edge(START, "step")
    .add_conditional_edges(
        "step", lambda state: END if state["steps"] >= state["goal"] else "step", ["step", END]
    )
)


# Breakpoints


class Line(TypedDict, total=False):
    text: str
    seen: Annotated[list[str], operator.add]


def seen(name: str) -> Any:
    return lambda state: {"seen": [f"{name}:{state.get('text', '')}"]}


line = (
    StateGraph(Line)
    .add_node("a", seen("a"))
    .add_node("b", seen("b"))
    .add_node("c", seen("c"))
    .add_edge(START, "a")
    .add_edge("a", "b")
    .add_edge("b", "c")
)


def stopping(**attached: Any) -> Any:
    return line.compile(interrupt_before=["b"], interrupt_after=["c"], **attached)


# Questions


def twice(state: Line) -> Line:
    first = interrupt({"ask": "first"})
    second = interrupt({"ask": "second", "first": first})
    return {"seen": [f"{first} {second}"]}


two_questions = StateGraph(Line).add_node("twice", twice).add_edge(START, "twice")


def check(state: Line) -> Line:
    age = interrupt("how old?")
    while not isinstance(age, int):
        age = interrupt(f"{age!r} is no number; how old?")
    return {"seen": [f"{age} years"]}


validating = StateGraph(Line).add_node("check", check).add_edge(START, "check")


async def both(state: Line) -> Line:
    return {"seen": [f"left {interrupt('left?')}"]}


async def other(state: Line) -> Line:
    return {"seen": [f"right {interrupt('right?')}"]}


parallel_questions = (
    StateGraph(Line)
    .add_node("left", both)
    .add_node("right", other)
    .add_node("end", seen("end"))
    .add_edge(START, "left")
    .add_edge(START, "right")
    .add_edge(["left", "right"], "end")
)


def asks_twice(name: str) -> Any:
    async def ask(state: Line) -> Line:
        first = interrupt(f"{name}, first?")
        return {"seen": [f"{name} {first} {interrupt(f'{name}, second?')}"]}

    return ask


parallel_twice = (
    StateGraph(Line)
    .add_node("left", asks_twice("left"))
    .add_node("right", asks_twice("right"))
    .add_node("end", seen("end"))
    .add_edge(START, "left")
    .add_edge(START, "right")
    .add_edge(["left", "right"], "end")
)


class Decision(BaseModel):
    ok: bool
    amount: int = 0


def typed(state: Line) -> Line:
    asked = {"proposal": Decision(ok=False, amount=3), "said": HumanMessage("hi", id="h1")}
    decision = interrupt(asked, response_schema=Decision)
    return {"seen": [f"{type(decision).__name__} {decision.ok} {decision.amount}"]}


typed_question = StateGraph(Line).add_node("typed", typed).add_edge(START, "typed")


# Ways to write a node


def blocking(state: Line) -> Line:
    time.sleep(0.3)
    return {"seen": ["slept"]}


async def blocking_the_loop(state: Line) -> Line:
    time.sleep(0.3)  # noqa: ASYNC251 - what a careless node does
    return {"seen": ["slept on the loop"]}


def threads(state: Line) -> Line:
    found: list[str] = []
    made = [threading.Thread(target=found.append, args=(str(n),)) for n in range(4)]
    for thread in made:
        thread.start()
    for thread in made:
        thread.join()
    return {"seen": sorted(found)}


async def tasks(state: Line) -> Line:
    found = await asyncio.gather(*(asyncio.sleep(0, result=str(n)) for n in range(3)))
    return {"seen": found}


async def generating(state: Line) -> AsyncIterator[Line]:
    get_stream_writer()("from a generator")
    yield {"seen": ["one"]}
    yield {"seen": ["two"]}


def writing(state: Line) -> Line:
    writer = get_stream_writer()
    for number in range(3):
        writer({"progress": number})
    writer("text")
    writer([1, 2])
    writer(None)
    return {"seen": ["written"]}


ways = (
    StateGraph(Line)
    .add_node("blocking", blocking)
    .add_node("blocking_the_loop", blocking_the_loop)
    .add_node("threads", threads)
    .add_node("tasks", tasks)
    .add_node("writing", writing)
    .add_sequence([("empty", lambda state: {}), ("nothing", lambda state: None)])
    .add_edge(START, "blocking")
    .add_edge("blocking", "blocking_the_loop")
    .add_edge("blocking_the_loop", "threads")
    .add_edge("threads", "tasks")
    .add_edge("tasks", "writing")
    .add_edge("writing", "empty")
)
generator = StateGraph(Line).add_node("generating", generating).add_edge(START, "generating")


# A state that is one value


rooted: Any = StateGraph(Annotated[list[str], operator.add])  # type: ignore[type-var]  # is allowed
rooted.add_node("first", lambda state: [f"{len(state)} before"])
rooted.add_node("second", lambda state: Command(update=["second"], goto="third"))
rooted.add_node("third", lambda state: [f"heard {interrupt(state)}"])
rooted.add_edge(START, "first")
rooted.add_edge("first", "second")
