"""How the whole thing is, for people, probes and load balancers."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from api.dependencies import EngineDependency
from api.schemas.common import problems
from engine.checkup import examine

router = APIRouter(tags=["system"])


def clock_jobs(request: Request) -> list[dict[str, Any]]:
    """Return the jobs of this process's clock: name and next start."""
    scheduler = getattr(request.app.state, "scheduler", None)
    jobs = [] if scheduler is None else scheduler.get_jobs()
    return [{"name": job.id, "next_at": job.next_run_time} for job in jobs]


JobsDependency = Annotated[list[dict[str, Any]], Depends(clock_jobs)]


@router.get(
    "/healthz",
    response_model=None,
    responses={
        **problems(),
        200: {
            "description": "All is well.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        503: {
            "description": "Something needs an operator; `problems` says what.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
    },
)
async def healthz(engine: EngineDependency, jobs: JobsDependency) -> JSONResponse:
    """Report database, workers, queue, clock, deliveries, graphs and threads that are stuck."""
    report = await examine(engine, jobs)
    return JSONResponse(_plain(report), 200 if report["ok"] else 503)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value.isoformat() if hasattr(value, "isoformat") else value
