"""The guard: a trigger that makes pruning safe for writers that take no locks.

A run that loaded a checkpoint which is pruned before it saves the next one gets SQLSTATE `LG409`
instead of a thread that silently lacks channels.
"""

import json
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import Connection, sql

from checkpoint_pruner.drift import check_schema
from checkpoint_pruner.errors import CheckpointPrunedError, NoCheckpointTablesError
from checkpoint_pruner.statements import statement

SQLSTATE = "LG409"
"""What a refused save is told; the class `LG` is nobody else's."""

_INSTALL = (
    "create_tombstones",
    "grant_tombstones",
    "create_guard_function",
    "create_guard_trigger",
)
_REMOVE = ("drop_guard_trigger", "drop_guard_function", "drop_tombstones")
_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '5s'"  # writers queue behind a waiting lock


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardStatus:
    """Whether the guard is there and works."""

    schema: str
    """Schema of the checkpoint tables."""
    installed: bool
    """The trigger exists."""
    enabled: bool
    """The trigger fires."""


def guard_status(conninfo: str) -> GuardStatus:
    """Tell whether the guard is installed.

    Raises:
        NoCheckpointTablesError: There are no checkpoint tables in the search path.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        return _status(connection)


def install_guard(conninfo: str) -> GuardStatus:
    """Install the guard or bring it up to date, in one transaction; needs the tables' owner.

    Takes a SHARE ROW EXCLUSIVE lock on `checkpoints` for a moment and gives up after 5 seconds.

    Raises:
        SchemaDriftError: The tables are not the ones this release knows.
        psycopg.errors.LockNotAvailable: Writers held the table all the time.
    """
    return _carry_out(conninfo, _INSTALL)


def remove_guard(conninfo: str) -> GuardStatus:
    """Remove everything that `install_guard` made."""
    return _carry_out(conninfo, _REMOVE)


def translate(error: psycopg.Error) -> CheckpointPrunedError | None:
    """Return the guard's refusal as an error of this package, or None for any other error."""
    if error.sqlstate != SQLSTATE:
        return None
    named = json.loads(error.diag.message_detail or "{}")
    return CheckpointPrunedError(
        named.get("thread_id", ""), named.get("checkpoint_ns", ""), named.get("checkpoint_id", "")
    )


def _carry_out(conninfo: str, names: tuple[str, ...]) -> GuardStatus:
    with psycopg.connect(conninfo) as connection:
        connection.execute(_LOCK_TIMEOUT)
        check_schema(connection)
        schema = sql.Identifier(_status(connection).schema)
        for name in names:
            template = statement(name).decode()
            connection.execute(sql.SQL(template).format(schema=schema))
        return _status(connection)


def _status(connection: Connection[Any]) -> GuardStatus:
    row = connection.execute(statement("read_guard")).fetchone()
    if row is None:
        raise NoCheckpointTablesError
    return GuardStatus(schema=row[0], installed=row[1], enabled=row[2])
