"""A waiting thread costs rows and nothing else."""

import asyncio
import gc
from collections import Counter
from typing import Any

import psycopg

from engine.runtime import open_engine

# `make hibernation` does it with ten thousand real ones and processes of their own.
THREADS_WAITING = 1_000

# Waiting at a question, and delayed for a day: both kinds of sleep.
THREADS = """
    INSERT INTO holdfast.threads (thread_id, graph_id, assistant_id, status)
    SELECT 'thread-' || n, 'steps', 'steps', 'interrupted' FROM generate_series(1, %(count)s) AS n
"""
ASKED = """
    INSERT INTO holdfast.runs
        (run_id, thread_id, assistant_id, graph_id, status, finished_at)
    SELECT 'asked-' || n, 'thread-' || n, 'steps', 'steps', 'interrupted', clock_timestamp()
    FROM generate_series(1, %(count)s) AS n
"""
GATES = """
    INSERT INTO holdfast.gates (
        gate_id, interrupt_id, thread_id, run_id, assistant_id, graph_id, node, task_id,
        checkpoint_id, dialect, value, review, title, allowed, fingerprint, expires_at
    )
    SELECT 'gate-' || n, 'gate-' || n, 'thread-' || n, 'asked-' || n, 'steps', 'steps', 'ask',
        'task', 'checkpoint', 'raw', '{}', '{}', 'go on?', '{approve}', 'f',
        clock_timestamp() + interval '30 days'
    FROM generate_series(1, %(count)s) AS n
"""
DELAYED = """
    INSERT INTO holdfast.runs (run_id, thread_id, assistant_id, graph_id, not_before)
    SELECT 'later-' || n, 'thread-' || n, 'steps', 'steps', clock_timestamp() + interval '1 day'
    FROM generate_series(1, %(count)s) AS n
"""


def fill(url: str, count: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (THREADS, ASKED, GATES, DELAYED):
            connection.execute(statement, {"count": count})
        connection.execute("ANALYZE")


async def footprint(options: Any) -> dict[str, Any]:
    """Return what a working engine holds once it has looked at everything."""
    async with open_engine(options) as engine:
        await engine.sweeper.sweep_once()
        gc.collect()
        tasks = Counter(task.get_name().split("-")[0] for task in asyncio.all_tasks())
        kinds = Counter(type(thing).__name__ for thing in gc.get_objects())
        async with engine.database.pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT count(*) AS leases FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name LIKE 'holdfast run %'"
            )
            row = await cursor.fetchone()
        return {
            "leases": row["leases"] if row else None,
            "running": engine.worker.running,
            "work": {name: count for name, count in tasks.items() if name != "Task"},
            "rows in memory": kinds["Run"] + kinds["Gate"],
        }


async def test_threads_that_wait_hold_no_task_no_connection_and_no_memory(
    engine_options: Any, marked_database: str
) -> None:
    empty = await footprint(engine_options())
    fill(marked_database, THREADS_WAITING)

    full = await footprint(engine_options())

    assert full == empty
