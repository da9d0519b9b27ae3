"""The pruner's own session: its settings, its lock, what the server says of itself."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import class_row

from checkpoint_pruner.errors import AlreadyRunningError
from checkpoint_pruner.statements import statement
from checkpoint_pruner.throttle import Throttle

ADVISORY_KEY = 0x43_50_52_55_4E_45_52_01
"""Session advisory lock that makes one pruner at a time; the letters CPRUNER."""

_WORK_MEM = "16MB"  # a plan of 25,000 keys takes a third; more is cleared for each step for nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a sweep works, as opposed to what it keeps."""

    dry_run: bool = False
    """Count what would go and remove nothing."""
    full: bool = False
    """Look at every thread, and remove orphans that others left behind."""
    vacuum: bool | None = None
    """Vacuum what was touched: None when worth it, True always, False never."""
    collapse_deltas: bool = False
    """Move DeltaChannel history that has to stay onto its first row, where its shape allows."""
    store: bool = True
    """Also remove expired items of LangGraph's store, where there is one."""
    throttle: Throttle | None = None
    """Give way to writers; None works at full speed."""
    batch_rows: int = 25_000
    """Most checkpoints looked at in one transaction."""
    batch_threads: int = 500
    """Most threads in one transaction."""
    lock_timeout_seconds: float = 1.0
    """Longest wait for a lock before a batch is given up and halved."""
    statement_timeout_seconds: float = 60.0
    """Longest statement before a batch is given up and halved."""
    advisory_key: int = ADVISORY_KEY
    """Key of the advisory lock that keeps a second pruner out."""

    def __post_init__(self) -> None:
        for name in ("batch_rows", "batch_threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        for name in ("lock_timeout_seconds", "statement_timeout_seconds"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """What the server said before a sweep looked at any thread."""

    now: datetime
    """The database's clock."""
    database: int
    """Oid of the database."""
    inserted: int | None
    """Rows ever inserted into `checkpoints`; None before the tables exist."""
    rows: int | None
    """Rows of `checkpoints`, live and dead, estimated; None before the tables exist."""
    stats_reset: float | None
    """When the counters were last reset, seconds since 1970."""
    guarded: bool
    """Whether the guard trigger is installed and enabled."""
    id_indexed: bool
    """Whether an index of `checkpoints` leads with `checkpoint_id`."""


@contextmanager
def connect(conninfo: str, options: Options) -> Iterator[Connection[Any]]:
    """Open a session with the pruner's settings, in autocommit mode, for the length of a block."""
    # Unprepared, so that each plan knows how long its arrays are.
    with psycopg.connect(conninfo, autocommit=True, prepare_threshold=None) as connection:
        connection.execute(
            statement("configure_session"),
            {
                "lock_timeout_ms": int(options.lock_timeout_seconds * 1000),
                "statement_timeout_ms": int(options.statement_timeout_seconds * 1000),
                "work_mem": _WORK_MEM,
            },
        )
        try:
            yield connection
        finally:
            # A closed session keeps its lock until its process ends: the next could come first.
            with suppress(psycopg.Error):
                connection.execute(statement("release_lock"))


def become_the_one_pruner(connection: Connection[Any], advisory_key: int) -> None:
    """Take the advisory lock for as long as the session lasts.

    Raises:
        AlreadyRunningError: Another session holds it.
    """
    parameters = {"advisory_key": advisory_key}
    row = connection.execute(statement("try_lock"), parameters).fetchone()
    if row is None or not row[0]:
        raise AlreadyRunningError(advisory_key)


def read_state(connection: Connection[Any]) -> ServerState:
    """Read what a sweep must know of the server before it begins."""
    with connection.cursor(row_factory=class_row(ServerState)) as cursor:
        state = cursor.execute(statement("read_state")).fetchone()
    assert state is not None, "the statement has exactly one row"  # noqa: S101 - for the type
    return state
