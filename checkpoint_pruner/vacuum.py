"""Gives removed rows' space back to the tables, and says so when it may not."""

import time
from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql

from checkpoint_pruner.report import TABLES, TableSize, Vacuum
from checkpoint_pruner.statements import statement

_DEAD_SHARE = 0.02  # of the live rows: below it a vacuum scans indexes for next to nothing
_GENTLE_DELAY_MS = 2  # autovacuum's own default
_DEAD_ROWS = 50_000  # enough to be worth a vacuum whatever their share


def vacuum_tables(
    connection: psycopg.Connection[Any],
    tables: Iterable[str] = TABLES,
    *,
    force: bool = False,
    gently: bool = False,
) -> tuple[Vacuum, ...]:
    """Run VACUUM on the tables that hold enough dead rows; needs autocommit.

    Plain VACUUM makes the space reusable and blocks neither readers nor writers.

    Args:
        connection: A connection in autocommit mode, outside any transaction.
        tables: Tables of the search path.
        force: Vacuum even for a few dead rows.
        gently: Rest as often as autovacuum does, so that writers keep their pace.
    """
    results = []
    parameters = {"tables": list(tables)}
    connection.execute("SET statement_timeout = 0")
    if gently:
        connection.execute(f"SET vacuum_cost_delay = {_GENTLE_DELAY_MS}")
    connection.execute("SELECT pg_stat_force_next_flush()")
    for row in connection.execute(statement("read_vacuum_rights"), parameters):
        table, permitted, live, dead = row
        if not force and dead < min(_DEAD_ROWS, max(_DEAD_SHARE * live, 1)):
            continue
        results.append(_vacuum(connection, table) if permitted else _refused(connection, table))
    return tuple(results)


def read_sizes(
    connection: psycopg.Connection[Any], tables: Iterable[str] = TABLES
) -> tuple[TableSize, ...]:
    """Return the space and the rows of some tables, as the server counts them."""
    rows = connection.execute(statement("read_sizes"), {"tables": list(tables)})
    return tuple(
        TableSize(
            table=table,
            live_rows=live,
            dead_rows=dead,
            heap_bytes=heap,
            toast_bytes=toast,
            index_bytes=index,
        )
        for table, live, dead, heap, toast, index in rows
    )


def _vacuum(connection: psycopg.Connection[Any], table: str) -> Vacuum:
    began = time.monotonic()
    try:
        connection.execute(sql.SQL("VACUUM {}").format(sql.Identifier(table)))
    except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled) as error:
        return Vacuum(table=table, seconds=0.0, problem=str(error).strip())
    return Vacuum(table=table, seconds=time.monotonic() - began, problem=None)


def _refused(connection: psycopg.Connection[Any], table: str) -> Vacuum:
    way_out = f"GRANT MAINTAIN ON {table}" if connection.info.server_version >= 170000 else "own it"
    return Vacuum(
        table=table,
        seconds=0.0,
        problem=f"role {connection.info.user!r} may not vacuum {table}; {way_out}, "
        "or leave the space to autovacuum",
    )
