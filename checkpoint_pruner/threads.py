"""What a checkpoint saver owes for whole threads and runs: prune, delete, copy.

Each function is one transaction on the caller's asynchronous connection, so that a saver can route
its own methods here.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import tuple_row

from checkpoint_pruner.errors import ThreadExistsError
from checkpoint_pruner.plan import lowest_id, plan_parameters
from checkpoint_pruner.policy import Policy
from checkpoint_pruner.statements import planned, statement

KEEP_LATEST = Policy(keep_last=1)
"""The rules behind the library's strategy of that name."""


class Removed(NamedTuple):
    """Rows that one call removed or copied, by table."""

    checkpoints: int
    checkpoint_blobs: int
    checkpoint_writes: int


async def prune_threads(
    connection: AsyncConnection[Any], thread_ids: Sequence[str], policy: Policy = KEEP_LATEST
) -> Removed:
    """Prune some threads by a policy; DeltaChannel history stays where it is needed.

    Threads of LangGraph.js are left alone.
    """
    async with connection.transaction():
        await _run(connection, statement("configure_transaction"), {})
        now = await _now(connection)
        given = {"thread_ids": list(thread_ids)}
        foreign = {row[0] for row in await _rows(connection, statement("select_foreign"), given)}
        admitted = [thread_id for thread_id in thread_ids if thread_id not in foreign]
        parameters = plan_parameters(admitted, policy, now=now)
        counts = dict.fromkeys(("checkpoints", "checkpoint_writes"), 0)
        pruned = set()
        for kind, name, count, _ in await _rows(connection, planned("delete_unkept"), parameters):
            if kind in counts:
                counts[kind] += count
                pruned.add(name)
        touched = {"thread_ids": sorted(pruned)}
        blobs = await _rows(connection, statement("delete_blobs"), touched)
    return Removed(
        counts["checkpoints"], sum(count for _, count, _ in blobs), counts["checkpoint_writes"]
    )


async def delete_threads(connection: AsyncConnection[Any], thread_ids: Sequence[str]) -> Removed:
    """Delete whole threads, and with the guard remember them against their late writers.

    A run that is still inside a deleted thread then gets SQLSTATE `LG409` for its next checkpoint
    instead of bringing the thread back without its history. The id itself may be used again.
    """
    given = {"thread_ids": list(thread_ids)}
    async with connection.transaction():
        row = await _rows(connection, statement("has_tombstones"), {"privilege": "INSERT, UPDATE"})
        if row[0][0]:
            now = await _now(connection)
            await _run(
                connection,
                statement("bury_threads"),
                given | {"deleted_before": lowest_id(now)},
            )
        rows = await _rows(connection, statement("delete_threads"), given)
    return Removed(*rows[0])


async def delete_runs(
    connection: AsyncConnection[Any],
    run_ids: Sequence[str],
    thread_ids: Sequence[str] | None = None,
) -> Removed:
    """Delete what some runs saved, in every namespace, with writes and values nothing else names.

    Checkpoints that a DeltaChannel of a later run is rebuilt from stay.

    Args:
        connection: The saver's connection.
        run_ids: Values of `metadata.run_id`.
        thread_ids: Threads the runs worked on; None reads every checkpoint of the database.
    """
    async with connection.transaction():
        given = {
            "run_ids": list(run_ids),
            "thread_ids": None if thread_ids is None else list(thread_ids),
        }
        rows = await _rows(connection, statement("delete_runs"), given)
        touched = {"thread_ids": [thread_id for thread_id, _, _ in rows]}
        await _run(connection, statement("clear_parents"), touched)
        blobs = await _rows(connection, statement("delete_blobs"), touched)
    return Removed(
        sum(count for _, count, _ in rows),
        sum(count for _, count, _ in blobs),
        sum(count for _, _, count in rows),
    )


async def copy_thread(connection: AsyncConnection[Any], source: str, target: str) -> Removed:
    """Copy a thread whole, as one snapshot sees it: every namespace, value and write.

    The guard stands aside meanwhile: parents that were pruned are missing in the copy as well.
    Metadata that names the thread names the copy.

    Raises:
        ThreadExistsError: The target has checkpoints already.
    """
    async with connection.transaction():
        given = {"source": source, "target": target}
        exists = await _rows(connection, statement("thread_exists"), given)
        if exists[0][0]:
            raise ThreadExistsError(target)
        await _run(connection, statement("suspend_guard"), {})
        rows = await _rows(connection, statement("copy_thread"), given)
        await _run(connection, statement("resume_guard"), {})
    return Removed(*rows[0])


async def _now(connection: AsyncConnection[Any]) -> datetime:
    rows = await _rows(connection, statement("read_clock"), {})
    now: datetime = rows[0][0]
    return now


async def _rows(
    connection: AsyncConnection[Any], query: bytes, parameters: dict[str, Any]
) -> list[tuple[Any, ...]]:
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(query, parameters, prepare=False)
        return await cursor.fetchall()


async def _run(connection: AsyncConnection[Any], query: bytes, parameters: dict[str, Any]) -> None:
    # Unprepared, so that each plan knows how long its arrays are.
    async with connection.cursor() as cursor:
        await cursor.execute(query, parameters, prepare=False)
