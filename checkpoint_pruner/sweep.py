"""The sweep: finds threads that hold garbage and removes it in short transactions."""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg import Connection

from checkpoint_pruner.batch import BUSY, Batch, Protect, delete_blobs
from checkpoint_pruner.candidates import (
    WAITING_REASONS,
    find_candidates,
    find_idle,
    next_watermark,
    nothing_new,
)
from checkpoint_pruner.delta import DeltaSnapshotter
from checkpoint_pruner.drift import check_schema
from checkpoint_pruner.errors import SweepStoppedError
from checkpoint_pruner.expiry import Expiry
from checkpoint_pruner.policy import Pin, Policy
from checkpoint_pruner.probe import LatencyProbe
from checkpoint_pruner.report import TABLES, Report, Vacuum, Watermark
from checkpoint_pruner.session import (
    Options,
    ServerState,
    become_the_one_pruner,
    connect,
    read_state,
)
from checkpoint_pruner.statements import statement
from checkpoint_pruner.tally import Tally
from checkpoint_pruner.throttle import Pacer
from checkpoint_pruner.upkeep import STORE_BATCH, forget_tombstones, sweep_store
from checkpoint_pruner.vacuum import read_sizes, vacuum_tables
from checkpoint_pruner.workload import Work, Workload

_MOST_SLICES = 20  # each slice plans the whole thread anew
_UNSLICED_ROWS = 2_000  # such a thread takes one transaction, however small those of others are
_EXPIRED_AT_ONCE = 100
_RETRYABLE = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.QueryCanceled,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a sweep has come."""

    threads_done: int
    """Threads worked off."""
    threads_total: int
    """Threads found to look at."""
    rows: int
    """Rows removed so far."""
    bytes: int
    """Stored bytes removed so far."""


def sweep(
    conninfo: str,
    policy: Policy | None = None,
    threads: Iterable[str] | None = None,
    pins: Iterable[Pin | tuple[str, str, str]] = (),
    dry_run: bool = False,
    *,
    candidates: Iterable[str] | None = None,
    skip_threads: Collection[str] = (),
    protect: Protect | None = None,
    snapshotter: DeltaSnapshotter | None = None,
    watermark: Watermark | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    pause: Callable[[float], object] = time.sleep,
    options: Options | None = None,
    **changes: Any,
) -> Report:
    """Remove the checkpoints that a policy does not keep, with their writes and values.

    Safe beside live writers and idempotent: a second sweep removes nothing.

    Args:
        conninfo: Connection string of a database with LangGraph's checkpoint tables.
        policy: What stays; `Policy()` keeps the last 20 checkpoints of each thread.
        threads: Only these threads, orphans included; None finds those that hold garbage.
        pins: `(thread_id, checkpoint_ns, checkpoint_id)` of checkpoints that stay regardless.
        dry_run: Count what would go and remove nothing.
        candidates: Threads known to have been written to; spares the search for them.
        skip_threads: Threads to leave alone and to report as busy.
        protect: Asked for busy threads and pins before each batch, inside its transaction.
        snapshotter: Rebuilds DeltaChannel values so that their history may go.
        watermark: `Report.watermark` of the last sweep: nothing written since, nothing to do.
        on_progress: Called after each transaction. It and `protect` may raise `SweepStoppedError`.
        pause: Waits for so many seconds; a server gives one that its shutdown interrupts.
        options: How to work; fields of `Options` may also be given as keyword arguments.
        **changes: Fields of `Options`.

    Raises:
        AlreadyRunningError: Another pruner is at work on this database.
        SchemaDriftError: The tables are not the ones this release knows.
        psycopg.Error: The database failed in a way that no smaller batch would cure.
    """
    chosen = replace(options or Options(), **changes)
    if dry_run:
        chosen = replace(chosen, dry_run=True)
    with connect(conninfo, chosen) as connection:
        return _Sweep(
            connection=connection,
            conninfo=conninfo,
            policy=policy or Policy(),
            options=chosen,
            pins=tuple(Pin(*pin) for pin in pins),
            skip=frozenset(skip_threads),
            protect=protect,
            snapshotter=snapshotter,
            on_progress=on_progress,
            pause=pause,
        ).run(
            threads=None if threads is None else sorted(set(threads)),
            candidates=None if candidates is None else sorted(set(candidates)),
            watermark=watermark,
        )


class Pruner:
    """Sweeps one database again and again and remembers when nothing was written in between."""

    def __init__(self, conninfo: str, policy: Policy | None = None, **settings: Any) -> None:
        """Keep the arguments of `checkpoint_pruner.sweep` for every call of `sweep`."""
        self._conninfo = conninfo
        self._policy = policy
        self._watermark: Watermark | None = settings.pop("watermark", None)
        self._settings = settings

    def sweep(self, **changes: Any) -> Report:
        """Run one sweep; a few milliseconds when nothing was written since the last one."""
        settings = {"watermark": self._watermark} | self._settings | changes
        report = sweep(self._conninfo, self._policy, **settings)
        self._watermark = report.watermark
        return report


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sweep:
    """One sweep on one connection."""

    connection: Connection[Any]
    conninfo: str
    policy: Policy
    options: Options
    pins: tuple[Pin, ...]
    skip: frozenset[str]
    protect: Protect | None
    snapshotter: DeltaSnapshotter | None
    on_progress: Callable[[Progress], object] | None
    pause: Callable[[float], object]
    tally: Tally = field(default_factory=Tally)
    deferred: deque[tuple[float, Work]] = field(default_factory=deque)

    def run(
        self,
        *,
        threads: list[str] | None,
        candidates: list[str] | None,
        watermark: Watermark | None,
    ) -> Report:
        """Sweep and report."""
        began = time.monotonic()
        state = read_state(self.connection)
        everywhere = threads is None and candidates is None
        unchanged = everywhere and not self.options.full
        if unchanged and nothing_new(watermark, self.policy, state):
            if self.options.store and not self.options.dry_run:
                unpaced = Pacer(None, None, rows=STORE_BATCH, pause=self.pause)
                sweep_store(self.connection, self.tally, unpaced)
            return self._report(state, began, paused=0.0, watermark=watermark)
        become_the_one_pruner(self.connection, self.options.advisory_key)
        check_schema(self.connection)
        with self._pacer() as pacer:
            try:
                self._expire(threads, state, pacer)
                found = threads if threads is not None else candidates
                if found is None:
                    found = find_candidates(
                        self.connection,
                        self.policy,
                        state,
                        watermark=watermark,
                        full=self.options.full,
                    )
                self._work_off(found, state, pacer, collect_all=threads is not None)
                if self.options.store and threads is None and not self.options.dry_run:
                    sweep_store(self.connection, self.tally, pacer)
                if self.options.full and not self.options.dry_run:
                    forget_tombstones(self.connection)
            except SweepStoppedError as stop:
                self.tally.stopped = str(stop)
            paused = pacer.paused_seconds
        following = self._next_watermark(state) if everywhere else None
        return self._report(state, began, paused=paused, watermark=following)

    @contextmanager
    def _pacer(self) -> Iterator[Pacer]:
        with ExitStack() as stack:
            throttle = None if self.options.dry_run else self.options.throttle
            probe = stack.enter_context(LatencyProbe(self.conninfo)) if throttle else None
            yield Pacer(throttle, probe, rows=self.options.batch_rows, pause=self.pause)

    def _work_off(
        self, thread_ids: list[str], state: ServerState, pacer: Pacer, *, collect_all: bool
    ) -> None:
        self.tally.skipped.update((t, BUSY) for t in self.skip.intersection(thread_ids))
        expired = frozenset(self.tally.expired)
        workload = Workload(
            self.connection,
            (t for t in thread_ids if t not in self.skip and t not in expired),
            most_threads=self.options.batch_threads,
        )
        template = Batch(
            thread_ids=(),
            policy=self.policy,
            now=state.now,
            pins=self.pins,
            protect=self.protect,
            snapshotter=self.snapshotter,
            collapse_deltas=self.options.collapse_deltas,
            collect_all=collect_all or self.options.full,
            guarded=state.guarded,
            blobs=state.guarded or not self.policy.blob_grace,
        )
        while workload:
            work = workload.take(pacer.rows)
            try:
                self._carry_out(work, template, pacer)
            except _RETRYABLE as error:
                self.tally.retries += 1
                pacer.failed()
                if not workload.give_back(work):
                    self.tally.fail(work.thread_ids, error)
                continue
            self.tally.seen += len(work.thread_ids)
            self._tell(workload.threads)
            self._collect_deferred(pacer)
        while self.deferred:
            self._await_grace()
            self._collect_deferred(pacer)

    def _carry_out(self, work: Work, template: Batch, pacer: Pacer) -> None:
        batch = replace(template, thread_ids=work.thread_ids)
        if self.options.dry_run:
            self.tally.add(batch.count(self.connection))
        elif len(work.thread_ids) == 1 and work.rows > self._whole(pacer):
            self._carry_out_slices(work, batch, pacer)
        else:
            with pacer.transaction(work.rows):
                outcome = batch.run(self.connection)
                self.tally.add(outcome)
                if not batch.blobs:
                    self._defer(work)

    def _carry_out_slices(self, work: Work, batch: Batch, pacer: Pacer) -> None:
        """Work one huge thread off from its newest rows to its oldest, a transaction per slice.

        Newest first, so that a subgraph call never outlives the checkpoint it was called from.
        """
        (thread_id,) = work.thread_ids
        parameters = {"thread_id": thread_id, "rows": max(pacer.rows, work.rows // _MOST_SLICES)}
        lowest = [r[0] for r in self.connection.execute(statement("split_thread"), parameters)]
        for eligible_from in (*lowest, ""):
            with pacer.transaction():
                slice_ = replace(batch, eligible_from=eligible_from, blobs=False)
                outcome = slice_.run(self.connection)
                if eligible_from:
                    outcome.kept.clear()  # counted once, with the last slice
                self.tally.add(outcome)
        if batch.blobs:
            self._collect_blobs(work, pacer)
        else:
            self._defer(work)

    def _collect_blobs(self, work: Work, pacer: Pacer) -> None:
        """Delete values that nothing names in transactions of bounded size."""
        for thread_id in self._settled(work):
            limit = max(pacer.rows, work.rows // _MOST_SLICES, 1)
            removed = limit
            while removed >= limit:
                with pacer.transaction():
                    parameters = {"thread_id": thread_id, "limit": limit}
                    rows = self.connection.execute(statement("delete_some_blobs"), parameters)
                    removed, size = rows.fetchone() or (0, 0)
                if removed:
                    self.tally.remove("checkpoint_blobs", thread_id, removed, size)
                self.tally.batches += 1

    def _whole(self, pacer: Pacer) -> int:
        """Return how many checkpoints of one thread still make one transaction."""
        return max(pacer.rows, min(_UNSLICED_ROWS, self.options.batch_rows))

    def _settled(self, work: Work) -> list[str]:
        return [t for t in work.thread_ids if t not in self.tally.waiting]

    def _defer(self, work: Work) -> None:
        self.deferred.append((time.monotonic(), work))

    def _collect_deferred(self, pacer: Pacer) -> None:
        """Delete the values of checkpoints that went at least the grace ago."""
        grace = self.policy.blob_grace.total_seconds()
        while self.deferred and time.monotonic() - self.deferred[0][0] >= grace:
            _, work = self.deferred.popleft()
            try:
                if work.rows > self._whole(pacer):
                    self._collect_blobs(work, pacer)
                    continue
                with pacer.transaction(work.rows):
                    removed = delete_blobs(self.connection, self._settled(work))
                for thread_id, count, size in removed:
                    self.tally.remove("checkpoint_blobs", thread_id, count, size)
                self.tally.batches += 1
            except _RETRYABLE as error:
                self.tally.retries += 1
                self.tally.fail(work.thread_ids, error)

    def _await_grace(self) -> None:
        deleted_at, _ = self.deferred[0]
        rest = self.policy.blob_grace.total_seconds() - (time.monotonic() - deleted_at)
        if rest > 0:
            self.pause(rest)

    def _expire(self, threads: list[str] | None, state: ServerState, pacer: Pacer) -> None:
        idle = find_idle(self.connection, self.policy, state)
        if threads is not None:
            idle = sorted(set(idle).intersection(threads))
        limits = {t: self.policy.of(t).expire_after for t in idle if t not in self.skip}
        expiring = [t for t, limit in limits.items() if limit is not None]
        for start in range(0, len(expiring), _EXPIRED_AT_ONCE):
            batch = Expiry(
                thread_ids=expiring[start : start + _EXPIRED_AT_ONCE],
                policy=self.policy,
                now=state.now,
                pins=self.pins,
                protect=self.protect,
                dry_run=self.options.dry_run,
            )
            try:
                with pacer.transaction():
                    outcome = batch.run(self.connection)
            except _RETRYABLE as error:
                self.tally.retries += 1
                self.tally.fail(batch.thread_ids, error)
                continue
            self.tally.add(outcome)
            self.tally.expired += sorted(outcome.removed.get("checkpoints", ()))

    def _tell(self, total: int) -> None:
        if self.on_progress is not None:
            self.on_progress(
                Progress(
                    threads_done=self.tally.seen,
                    threads_total=total,
                    rows=sum(self.tally.rows.values()),
                    bytes=sum(self.tally.bytes.values()),
                )
            )

    def _next_watermark(self, state: ServerState) -> Watermark | None:
        undone = self.tally.errors or self.tally.stopped or BUSY in self.tally.skipped.values()
        if undone or self.options.dry_run:
            return None
        in_time = any(reason in self.tally.kept for reason in WAITING_REASONS)
        return next_watermark(
            self.policy,
            state,
            waiting=in_time or bool(self.tally.waiting),
            threads=tuple(sorted(self.tally.waiting)),
        )

    def _report(
        self, state: ServerState, began: float, *, paused: float, watermark: Watermark | None
    ) -> Report:
        removed = bool(self.tally.rows) and not self.options.dry_run
        vacuums: tuple[Vacuum, ...] = ()
        if self.options.vacuum or (removed and self.options.vacuum is None):
            vacuums = vacuum_tables(
                self.connection,
                force=bool(self.options.vacuum),
                gently=self.options.throttle is not None,
            )
        return Report(
            started_at=state.now,
            duration_seconds=time.monotonic() - began,
            dry_run=self.options.dry_run,
            policy=self.policy.describe(),
            guarded=state.guarded,
            threads_seen=self.tally.seen,
            threads_pruned=len(self.tally.pruned),
            threads_expired=tuple(self.tally.expired),
            rows={table: self.tally.rows[table] for table in TABLES},
            bytes={table: self.tally.bytes[table] for table in TABLES},
            kept=dict(self.tally.kept),
            skipped=self.tally.skipped,
            errors=self.tally.errors,
            waiting=tuple(sorted(self.tally.waiting)),
            stopped=self.tally.stopped,
            snapshots=self.tally.snapshots,
            batches=self.tally.batches,
            retries=self.tally.retries,
            paused_seconds=paused,
            store_rows=self.tally.store_rows,
            vacuums=vacuums,
            sizes=read_sizes(self.connection) if removed else (),
            watermark=watermark,
        )
