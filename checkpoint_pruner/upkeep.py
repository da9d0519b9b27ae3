"""What a sweep does besides: expired items of LangGraph's store, memories of deleted threads."""

from typing import Any

import psycopg
from psycopg import Connection

from checkpoint_pruner.statements import statement
from checkpoint_pruner.tally import Tally
from checkpoint_pruner.throttle import Pacer

STORE_BATCH = 1_000
"""Items of the store deleted in one transaction."""


def sweep_store(connection: Connection[Any], tally: Tally, pacer: Pacer) -> None:
    """Delete the expired items of LangGraph's store, where there is one, in batches."""
    row = connection.execute(statement("has_store")).fetchone()
    removed = STORE_BATCH if row and row[0] else 0
    while removed >= STORE_BATCH:
        parameters = {"limit": STORE_BATCH}
        try:
            with pacer.transaction():
                removed = connection.execute(statement("delete_expired_items"), parameters).rowcount
        except psycopg.errors.InsufficientPrivilege as error:
            tally.fail(["store"], error)
            return
        tally.store_rows += removed


def forget_tombstones(connection: Connection[Any]) -> None:
    """Forget threads that were deleted long ago, where the guard remembers them."""
    row = connection.execute(statement("has_tombstones"), {"privilege": "DELETE"})
    if row.fetchone() == (True,):
        connection.execute(statement("forget_tombstones"))
