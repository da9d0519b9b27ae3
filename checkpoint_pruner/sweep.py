"""The sweep: finds threads that hold garbage and removes it in short transactions."""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import psycopg
from psycopg import Connection

from checkpoint_pruner.batch import BUSY, Batch, Expiry, Outcome, Protect, delete_blobs
from checkpoint_pruner.candidates import (
    WAITING_REASONS,
    find_candidates,
    find_idle,
    next_watermark,
    nothing_new,
)
from checkpoint_pruner.delta import DeltaSnapshotter
from checkpoint_pruner.drift import check_schema
from checkpoint_pruner.policy import Pin, Policy
from checkpoint_pruner.report import TABLES, Report, Tally, Vacuum, Watermark
from checkpoint_pruner.session import (
    Options,
    ServerState,
    become_the_one_pruner,
    connect,
    read_state,
)
from checkpoint_pruner.statements import statement
from checkpoint_pruner.throttle import LatencyProbe, Pacer
from checkpoint_pruner.vacuum import read_sizes, vacuum_tables

_ATTEMPTS = 3  # of one thread alone, before it is reported and left
_COUNTED_AHEAD = 2_000  # threads whose lengths are read at once
_MOST_SLICES = 20  # each slice plans the whole thread anew
_EXPIRED_AT_ONCE = 100
_STORE_BATCH = 1_000
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
        on_progress: Called after each transaction.
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
class _Work:
    """Threads to be worked off in one transaction, or one huge thread in several."""

    thread_ids: tuple[str, ...]
    rows: int
    attempts: int = 0

    def halves(self) -> tuple["_Work", "_Work"]:
        """Return two smaller pieces of the same work."""
        middle = len(self.thread_ids) // 2
        return (
            replace(self, thread_ids=self.thread_ids[:middle], rows=self.rows // 2),
            replace(self, thread_ids=self.thread_ids[middle:], rows=self.rows - self.rows // 2),
        )


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
    queue: deque[_Work] = field(default_factory=deque)
    deferred: deque[tuple[float, _Work]] = field(default_factory=deque)

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
                self._sweep_store(Pacer(None, None, rows=_STORE_BATCH, pause=self.pause))
            return self._report(state, began, paused=0.0, watermark=watermark)
        become_the_one_pruner(self.connection, self.options.advisory_key)
        check_schema(self.connection)
        with self._pacer() as pacer:
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
                self._sweep_store(pacer)
            if self.options.full and not self.options.dry_run:
                self._forget_tombstones()
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
        left = deque(t for t in thread_ids if t not in self.skip and t not in expired)
        total = len(left)
        lengths: dict[str, int] = {}
        template = Batch(
            thread_ids=(),
            policy=self.policy,
            now=state.now,
            pins=self.pins,
            protect=self.protect,
            snapshotter=self.snapshotter,
            collapse_deltas=self.options.collapse_deltas,
            collect_all=collect_all or self.options.full,
            blobs=state.guarded or not self.policy.blob_grace,
        )
        while left or self.queue:
            work = self.queue.popleft() if self.queue else self._next_work(left, lengths, pacer)
            try:
                self._carry_out(work, template, pacer)
            except _RETRYABLE as error:
                self._give_up(work, error, pacer)
                continue
            self.tally.seen += len(work.thread_ids)
            self._tell(total)
            self._collect_deferred(pacer)
        while self.deferred:
            self._await_grace()
            self._collect_deferred(pacer)

    def _next_work(self, left: deque[str], lengths: dict[str, int], pacer: Pacer) -> _Work:
        if left[0] not in lengths:
            lengths.clear()
            ahead = list(islice(left, _COUNTED_AHEAD))
            lengths.update(dict.fromkeys(ahead, 0))
            counts = self.connection.execute(statement("count_rows"), {"thread_ids": ahead})
            lengths.update(counts.fetchall())
        taken: list[str] = []
        rows = 0
        while (
            left
            and left[0] in lengths
            and len(taken) < self.options.batch_threads
            and (not taken or rows + lengths[left[0]] <= pacer.rows)
        ):
            rows += lengths[left[0]]
            taken.append(left.popleft())
        return _Work(thread_ids=tuple(taken), rows=rows)

    def _carry_out(self, work: _Work, template: Batch, pacer: Pacer) -> None:
        batch = replace(template, thread_ids=work.thread_ids)
        if self.options.dry_run:
            self._add(batch.count(self.connection))
        elif len(work.thread_ids) == 1 and work.rows > pacer.rows:
            self._carry_out_slices(work, batch, pacer)
        else:
            began = time.monotonic()
            outcome = batch.run(self.connection)
            self._add(outcome)
            if not batch.blobs:
                self.deferred.append((time.monotonic(), work))
            pacer.succeeded(time.monotonic() - began)

    def _carry_out_slices(self, work: _Work, batch: Batch, pacer: Pacer) -> None:
        """Work one huge thread off from its newest rows to its oldest, a transaction per slice.

        Newest first, so that a subgraph call never outlives the checkpoint it was called from.
        """
        (thread_id,) = work.thread_ids
        parameters = {"thread_id": thread_id, "rows": max(pacer.rows, work.rows // _MOST_SLICES)}
        lowest = [r[0] for r in self.connection.execute(statement("split_thread"), parameters)]
        for eligible_from in (*lowest, ""):
            began = time.monotonic()
            outcome = replace(batch, eligible_from=eligible_from, blobs=False).run(self.connection)
            if eligible_from:
                outcome.kept.clear()  # counted once, with the last slice
            self._add(outcome)
            pacer.succeeded(time.monotonic() - began)
        if batch.blobs:
            self._collect_blobs(work, pacer)
        else:
            self.deferred.append((time.monotonic(), work))

    def _collect_blobs(self, work: _Work, pacer: Pacer) -> None:
        """Delete values that nothing names in transactions of bounded size."""
        for thread_id in work.thread_ids:
            limit = max(pacer.rows, 1)
            removed = limit
            while removed >= limit:
                began = time.monotonic()
                parameters = {"thread_id": thread_id, "limit": limit}
                row = self.connection.execute(statement("delete_some_blobs"), parameters).fetchone()
                removed, size = row or (0, 0)
                if removed:
                    self.tally.remove("checkpoint_blobs", thread_id, removed, size)
                self.tally.batches += 1
                pacer.succeeded(time.monotonic() - began)

    def _collect_deferred(self, pacer: Pacer) -> None:
        """Delete the values of checkpoints that went at least the grace ago."""
        grace = self.policy.blob_grace.total_seconds()
        while self.deferred and time.monotonic() - self.deferred[0][0] >= grace:
            _, work = self.deferred.popleft()
            try:
                if work.rows > pacer.rows:
                    self._collect_blobs(work, pacer)
                    continue
                for thread_id, count, size in delete_blobs(self.connection, work.thread_ids):
                    self.tally.remove("checkpoint_blobs", thread_id, count, size)
                self.tally.batches += 1
            except _RETRYABLE as error:
                self.tally.retries += 1
                self.tally.errors.update(dict.fromkeys(work.thread_ids, _first_line(error)))

    def _await_grace(self) -> None:
        deleted_at, _ = self.deferred[0]
        rest = self.policy.blob_grace.total_seconds() - (time.monotonic() - deleted_at)
        if rest > 0:
            self.pause(rest)

    def _give_up(self, work: _Work, error: psycopg.Error, pacer: Pacer) -> None:
        self.tally.retries += 1
        pacer.failed()
        if len(work.thread_ids) > 1:
            self.queue.extendleft(reversed(work.halves()))
        elif work.attempts + 1 < _ATTEMPTS:
            # To the end of the line: whoever is in the way may be gone by then.
            self.queue.append(replace(work, attempts=work.attempts + 1))
        else:
            self.tally.errors[work.thread_ids[0]] = _first_line(error)

    def _expire(self, threads: list[str] | None, state: ServerState, pacer: Pacer) -> None:
        idle = find_idle(self.connection, self.policy, state)
        if threads is not None:
            idle = sorted(set(idle).intersection(threads))
        limits = {t: self.policy.of(t).expire_after for t in idle if t not in self.skip}
        expiring = [t for t, limit in limits.items() if limit is not None]
        for start in range(0, len(expiring), _EXPIRED_AT_ONCE):
            began = time.monotonic()
            batch = Expiry(
                thread_ids=expiring[start : start + _EXPIRED_AT_ONCE],
                policy=self.policy,
                now=state.now,
                pins=self.pins,
                protect=self.protect,
                dry_run=self.options.dry_run,
            )
            try:
                outcome = batch.run(self.connection)
            except _RETRYABLE as error:
                self.tally.retries += 1
                self.tally.errors.update(dict.fromkeys(batch.thread_ids, _first_line(error)))
                continue
            self._add(outcome)
            self.tally.expired += sorted(outcome.removed.get("checkpoints", ()))
            pacer.succeeded(time.monotonic() - began)

    def _sweep_store(self, pacer: Pacer) -> None:
        row = self.connection.execute(statement("has_store")).fetchone()
        removed = _STORE_BATCH if row and row[0] else 0
        while removed >= _STORE_BATCH:
            began = time.monotonic()
            parameters = {"limit": _STORE_BATCH}
            try:
                removed = self.connection.execute(
                    statement("delete_expired_items"), parameters
                ).rowcount
            except psycopg.errors.InsufficientPrivilege as error:
                self.tally.errors["store"] = _first_line(error)
                return
            self.tally.store_rows += removed
            pacer.succeeded(time.monotonic() - began)

    def _forget_tombstones(self) -> None:
        row = self.connection.execute(statement("has_tombstones"), {"privilege": "DELETE"})
        if row.fetchone() == (True,):
            self.connection.execute(statement("forget_tombstones"))

    def _add(self, outcome: Outcome) -> None:
        for table, by_thread in outcome.removed.items():
            for thread_id, (count, size) in by_thread.items():
                self.tally.remove(table, thread_id, count, size)
        self.tally.kept.update(outcome.kept)
        self.tally.skipped.update(outcome.skipped)
        self.tally.snapshots += outcome.snapshots
        self.tally.batches += 1

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
        undone = self.options.dry_run or self.tally.errors or BUSY in self.tally.skipped.values()
        if undone:
            return None
        waiting = any(reason in self.tally.kept for reason in WAITING_REASONS)
        return next_watermark(self.policy, state, waiting=waiting)

    def _report(
        self, state: ServerState, began: float, *, paused: float, watermark: Watermark | None
    ) -> Report:
        removed = bool(self.tally.rows) and not self.options.dry_run
        vacuums: tuple[Vacuum, ...] = ()
        if self.options.vacuum or (removed and self.options.vacuum is None):
            vacuums = vacuum_tables(self.connection, force=bool(self.options.vacuum))
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
            snapshots=self.tally.snapshots,
            batches=self.tally.batches,
            retries=self.tally.retries,
            paused_seconds=paused,
            store_rows=self.tally.store_rows,
            vacuums=vacuums,
            sizes=read_sizes(self.connection) if removed else (),
            watermark=watermark,
        )


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().partition("\n")[0]
