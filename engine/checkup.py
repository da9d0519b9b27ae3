"""Everything that is known about the state of a server, and what of it needs an operator."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import psycopg
import psycopg_pool

from engine.errors import OverloadedError
from engine.health import check_database, measure_load
from engine.runtime import Engine

SILENT_SECONDS = 30.0
LONG_WAIT_SECONDS = 60.0
LATE_JOB_SECONDS = 60.0
PACKAGES = ("langgraph", "langgraph-checkpoint-postgres", "psycopg", "procrastinate", "fastapi")


async def examine(engine: Engine, jobs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the state of the server; `ok` is false when `problems` holds a sentence.

    Args:
        engine: the open engine.
        jobs: the process's clock, `name` and `next_at` (aware, None when paused) of each job.
    """
    report: dict[str, Any] = {
        "versions": {"holdfast": version("holdfast"), **{name: version(name) for name in PACKAGES}},
        "graphs": engine.registry.graph_ids,
        "failed_graphs": {name: str(why) for name, why in engine.registry.failures.items()},
        "clock": jobs,
        "checks": list(engine.checks.latest.values()),
        "review_watchers": engine.feed.watchers,
        "pool": dict(engine.database.pool.get_stats()),
        "database": None,
    }
    found = [
        f"graph {name!r} does not load: {why}" for name, why in report["failed_graphs"].items()
    ]
    found += [
        f"{check.name}: {problem}" for check in report["checks"] for problem in check.problems
    ]
    try:
        await check_database(engine.database)
        load = await measure_load(engine.database)
        look = engine.inspection
        report |= {
            "database": await look.server(),
            "migrations": await look.migrations(),
            "load": load,
            "workers": await look.workers(),
            "poisoned_threads": await look.poisoned(),
            "dead_messages": await engine.outbox.list("dead", limit=20),
            "outbox": await engine.outbox.counts(),
            # Kept elsewhere, it shows a log that was cut short or written anew.
            "audit_head": await _audit_head(engine),
        }
    except (OverloadedError, psycopg.Error, psycopg_pool.PoolTimeout) as error:
        return {"ok": False, "problems": [*found, str(error)], **report}
    if not load.workers:
        found.append("no worker process is alive: accepted runs wait")
    if load.longest_seconds > LONG_WAIT_SECONDS:
        found.append(f"the oldest run has waited for {load.longest_seconds:.0f} s")
    if load.messages_dead:
        found.append(f"{load.messages_dead} notifications could not be delivered")
    if report["poisoned_threads"]:
        found.append(f"{len(report['poisoned_threads'])} threads keep an answer that fails")
    now = report["database"]["now"]
    late = [
        job["name"]
        for job in jobs
        if job["next_at"] and (now - job["next_at"]).total_seconds() > LATE_JOB_SECONDS
    ]
    if late:
        found.append(f"the clock is late with {', '.join(late)}")
    return {"ok": not found, "problems": found, **report}


async def _audit_head(engine: Engine) -> dict[str, Any] | None:
    newest = await engine.audit.list(limit=1)
    return {"seq": newest[0].seq, "hash": newest[0].hash} if newest else None
