"""Five steps in a row: `work` waits in each as for a short model call, `quick` does nothing.

one -> two -> three -> four -> five        (`asking` stops before five and asks)
"""

import asyncio
from collections.abc import Awaitable, Callable

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict

STEPS = ("one", "two", "three", "four", "five")
PAUSE_SECONDS = 0.02


class State(TypedDict, total=False):
    text: str
    answer: str


def step(name: str, pause_seconds: float) -> Callable[[State], Awaitable[State]]:
    async def run(state: State) -> State:
        if pause_seconds:
            await asyncio.sleep(pause_seconds)
        return {"text": f"{state.get('text', '')} {name}"[-200:]}

    return run


def ask(state: State) -> State:
    return {"answer": interrupt({"question": state.get("text", "")})}


def chain(pause_seconds: float, *, asks: bool = False) -> StateGraph:
    builder = StateGraph(State)
    names = [*STEPS[:-1], "ask", STEPS[-1]] if asks else list(STEPS)
    for name in names:
        builder.add_node(name, ask if name == "ask" else step(name, pause_seconds))
    for before, after in zip([START, *names], [*names, END], strict=True):
        builder.add_edge(before, after)
    return builder


work = chain(PAUSE_SECONDS).compile()
quick = chain(0.0).compile()
asking = chain(0.0, asks=True).compile()
