"""The baseline: one FastAPI route around LangGraph, a Postgres checkpointer per run on one pool."""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from tests.bench import bench_graph

POOL_SIZE = 40


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncConnectionPool(
        os.environ["HOLDFAST_DATABASE_URL"],
        connection_class=AsyncConnection[dict[str, Any]],
        kwargs={"autocommit": True, "row_factory": dict_row, "prepare_threshold": 0},
        min_size=POOL_SIZE,
        max_size=POOL_SIZE,
        open=False,
    ) as pool:
        await pool.wait()
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/runs/wait")
async def run(body: dict[str, Any]) -> Any:
    graph = getattr(bench_graph, body["assistant_id"])
    graph = graph.copy({"checkpointer": AsyncPostgresSaver(app.state.pool)})
    config = {"configurable": {"thread_id": str(uuid.uuid4())}}
    # None is LangGraph's default: checkpoints are written behind the run.
    return await graph.ainvoke(body["input"], config, durability=body.get("durability"))
