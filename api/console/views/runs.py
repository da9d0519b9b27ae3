"""Runs: find them, cancel or retry those that were found."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.access import Access, AccessDependency
from api.console.render import going, page
from api.console.views.problems import ConsoleRoute
from api.dependencies import ActorDependency, EngineDependency
from engine.errors import EngineError
from engine.inspection import RunLine
from engine.listing import Page
from engine.runs.request import RunRequest
from engine.runs.run import Run
from engine.runtime import Engine

router = APIRouter(prefix="/console/runs", include_in_schema=False, route_class=ConsoleRoute)

VIA = "console"
PAGE_SIZE = 50
MOST_AT_ONCE = 1_000
DAY = 86_400.0
SINCE: Mapping[str, tuple[str, float]] = {
    "hour": ("the last hour", 3_600.0),
    "day": ("the last day", DAY),
    "week": ("the last 7 days", 7 * DAY),
    "month": ("the last 30 days", 30 * DAY),
}
STATUSES = ("queued", "running", "interrupted", "succeeded", "failed", "cancelled", "expired")
# A run ends with its question; what waits is the thread, until the question is answered.
WORDS: Mapping[str, str] = {"interrupted": "asked"}
LIVE = ("queued", "running")
RETRYABLE = ("failed", "expired", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """What is listed; kept in the address."""

    graph: str | None = None
    status: str | None = None
    since: str | None = None
    search: str | None = None
    offset: int = 0

    @classmethod
    def of(cls, request: Request) -> "RunFilter":
        """Read an address."""
        query = request.query_params
        offset = query.get("offset", "")
        return cls(
            graph=query.get("graph") or None,
            status=query.get("status") if query.get("status") in STATUSES else None,
            since=query.get("since") if query.get("since") in SINCE else None,
            search=(query.get("search") or "").strip()[:200] or None,
            offset=int(offset) if offset.isdecimal() and len(offset) < 10 else 0,
        )

    def query(self, **other: Any) -> str:
        """Return the end of an address with this filter."""
        given = {
            "graph": self.graph,
            "status": self.status,
            "since": self.since,
            "search": self.search,
            **other,
        }
        text = urlencode({name: value for name, value in given.items() if value})
        return f"?{text}" if text else ""

    def with_status(self, status: str | None) -> str:
        """Return the end of an address with this filter and another status."""
        return replace(self, status=status).query()

    @property
    def since_seconds(self) -> float | None:
        """How far back."""
        return SINCE[self.since][1] if self.since else None


@router.get("")
async def runs(request: Request, engine: EngineDependency, access: AccessDependency) -> Response:
    """List runs."""
    chosen = RunFilter.of(request)
    found = await _found(engine, chosen, access, limit=PAGE_SIZE)
    counts = await engine.inspection.count_runs(
        graph_id=chosen.graph, since_seconds=chosen.since_seconds, scope=access.scope
    )
    return page(
        request,
        "runs.html",
        screen="runs",
        chosen=chosen,
        found=found,
        counts=counts,
        statuses=STATUSES,
        words=WORDS,
        since=SINCE,
        graphs=engine.registry.graph_ids,
        live=sum(counts.get(status, 0) for status in LIVE if chosen.status in (None, status)),
        again=sum(counts.get(status, 0) for status in RETRYABLE if chosen.status in (None, status)),
        first=chosen.offset + 1 if found.items else 0,
        most=MOST_AT_ONCE,
    )


@router.post("/cancel")
async def cancel(
    request: Request, engine: EngineDependency, actor: ActorDependency, access: AccessDependency
) -> Response:
    """Cancel every run of the filter that is not over, or one that is named."""
    chosen = RunFilter.of(request)
    lines = await _meant(request, engine, access, chosen, LIVE)
    cancelled = await engine.runs.cancel_many(
        run_ids=[line.run_id for line in lines], actor=actor, via=VIA
    )
    return going(f"/console/runs{chosen.query()}", said=f"Cancelled {_runs(cancelled)}")


@router.post("/retry")
async def retry(
    request: Request, engine: EngineDependency, actor: ActorDependency, access: AccessDependency
) -> Response:
    """Start every run of the filter that failed once more, or one that is named."""
    chosen = RunFilter.of(request)
    started, refusals = 0, []
    for line in await _meant(request, engine, access, chosen, RETRYABLE):
        try:
            await _retry(engine, await engine.runs.get(line.run_id), actor)
            started += 1
        except EngineError as error:
            refusals.append(str(error))
    said = f"Started {_runs(started)} again"
    if refusals:
        said += f"; {len(refusals)} not: {refusals[0]}"
    return going(f"/console/runs{chosen.query()}", said=said)


async def _retry(engine: Engine, run: Run, actor: str) -> None:
    """Go on from what the run saved last; one that saved nothing gets its input once more."""
    state = await engine.states.get(run.thread_id)
    saved = (state["metadata"] or {}).get("run_id") == run.run_id
    kwargs = run.kwargs
    await engine.runs.create(
        RunRequest(
            assistant_id=run.assistant_id,
            thread_id=run.thread_id,
            input=None if saved and state["next"] else run.payload.get("input"),
            config=kwargs.get("config") or {},
            context=kwargs.get("context") or {},
            metadata={**run.metadata, "retry_of": run.run_id},
            multitask_strategy="reject",
            actor=actor,
            via=VIA,
        )
    )


async def _meant(
    request: Request,
    engine: Engine,
    access: Access,
    chosen: RunFilter,
    statuses: tuple[str, ...],
) -> list[RunLine]:
    form = await request.form()
    one = form.get("run_id")
    if isinstance(one, str) and one:
        found = await engine.inspection.runs(search=one, scope=access.scope, limit=2)
        return [line for line in found.items if line.run_id == one and line.status in statuses]
    wanted = [status for status in statuses if chosen.status in (None, status)]
    found = await engine.inspection.runs(
        graph_id=chosen.graph,
        statuses=wanted,
        since_seconds=chosen.since_seconds,
        search=chosen.search,
        scope=access.scope,
        limit=MOST_AT_ONCE,
    )
    return list(found.items)


async def _found(engine: Engine, chosen: RunFilter, access: Access, *, limit: int) -> Page[RunLine]:
    return await engine.inspection.runs(
        graph_id=chosen.graph,
        statuses=None if chosen.status is None else [chosen.status],
        since_seconds=chosen.since_seconds,
        search=chosen.search,
        scope=access.scope,
        limit=limit,
        offset=chosen.offset,
    )


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"
