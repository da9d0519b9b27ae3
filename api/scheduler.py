"""The clock of a process: APScheduler, for schedules and for upkeep.

Every process has one and nothing is lost without it: what is due stands in the database, and
whichever process looks first does it. A job that took too long is not caught up with, it is done
once; two of a kind never overlap.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from api.settings import Settings
from engine.checks import CHECK_SECONDS
from engine.runtime import Engine

log = logging.getLogger(__name__)

CRON_SECONDS = 1.0
SAMPLE_SECONDS = 600.0
SWEEP_MINUTES = 5.0
PRUNE_JITTER = 0.1  # of the interval
NIGHTLY_HOUR_UTC = 3
NIGHTLY_JITTER_SECONDS = 900

Work = Callable[[], Awaitable[object]]


@asynccontextmanager
async def open_scheduler(engine: Engine, settings: Settings) -> AsyncIterator[AsyncIOScheduler]:
    """Start the clock, and stop it at the end; a job that is under way is cancelled then."""
    scheduler = AsyncIOScheduler(
        timezone="UTC",
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )

    def every(
        seconds: float, name: str, work: Work, *, jitter: float = 0.0, **settings: Any
    ) -> None:
        trigger = IntervalTrigger(seconds=seconds, jitter=jitter or None)
        scheduler.add_job(_survived(name, work), trigger, id=name, **settings)

    project = engine.project
    thread_ttl = project.checkpointer.ttl if project.checkpointer else None
    store_ttl = project.store.ttl if project.store else None
    every(CRON_SECONDS, "crons", engine.crons.fire_due)
    every(
        _minutes(thread_ttl.sweep_interval_minutes if thread_ttl else None),
        "expired threads",
        partial(engine.pruning.expire, thread_ttl.sweep_limit)
        if thread_ttl and thread_ttl.sweep_limit
        else engine.pruning.expire,
    )
    every(
        _minutes(store_ttl.sweep_interval_minutes if store_ttl else None),
        "expired items",
        engine.items.sweep,
    )
    every(
        SAMPLE_SECONDS,
        "storage sample",
        # All processes have this clock: a sample is due when none was taken for most of the time.
        partial(engine.pruning.sample, at_least_seconds=SAMPLE_SECONDS / 2),
        next_run_time=datetime.now(UTC),
    )
    if project.holdfast.checks:
        every(CHECK_SECONDS, "checks", engine.checks.run, next_run_time=datetime.now(UTC))
    if settings.prune_interval_seconds and settings.prune_keep_last is not None:
        every(
            settings.prune_interval_seconds,
            "prune",
            engine.pruning.sweep_dirty,
            # So that the clocks of many processes do not all come for the one lock at once.
            jitter=settings.prune_interval_seconds * PRUNE_JITTER,
        )
        scheduler.add_job(
            _survived("nightly prune", engine.pruning.sweep_everything),
            CronTrigger(hour=NIGHTLY_HOUR_UTC, jitter=NIGHTLY_JITTER_SECONDS, timezone="UTC"),
            id="nightly prune",
        )
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    scheduler.start()
    try:
        yield scheduler
    finally:
        engine.pruning.stop()
        scheduler.shutdown(wait=False)


def _minutes(configured: float | None) -> float:
    return (configured or SWEEP_MINUTES) * 60


def _survived(name: str, work: Work) -> Work:
    async def job() -> None:
        try:
            await work()
        except Exception:
            log.exception("job_failed", extra={"job": name})
        except asyncio.CancelledError:
            # The server stops. APScheduler would tell of it as of an error.
            log.info("job_stopped", extra={"job": name})

    return job
