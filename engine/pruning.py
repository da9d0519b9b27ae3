"""The pruner at work for the engine: what it may not touch, when it sweeps, what it did."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from prometheus_client import Counter
from psycopg.rows import dict_row

from checkpoint_pruner import (
    AlreadyRunningError,
    Options,
    Pin,
    Policy,
    Progress,
    Protection,
    PrunerError,
    Report,
    SweepStoppedError,
    Throttle,
    Watermark,
    sweep,
)
from engine.audit import Audit
from engine.database import Database, statement
from engine.delta_snapshots import DeltaSnapshots
from engine.errors import ConflictError, InvalidValueError, PruningPausedError
from engine.registry import Graph, Registry
from engine.threads import Threads
from engine.values import jsonb

log = logging.getLogger(__name__)

Trigger = Literal["schedule", "nightly", "command", "api", "console", "ttl"]

DIRTY_BATCH = 20_000
EXPIRED_BATCH = 1_000
HISTORY_KEPT_DAYS = 90

pruned_rows = Counter("holdfast_pruned_rows_total", "Rows the pruner removed", ["table"])
pruned_bytes = Counter("holdfast_pruned_bytes_total", "Stored bytes the pruner removed", ["table"])
sweeps = Counter("holdfast_prune_sweeps_total", "Sweeps of the pruner", ["trigger", "outcome"])


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunePause:
    """Somebody's word that nothing is to be removed for a while, in any process.

    Attributes:
        paused_by: the person or program that said so.
        reason: why, in words.
        until: when it ends by itself; None: when somebody resumes.
    """

    paused_by: str
    reason: str
    paused_at: datetime
    until: datetime | None

    def __str__(self) -> str:
        """Return a sentence for people."""
        end = f" until {self.until:%Y-%m-%d %H:%M} UTC" if self.until else ""
        since = f"{self.paused_at:%Y-%m-%d %H:%M} UTC"
        return f"pruning was paused by {self.paused_by} at {since}{end}: {self.reason}"

    def error(self) -> PruningPausedError:
        """Return what is raised where pruning was asked for in spite of it."""
        return PruningPausedError(
            f"{self}; resume it first",
            paused_by=self.paused_by,
            reason=self.reason,
            paused_at=self.paused_at.isoformat(),
            until=self.until.isoformat() if self.until else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRun:
    """A sweep that was done.

    Attributes:
        outcome: `ok`, `skipped` (another pruner was at work) or `failed`.
        policy: what was kept and why, in sentences.
        report: `checkpoint_pruner.Report` as JSON, or what went wrong.
    """

    prune_run_id: int
    trigger: Trigger
    dry_run: bool
    outcome: str
    policy: Sequence[str]
    report: Mapping[str, Any]
    started_at: datetime
    duration_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """Sweeps the checkpoint tables of the engine's database.

    Attributes:
        policy: what scheduled sweeps keep; None sweeps only when asked to.
    """

    database: Database
    threads: Threads
    registry: Registry
    audit: Audit
    policy: Policy | None = field(default_factory=Policy)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Let a sweep that is under way end after its present transaction."""
        self._stopping.set()

    async def pause(
        self, *, by: str, via: str, reason: str, until: datetime | None = None
    ) -> PrunePause:
        """Let no process remove anything on its own account, from now on; audited.

        A sweep under way ends after its present transaction. Said again, it replaces what was said.

        Args:
            by: who says so.
            via: the way it came: console, api, command.
            reason: why, in words; not empty.
            until: aware; None until `resume`.

        Raises:
            InvalidValueError: no reason, or an end that is over.
        """
        if not reason.strip():
            raise InvalidValueError("/reason", "a text that says why", reason)
        if until is not None and until <= datetime.now(UTC):
            raise InvalidValueError("/until", "a moment to come", until.isoformat())
        async with self.database.transaction() as connection:
            cursor = await connection.execute(
                statement("pause_pruning"),
                {
                    "tenant": self.database.tenant,
                    "paused_by": by,
                    "reason": reason.strip(),
                    "until": until,
                },
            )
            (row,) = await cursor.fetchall()
            pause = PrunePause(**row)
            await self.audit.append(
                connection,
                actor=by,
                via=via,
                action="pruning.paused",
                details={
                    "reason": pause.reason,
                    "until": pause.until.isoformat() if pause.until else None,
                },
            )
        return pause

    async def resume(self, *, by: str, via: str) -> PrunePause | None:
        """End the pause; audited. Returns the pause that ended, None when there was none."""
        async with self.database.transaction() as connection:
            cursor = await connection.execute(
                statement("resume_pruning"), {"tenant": self.database.tenant}
            )
            row = await cursor.fetchone()
            if row is None:
                return None
            pause = PrunePause(**row)
            await self.audit.append(
                connection,
                actor=by,
                via=via,
                action="pruning.resumed",
                details={"paused_by": pause.paused_by, "paused_at": pause.paused_at.isoformat()},
            )
        return pause

    async def pause_state(self) -> PrunePause | None:
        """Return the pause that is in force, None when pruning goes on."""
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(
                statement("read_prune_pause"), {"tenant": self.database.tenant}
            )
            row = await cursor.fetchone()
        return PrunePause(**row) if row else None

    async def check_not_paused(self) -> None:
        """Do nothing when pruning goes on.

        Raises:
            PruningPausedError: it is paused.
        """
        pause = await self.pause_state()
        if pause is not None:
            raise pause.error()

    async def sweep_dirty(self) -> Report | None:
        """Sweep the threads that were written to since the last time; None when there are none.

        Neither this nor the other scheduled work does anything while pruning is paused.
        """
        if self.policy is None or await self.pause_state() is not None:
            return None
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(
                statement("list_dirty_threads"),
                {"tenant": self.database.tenant, "limit": DIRTY_BATCH},
            )
            rows = await cursor.fetchall()
        if not rows:
            return None
        report = await self.sweep(
            self.policy,
            trigger="schedule",
            candidates=[row["thread_id"] for row in rows],
            options=Options(throttle=Throttle()),
        )
        if report is None or report.stopped:
            return None
        undone = {*report.skipped, *report.errors, *report.waiting}
        swept = [row for row in rows if row["thread_id"] not in undone]
        async with self.database.transaction() as connection:
            await connection.execute(
                statement("forget_dirty_threads"),
                {
                    "tenant": self.database.tenant,
                    "thread_ids": [row["thread_id"] for row in swept],
                    "touched_ats": [row["touched_at"] for row in swept],
                },
            )
        return report

    async def sweep_everything(self, *, trigger: Trigger = "nightly") -> Report | None:
        """Look at every thread and remove orphans as well."""
        if self.policy is None or await self.pause_state() is not None:
            return None
        return await self.sweep(
            self.policy, trigger=trigger, options=Options(full=True, throttle=Throttle())
        )

    async def thin(
        self, thread_ids: Sequence[str], *, keep: int, dry_run: bool = False, trigger: Trigger
    ) -> dict[str, Any]:
        """Keep the newest checkpoints of some threads, and what those need.

        Raises:
            ConflictError: another pruner is at work, or pruning is paused.
        """
        report = await self.sweep(
            Policy(keep_last=keep),
            trigger=trigger,
            threads=thread_ids,
            options=Options(dry_run=dry_run, store=False),
        )
        if report is None:
            raise ConflictError("another pruner is at work on this database; try again later")
        return _as_json(report)

    async def expire(self, limit: int = EXPIRED_BATCH) -> int:
        """See to the threads whose time to live is over, `limit` at the most; returns how many."""
        if await self.pause_state() is not None:
            return 0
        due = await self.threads.expired(limit=limit)
        for thread_id, strategy in due:
            if strategy == "delete":
                await self.threads.delete_expired(thread_id)
        thinned = [thread_id for thread_id, strategy in due if strategy == "keep_latest"]
        if thinned:
            await self.thin(thinned, keep=1, trigger="ttl")
            await self.threads.renew(thinned)
        return len(due)

    async def sweep(
        self,
        policy: Policy,
        *,
        trigger: Trigger,
        threads: Sequence[str] | None = None,
        candidates: Sequence[str] | None = None,
        pins: Sequence[Pin] = (),
        skip_threads: Sequence[str] = (),
        options: Options,
        watermark: Watermark | None = None,
        on_progress: Callable[[Progress], object] | None = None,
        force: bool = False,
    ) -> Report | None:
        """Sweep once, in a thread of its own, and write down what came of it.

        Arguments are those of `checkpoint_pruner.sweep`; threads at work are left alone, and what
        questions and waiting runs need is pinned besides. With `force` a pause of pruning is
        disregarded; a dry run, which removes nothing, disregards it anyway.

        Returns:
            The report, or None when another pruner is at work.

        Raises:
            PruningPausedError: pruning is paused. A sweep under way ends with `Report.stopped`.
            checkpoint_pruner.PrunerError: the tables are not the ones it knows.
            psycopg.Error: the database failed.
        """
        heeds_pause = not (force or options.dry_run)
        if heeds_pause:
            await self.check_not_paused()
        began = time.monotonic()
        outcome, told = "failed", {"error": "stopped"}
        report: Report | None = None
        try:
            async with AsyncExitStack() as stack:
                graphs = {
                    graph_id: await stack.enter_async_context(
                        self.registry.graph(graph_id, access="threads.read")
                    )
                    for graph_id in self.registry.graph_ids
                }
                report = await asyncio.to_thread(
                    self._sweep,
                    graphs,
                    policy,
                    threads=threads,
                    candidates=candidates,
                    pins=pins,
                    skip_threads=skip_threads,
                    options=options,
                    watermark=watermark,
                    on_progress=partial(self._on_progress, on_progress),
                    protect=partial(self._protect, heeds_pause),
                )
            outcome, told = "ok", _as_json(report)
        except AlreadyRunningError as error:
            outcome, told = "skipped", {"error": str(error)}
        except (PrunerError, psycopg.Error) as error:
            told = {"error": str(error).strip()}
            raise
        finally:
            sweeps.labels(trigger, outcome).inc()
            # Every process has a clock; that another one sweeps already is no news.
            if outcome != "skipped" or trigger not in ("schedule", "nightly"):
                await self._record(policy, trigger, options.dry_run, outcome, told, began)
        if report is not None and not report.dry_run:
            for table, rows in report.rows.items():
                pruned_rows.labels(table).inc(rows)
                pruned_bytes.labels(table).inc(report.bytes[table])
            if report.total_rows:
                await self.sample()
        return report

    async def runs(self, *, limit: int = 50) -> list[PruneRun]:
        """Return the last sweeps, newest first."""
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(
                statement("list_prune_runs"), {"tenant": self.database.tenant, "limit": limit}
            )
            return [PruneRun(**row) for row in await cursor.fetchall()]

    async def sample(self, *, at_least_seconds: float = 0.0) -> None:
        """Write down the sizes of the checkpoint tables; forget old ones and old sweeps.

        Does nothing when the last sample of any process is younger than `at_least_seconds`.
        """
        async with self.database.transaction() as connection:
            await connection.execute(
                statement("sample_storage"),
                {"tenant": self.database.tenant, "at_least_seconds": at_least_seconds},
            )
            kept = {"tenant": self.database.tenant, "days": HISTORY_KEPT_DAYS}
            await connection.execute(statement("delete_old_prune_runs"), kept)
            await connection.execute(statement("delete_old_storage_samples"), kept)

    async def samples(self, *, days: int = 30) -> list[dict[str, Any]]:
        """Return the sizes of the last days, oldest first, one row per table and moment."""
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(
                statement("list_storage_samples"),
                {"tenant": self.database.tenant, "days": days},
            )
            return await cursor.fetchall()

    def _sweep(self, graphs: Mapping[str, Graph], policy: Policy, **settings: Any) -> Report:
        """Sweep on this thread, with a connection for the values of DeltaChannels."""
        with psycopg.connect(
            self.database.conninfo, autocommit=True, row_factory=dict_row
        ) as connection:

            def graph_of(graph_id: str | None, thread_id: str) -> Graph | None:
                if graph_id is None:
                    names = {"tenant": self.database.tenant, "thread_id": thread_id}
                    row = connection.execute(statement("read_graph_of_thread"), names).fetchone()
                    graph_id = row["graph_id"] if row else None
                return graphs.get(graph_id) if graph_id else None

            saver = PostgresSaver(connection, serde=self.registry.serializer())
            return sweep(
                self.database.conninfo,
                policy,
                snapshotter=DeltaSnapshots(graph_of, saver),
                pause=self._stopping.wait,
                **settings,
            )

    def _protect(
        self, heeds_pause: bool, connection: psycopg.Connection[Any], thread_ids: Sequence[str]
    ) -> Protection:
        """Say, inside the transaction of a batch, what it may not touch."""
        if heeds_pause:
            row = connection.execute(
                statement("read_prune_pause"), {"tenant": self.database.tenant}
            ).fetchone()
            if row is not None:
                paused_by, reason, paused_at, until = row
                pause = PrunePause(
                    paused_by=paused_by, reason=reason, paused_at=paused_at, until=until
                )
                raise SweepStoppedError(str(pause))
        given = {"thread_ids": list(thread_ids)}
        busy = connection.execute(statement("list_busy_threads"), given).fetchall()
        pins = connection.execute(statement("list_pins"), given).fetchall()
        return Protection(
            busy=[thread_id for (thread_id,) in busy], pins=[Pin(*row) for row in pins]
        )

    def _on_progress(self, told: Callable[[Progress], object] | None, progress: Progress) -> None:
        if self._stopping.is_set():
            raise SweepStoppedError("the process ends")
        if told is not None:
            told(progress)

    async def _record(
        self,
        policy: Policy,
        trigger: Trigger,
        dry_run: bool,
        outcome: str,
        told: Mapping[str, Any],
        began: float,
    ) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(
                statement("insert_prune_run"),
                {
                    "tenant": self.database.tenant,
                    "trigger": trigger,
                    "dry_run": dry_run,
                    "outcome": outcome,
                    "policy": jsonb(list(policy.describe())),
                    "report": jsonb(told),
                    "duration_seconds": time.monotonic() - began,
                },
            )


def _as_json(report: Report) -> dict[str, Any]:
    document = report.to_dict()
    del document["watermark"]  # for the next sweep of the same process, not for people
    return document
