"""A graph whose side effects can be counted: each goes into a file that outlives every process.

    START -> ask -> work -> (ask | END)

Input: `label` (names the piece of work), `steps`, `pause_seconds` in each, `gates` (steps before
which it asks), `proposer` (asks for a review that this person may not decide),
`expires_in_seconds` (of the review, which is rejected then). A line of the file is
`<key> <label>:<step> <pid>`; the key is what an outside system would recognise a repetition by.
"""

import asyncio
import operator
import os
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from langchain_core.runnables import RunnableConfig
from langgraph.errors import NodeTimeoutError
from langgraph.func import entrypoint
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy, interrupt
from typing_extensions import TypedDict

from state.review import decision, gate
from tests.fault import points

WORLD_VARIABLE = "HOLDFAST_FAULT_WORLD"
KEY_OFF = "key_off"


class Work(TypedDict, total=False):
    label: str
    steps: int
    pause_seconds: float
    gates: list[int]
    proposer: str
    expires_in_seconds: float
    log: Annotated[list[str], operator.add]
    answers: Annotated[list[str], operator.add]


def effect(config: RunnableConfig, label: str, step: int) -> None:
    """Do something outside that cannot be taken back."""
    configurable = config["configurable"]
    key = f"{configurable['thread_id']}:{configurable['checkpoint_ns']}"
    if KEY_OFF in points.planted():
        key = uuid.uuid4().hex
    line = f"{key} {label}:{step} {os.getpid()}\n".encode()
    descriptor = os.open(Path(os.environ[WORLD_VARIABLE]), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def done(state: Work) -> int:
    """Return how many steps of this piece of work are in the log."""
    return sum(entry.rpartition(":")[0] == state["label"] for entry in state.get("log", []))


def ask(state: Work) -> Work:
    step = done(state)
    if step in state.get("gates", []):
        question = f"{state['label']}:{step}"
        if not any(answer.startswith(f"{question}=") for answer in state.get("answers", [])):
            return {"answers": [f"{question}={_answer(state, question)}"]}
    return {}


def _answer(state: Work, question: str) -> str:
    if not state.keys() & {"proposer", "expires_in_seconds"}:
        return str(interrupt({"question": question}))
    seconds = state.get("expires_in_seconds")
    asked = gate(
        title=question,
        action="go_on",
        args={"step": question},
        proposer=state.get("proposer"),
        expires_in=None if seconds is None else timedelta(seconds=seconds),
        on_expiry="reject",
    )
    decided = decision(interrupt(asked))
    return f"{decided['type']} by {decided.get('decided_by')}"


async def work(state: Work, config: RunnableConfig) -> Work:
    points.reach("node begins")
    step = done(state)
    effect(config, state["label"], step)
    points.reach("effect done")
    await asyncio.sleep(state.get("pause_seconds", 0.0))
    return {"log": [f"{state['label']}:{step}"]}


def further(state: Work) -> str:
    return "ask" if done(state) < state["steps"] else END


graph = (
    StateGraph(Work)
    .add_node("ask", ask)
    .add_node("work", work)
    .add_edge(START, "ask")
    .add_edge("ask", "work")
    .add_conditional_edges("work", further, ["ask", END])
)


@entrypoint()
async def errand(value: Work, *, config: RunnableConfig) -> Work:
    """Do something outside at once, as a functional graph may."""
    effect(config, value["label"], 0)
    points.reach("effect done")
    return {"log": [f"{value['label']}:0"]}


async def hand_over(state: Work) -> Work:
    """Have a functional graph do it."""
    done: Work = await errand.ainvoke(state)
    return done


handing_over = StateGraph(Work).add_node("hand_over", hand_over).add_edge(START, "hand_over")


@entrypoint()
def blocking_errand(value: Work, *, config: RunnableConfig) -> Work:
    """Do something outside at once, in a thread."""
    effect(config, value["label"], 0)
    return {"log": [f"{value['label']}:0"]}


def hand_over_from_thread(state: Work) -> Work:
    """Have a functional graph do it, and block the thread meanwhile."""
    done: Work = blocking_errand.invoke(state)
    return done


from_thread = StateGraph(Work).add_node("hand_over", hand_over_from_thread)
from_thread.add_edge(START, "hand_over")


async def give_up_late(state: Work, config: RunnableConfig) -> Work:
    """Do something outside only after the time that the node has is over."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(state["pause_seconds"])
        effect(config, state["label"], 0)
        raise
    return {}


def try_twice(state: Work, config: RunnableConfig) -> Work:
    """Fail the first time that anybody tries."""
    effect(config, state["label"], 0)
    if len(Path(os.environ[WORLD_VARIABLE]).read_text().splitlines()) == 1:
        raise ConnectionError("not yet")
    return {"log": [f"{state['label']}:0"]}


late = (
    StateGraph(Work)
    .add_node(
        "give_up_late",
        give_up_late,
        timeout=0.2,
        retry_policy=RetryPolicy(max_attempts=3, initial_interval=0.05, retry_on=NodeTimeoutError),
    )
    .add_edge(START, "give_up_late")
)
patient = (
    StateGraph(Work)
    .add_node("try_twice", try_twice, retry_policy=RetryPolicy(initial_interval=3600, jitter=False))
    .add_edge(START, "try_twice")
)
