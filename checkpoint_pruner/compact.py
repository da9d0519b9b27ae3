"""Rewrites a database that was never pruned: what stays is copied, the rest is not even deleted.

Deleting nine rows of ten costs more than copying the tenth, and gives no space back to the disk.
"""

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from psycopg import Connection

from checkpoint_pruner.drift import check_schema
from checkpoint_pruner.errors import CompactionError, ConfirmationRequiredError
from checkpoint_pruner.plan import lowest_id, plan_parameters
from checkpoint_pruner.policy import Pin, Policy
from checkpoint_pruner.report import TABLES, format_bytes
from checkpoint_pruner.session import (
    ADVISORY_KEY,
    Options,
    become_the_one_pruner,
    connect,
    read_state,
)
from checkpoint_pruner.statements import planned, statement
from checkpoint_pruner.sweep import sweep
from checkpoint_pruner.vacuum import read_sizes, vacuum_tables

_BATCH_THREADS = 500
# The one session that works while all others wait. Not for the plans: the server would clear a hash
# table of that size for each of their steps before it begins.
_WORK_MEM = "SET work_mem = '256MB'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """What a rewrite did, or would do."""

    dry_run: bool
    """True when nothing was changed."""
    rows_before: Mapping[str, int]
    """Rows by table before."""
    rows_after: Mapping[str, int]
    """Rows by table after; in a dry run the rows that would stay."""
    bytes_before: int
    """Space of the three tables before, indexes included."""
    bytes_after: int | None
    """Space after; None in a dry run."""
    locked_seconds: float
    """How long nobody else could read or write the tables; 0 in a dry run."""

    def to_json(self) -> str:
        """Return one JSON document."""
        return json.dumps(asdict(self), indent=2, sort_keys=True)

    def to_text(self) -> str:
        """Return the result for a person."""
        lines = [
            f"  {table:<18} {self.rows_before[table]:>12,} rows -> {self.rows_after[table]:>12,}"
            for table in TABLES
        ]
        if self.bytes_after is None:
            lines.insert(0, f"{format_bytes(self.bytes_before)} would be rewritten:")
        else:
            lines.insert(
                0,
                f"{format_bytes(self.bytes_before)} -> {format_bytes(self.bytes_after)}, "
                f"tables locked for {self.locked_seconds:.1f} s",
            )
        return "\n".join(lines)


def compact(
    conninfo: str,
    policy: Policy | None = None,
    pins: Iterable[Pin | tuple[str, str, str]] = (),
    *,
    dry_run: bool = False,
    confirmed: bool = False,
    skip_threads: Collection[str] = (),
    lock_timeout_seconds: float = 10.0,
    advisory_key: int = ADVISORY_KEY,
    on_progress: Callable[[int, int], object] | None = None,
) -> Compaction:
    """Rewrite the three tables with only what a policy keeps, all in one transaction.

    Nobody can read or write the tables meanwhile; a failure or a kill at any moment leaves them as
    they were. Needs the tables' owner and, until it commits, disk space for what stays.

    Args:
        conninfo: Connection string.
        policy: What stays.
        pins: Checkpoints that stay regardless.
        dry_run: Count what would stay and change nothing.
        confirmed: Set by a caller who knows that the tables will be locked.
        skip_threads: Threads to copy whole.
        lock_timeout_seconds: Longest wait for the tables; writers queue behind the waiting lock.
        advisory_key: Key of the advisory lock that keeps a second pruner out.
        on_progress: Called with threads planned and threads in all.

    Raises:
        ConfirmationRequiredError: Neither `confirmed` nor `dry_run`.
        AlreadyRunningError: Another pruner is at work.
        SchemaDriftError: The tables are not the ones this release knows.
        CompactionError: Other rows came back than were set aside; nothing was changed.
        psycopg.errors.LockNotAvailable: Somebody held the tables all the time.
    """
    chosen = policy or Policy()
    if dry_run:
        return _rehearse(conninfo, chosen, pins, skip_threads, advisory_key)
    if not confirmed:
        raise ConfirmationRequiredError(
            "compacting locks the checkpoint tables against everybody until it is done; "
            "confirm it, or try a dry run"
        )
    options = Options(
        lock_timeout_seconds=lock_timeout_seconds, statement_timeout_seconds=24 * 3600.0
    )
    with connect(conninfo, options) as connection:
        check_schema(connection)
        become_the_one_pruner(connection, advisory_key)
        bytes_before = sum(size.total_bytes for size in read_sizes(connection))
        with connection.transaction():
            connection.execute(statement("lock_tables"))
            began = time.monotonic()
            before = _count(connection)
            after = _rewrite(
                connection,
                chosen,
                [Pin(*pin) for pin in pins],
                frozenset(skip_threads),
                on_progress,
            )
        locked_seconds = time.monotonic() - began
        vacuum_tables(connection, force=True)
        bytes_after = sum(size.total_bytes for size in read_sizes(connection))
    return Compaction(
        dry_run=False,
        rows_before=before,
        rows_after=after,
        bytes_before=bytes_before,
        bytes_after=bytes_after,
        locked_seconds=locked_seconds,
    )


def _rewrite(
    connection: Connection[Any],
    policy: Policy,
    pins: list[Pin],
    skip: frozenset[str],
    on_progress: Callable[[int, int], object] | None,
) -> dict[str, int]:
    for name in ("create_compact_tables", "create_compact_blobs", "create_compact_writes"):
        connection.execute(statement(name))
    now = read_state(connection).now
    threads = [row[0] for row in connection.execute(statement("select_all_threads"))]
    untouched: list[str] = []
    for start in range(0, len(threads), _BATCH_THREADS):
        batch = threads[start : start + _BATCH_THREADS]
        foreign = {
            row[0] for row in connection.execute(statement("select_foreign"), {"thread_ids": batch})
        }
        left_alone = [t for t in batch if t in foreign or t in skip]
        connection.execute(statement("set_aside_untouched"), {"thread_ids": left_alone})
        untouched += left_alone
        planned_threads = [t for t in batch if t not in foreign and t not in skip]
        graphs = dict(
            connection.execute(
                statement("select_graphs"), {"thread_ids": planned_threads}
            ).fetchall()
        )
        connection.execute(
            planned("set_aside_kept"),
            plan_parameters(planned_threads, policy, now=now, pins=pins, graphs=graphs),
        )
        if on_progress is not None:
            on_progress(start + len(batch), len(threads))
    connection.execute("ANALYZE compact_checkpoints")
    connection.execute(_WORK_MEM)
    grace_floor = lowest_id(now - max(rule.orphan_grace for rule in policy.everywhere()))
    connection.execute(statement("set_aside_blobs"), {"untouched": untouched})
    connection.execute(
        statement("set_aside_writes"), {"untouched": untouched, "grace_floor": grace_floor}
    )
    connection.execute(statement("empty_tables"))
    connection.execute(statement("suspend_guard"))
    back = {
        table: connection.execute(statement(name)).rowcount
        for table, name in zip(
            TABLES, ("put_back_checkpoints", "put_back_blobs", "put_back_writes"), strict=True
        )
    }
    connection.execute(
        statement("clear_parents"), {"thread_ids": sorted(set(threads).difference(untouched))}
    )
    found = _count(connection)
    if found != back:
        raise CompactionError(f"put back {back} rows but found {found}; the tables were left alone")
    return found


def _rehearse(
    conninfo: str,
    policy: Policy,
    pins: Iterable[Pin | tuple[str, str, str]],
    skip_threads: Collection[str],
    advisory_key: int,
) -> Compaction:
    report = sweep(
        conninfo,
        policy,
        None,
        pins,
        dry_run=True,
        skip_threads=skip_threads,
        full=True,
        advisory_key=advisory_key,
    )
    with connect(conninfo, Options()) as connection:
        before = _count(connection)
        bytes_before = sum(size.total_bytes for size in read_sizes(connection))
    return Compaction(
        dry_run=True,
        rows_before=before,
        rows_after={table: before[table] - report.rows[table] for table in TABLES},
        bytes_before=bytes_before,
        bytes_after=None,
        locked_seconds=0.0,
    )


def _count(connection: Connection[Any]) -> dict[str, int]:
    row = connection.execute(statement("count_tables")).fetchone()
    return dict(zip(TABLES, row or (0, 0, 0), strict=True))
