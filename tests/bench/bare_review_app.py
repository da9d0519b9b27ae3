"""The baseline with a question: three bare routes around LangGraph, a saver per run on one pool."""

import uuid
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.types import Command

from tests.bench import bench_graph
from tests.bench.bare_app import lifespan

app = FastAPI(lifespan=lifespan)


@app.post("/threads")
async def create_thread() -> dict[str, str]:
    return {"thread_id": str(uuid.uuid4())}


@app.post("/threads/{thread_id}/runs/wait")
async def run(thread_id: str, body: dict[str, Any], request: Request) -> Any:
    saver = AsyncPostgresSaver(request.app.state.pool)
    graph = getattr(bench_graph, body["assistant_id"]).copy({"checkpointer": saver})
    command = body.get("command")
    value = Command(resume=command["resume"]) if command else body["input"]
    config = {"configurable": {"thread_id": thread_id}}
    # None is LangGraph's default: checkpoints are written behind the run.
    values = await graph.ainvoke(value, config, durability=body.get("durability"))
    return jsonable_encoder(values)
