"""The server itself: is it well, what can it do, how much waits."""

from importlib.metadata import version
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from api.dependencies import EngineDependency
from api.metrics import as_json, prometheus
from api.schemas.common import problems
from api.schemas.system import GraphFailureView, Health, Info
from engine.health import check_database, measure_load

router = APIRouter(tags=["system"])
# Apart, for `http.disable_meta` takes these away.
meta = APIRouter(tags=["system"])

# The Agent Server whose API is spoken; clients decide by it what they may ask for.
API_VERSION = "0.16.7"
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/ok", responses=problems(503))
async def ok(
    engine: EngineDependency,
    check_db: Annotated[bool, Query(description="Ask the database as well.")] = False,
) -> Health:
    """Say that the server lives, and with `check_db=1` that it can work."""
    if check_db and not engine.project.http.disable_meta:
        await check_database(engine.database)
    return Health(ok=True)


@meta.get("/info", responses=problems())
async def info(engine: EngineDependency) -> Info:
    """Return versions, abilities and graphs."""
    return Info(
        version=API_VERSION,
        langgraph_py_version=version("langgraph"),
        holdfast_version=version("holdfast"),
        max_body_bytes=engine.options.max_body_bytes,
        submit_graph_id=engine.project.holdfast.submit,
        graphs=engine.registry.graph_ids,
        # Where people sign in, a stranger is not told what is wrong inside; /healthz tells.
        failures={}
        if engine.registry.auth is not None
        else {
            graph_id: GraphFailureView.model_validate(failure)
            for graph_id, failure in engine.registry.failures.items()
        },
    )


@meta.get(
    "/metrics",
    response_model=None,
    responses={
        **problems(503),
        200: {
            "description": "Prometheus' text format, or JSON.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
    },
)
async def metrics(
    engine: EngineDependency,
    form: Annotated[Literal["prometheus", "json"], Query(alias="format")] = "prometheus",
) -> Response:
    """Return what is counted and what waits."""
    load = await measure_load(engine.database)
    if form == "json":
        return JSONResponse(as_json(load))
    return Response(prometheus(load), media_type=PROMETHEUS)
