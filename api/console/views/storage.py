"""Storage and pruning: how large, what the next sweep takes, and why the rest stays."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.console.render import going, page
from api.console.views.problems import ConsoleRoute, status_of
from api.dependencies import ActorDependency, EngineDependency
from api.routes.health import JobsDependency
from checkpoint_pruner import Options, Policy, PrunerError, Report
from engine.errors import EngineError
from engine.pruning import PruneRun
from engine.runtime import Engine

router = APIRouter(prefix="/console/storage", include_in_schema=False, route_class=ConsoleRoute)

SAMPLED_DAYS = 14
SWEEPS = 20
LARGEST = 10
VIA = "console"
# How long a pause may be, in hours; None ends when somebody resumes.
PAUSES: Mapping[str, tuple[float | None, str]] = {
    "1": (1.0, "for an hour"),
    "8": (8.0, "for 8 hours"),
    "24": (24.0, "for a day"),
    "168": (168.0, "for a week"),
    "": (None, "until somebody resumes"),
}
LONGEST_WINDOW = 100_000
DAY_SECONDS = 86_400
REASONS: Mapping[str, str] = {
    "window": "among the newest of their thread",
    "recent": "younger than the policy's age",
    "nested window": "among the newest of a subgraph",
    "open gate": "a question to a person is open there",
    "pinned": "an open review or a run points at them",
    "last of its run": "where a run ended",
    "in flight": "a run may be at work on them",
    "caller not saved yet": "a subgraph's caller is still at work",
    "pending sends": "a kept one takes its tasks from them",
    "replay floor": "a kept one replays from them",
    "delta history": "values are stored as differences from them",
}


@router.get("")
async def storage(request: Request, engine: EngineDependency, jobs: JobsDependency) -> Response:
    """Show sizes, the next sweep and the last ones."""
    return await _screen(request, engine, jobs)


@router.post("/preview")
async def preview(request: Request, engine: EngineDependency, jobs: JobsDependency) -> Response:
    """Rehearse a sweep with a window, and remove nothing."""
    keep = _window(await request.form(), engine)
    report, trouble = await _sweep(engine, keep, dry_run=True)
    return await _screen(
        request, engine, jobs, keep=keep, rehearsed=report, trouble=trouble,
        status=409 if trouble else 200,
    )  # fmt: skip


@router.post("/sweep")
async def sweep_now(request: Request, engine: EngineDependency, jobs: JobsDependency) -> Response:
    """Sweep now, with the window that the schedule has."""
    keep = _window(await request.form(), engine)
    report, trouble = await _sweep(engine, keep, dry_run=False)
    if trouble or report is None:
        return await _screen(request, engine, jobs, keep=keep, trouble=trouble, status=409)
    said = f"Removed {report.total_rows:,} rows from {report.threads_pruned:,} threads"
    return going("/console/storage", said=said)


@router.post("/pause")
async def pause(
    request: Request, engine: EngineDependency, jobs: JobsDependency, actor: ActorDependency
) -> Response:
    """Let no process remove anything, for a while or until somebody resumes."""
    form = await request.form()
    reason = str(form.get("reason", ""))
    hours = PAUSES.get(str(form.get("hours", "")), (None, ""))[0]
    until = None if hours is None else datetime.now(UTC) + timedelta(hours=hours)
    try:
        paused = await engine.pruning.pause(by=actor, via=VIA, reason=reason, until=until)
    except EngineError as error:
        return await _screen(
            request, engine, jobs, trouble=str(error), status=status_of(error), reason=reason
        )
    end = f"until {paused.until:%Y-%m-%d %H:%M} UTC" if paused.until else "until somebody resumes"
    return going("/console/storage", said=f"Pruning is paused {end}")


@router.post("/resume")
async def resume(engine: EngineDependency, actor: ActorDependency) -> Response:
    """End the pause."""
    ended = await engine.pruning.resume(by=actor, via=VIA)
    said = "Pruning goes on" if ended else "Pruning was not paused"
    return going("/console/storage", said=said)


async def _sweep(engine: Engine, keep: int, *, dry_run: bool) -> tuple[Report | None, str | None]:
    policy = engine.pruning.policy
    if policy is None or policy.keep_last != keep:
        policy = Policy(keep_last=keep)
    try:
        report = await engine.pruning.sweep(
            policy, trigger="console", options=Options(dry_run=dry_run, full=True)
        )
    except (EngineError, PrunerError, psycopg.Error) as error:
        return None, str(error).strip()
    if report is None:
        return None, "another pruner is at work on this database; try again later"
    return report, None


async def _screen(
    request: Request,
    engine: Engine,
    jobs: Sequence[Mapping[str, Any]],
    *,
    keep: int | None = None,
    rehearsed: Report | None = None,
    trouble: str | None = None,
    status: int = 200,
    reason: str = "",
) -> Response:
    tables = await engine.inspection.tables()
    runs = await engine.pruning.runs(limit=SWEEPS)
    samples = await engine.pruning.samples(days=SAMPLED_DAYS)
    series = _series(samples, runs, tables)
    next_job = next((job for job in jobs if job["name"] == "prune"), None)
    return page(
        request,
        "storage.html",
        screen="storage",
        status=status,
        tables=tables,
        total=sum(table.total_bytes for table in tables),
        live=sum(table.live_rows for table in tables),
        dead=sum(table.dead_rows for table in tables),
        series=series,
        growth=_growth(series),
        saved=series["saved"],
        runs=runs,
        policy=engine.pruning.policy,
        keep=keep or engine.options.prune_keep_last or 20,
        rehearsed=rehearsed,
        reasons=REASONS,
        next_at=next_job["next_at"] if next_job else None,
        trouble=trouble,
        paused=await engine.pruning.pause_state(),
        pauses=PAUSES,
        reason=reason,
        largest=await engine.inspection.largest_threads(limit=LARGEST)
        if request.query_params.get("largest")
        else None,
    )


def _series(
    samples: Sequence[Mapping[str, Any]], runs: Sequence[PruneRun], tables: Sequence[Any]
) -> dict[str, Any]:
    """Return what the chart draws: size, its dead part, and the size had nothing been removed."""
    moments: dict[datetime, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in samples:
        whole = row["table_bytes"] + row["toast_bytes"] + row["index_bytes"]
        rows = row["live_rows"] + row["dead_rows"]
        point = moments[row["sampled_at"]]
        point["size"] += whole
        point["dead"] += whole * row["dead_rows"] / rows if rows else 0
        point["removed"] += row["pruned_bytes"]
    ordered = sorted(moments.items())
    if ordered:  # the tables as they are now end the line
        latest = ordered[-1][1]
        whole = sum(table.total_bytes for table in tables)
        rows = sum(table.live_rows + table.dead_rows for table in tables)
        dead = sum(table.dead_rows for table in tables)
        now = {
            "size": float(whole),
            "dead": whole * dead / rows if rows else 0.0,
            "removed": latest["removed"],
        }
        ordered.append((datetime.now(UTC), defaultdict(float, now)))
    start = ordered[0][1]["removed"] if ordered else 0.0
    return {
        "at": [moment.timestamp() for moment, _ in ordered],
        "size": [point["size"] for _, point in ordered],
        "dead": [point["dead"] for _, point in ordered],
        "unpruned": [point["size"] + point["removed"] - start for _, point in ordered],
        "sweeps": [
            run.started_at.timestamp()
            for run in runs
            if run.outcome == "ok" and not run.dry_run and run.report.get("total_rows")
        ],
        "saved": ordered[-1][1]["removed"] if ordered else 0.0,
        "now": sum(table.total_bytes for table in tables),
    }


def _growth(series: Mapping[str, Any]) -> float | None:
    """Return how much a day would add without pruning, in bytes; None before there is a day."""
    at, sizes = series["at"], series["unpruned"]
    if len(at) < 2 or at[-1] - at[0] < DAY_SECONDS / 4:
        return None
    return float((sizes[-1] - sizes[0]) / (at[-1] - at[0]) * DAY_SECONDS)


def _window(form: Mapping[str, Any], engine: Engine) -> int:
    text = str(form.get("keep", ""))
    if text.isdecimal() and 0 < int(text) <= LONGEST_WINDOW:
        return int(text)
    return engine.options.prune_keep_last or 20
