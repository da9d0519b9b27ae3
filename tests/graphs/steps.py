"""Steps that leave a mark in the database, and questions between them.

Input: `steps` (how many), `pause_seconds` (in each), `gates` (step numbers before which it asks),
`fail_at` (a step that raises), `poison` (what the first step returns).
"""

import asyncio
import operator
import os
from typing import Annotated, Any

import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict


class Steps(TypedDict, total=False):
    steps: int
    pause_seconds: float
    gates: list[int]
    fail_at: int
    done: Annotated[list[str], operator.add]
    answers: Annotated[list[Any], operator.add]


async def mark(thread_id: str, key: str, attempt_of: str) -> None:
    """Leave the mark that a side effect would leave: one row per execution, one per key."""
    async with await psycopg.AsyncConnection.connect(
        os.environ["HOLDFAST_DATABASE_URL"], autocommit=True
    ) as connection:
        await connection.execute(
            "INSERT INTO marks (thread_id, key, run_id) VALUES (%s, %s, %s)",
            (thread_id, key, attempt_of),
        )
        await connection.execute(
            "INSERT INTO keyed_marks (key) VALUES (%s) ON CONFLICT DO NOTHING",
            (f"{thread_id}:{key}",),
        )
        await connection.execute("SELECT pg_notify('marks', %s)", (attempt_of,))


async def step(state: Steps, config: RunnableConfig) -> Command | Steps:
    number = len(state.get("done", []))
    if number >= state.get("steps", 3):
        return {}
    configurable = config["configurable"]
    if number == state.get("fail_at"):
        raise ValueError(f"step {number} fails")
    if "HOLDFAST_DATABASE_URL" in os.environ:
        run_id = configurable["run_id"]
        await mark(configurable["thread_id"], f"{run_id}:{number}", run_id)
    await asyncio.sleep(state.get("pause_seconds", 0.0))
    return {"done": [f"{configurable['run_id'][:8]}:{number}"]}


def ask(state: Steps) -> Steps:
    number = len(state.get("done", []))
    if number in state.get("gates", []) and len(state.get("answers", [])) <= state["gates"].index(
        number
    ):
        return {"answers": [interrupt({"question": f"go on with step {number}?"})]}
    return {}


def on(state: Steps) -> str:
    return "ask" if len(state.get("done", [])) < state.get("steps", 3) else END


graph = (
    StateGraph(Steps)
    .add_node("ask", ask)
    .add_node("step", step)
    .add_edge(START, "ask")
    .add_edge("ask", "step")
    .add_conditional_edges("step", on, ["ask", END])
)
