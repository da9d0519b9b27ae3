"""How the engine is: does the database answer, how much waits."""

import asyncio
from dataclasses import dataclass

import psycopg
import psycopg_pool

from engine.database import Database, statement
from engine.errors import OverloadedError

CHECK_SECONDS = 3.0
RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What waits and runs, at one moment.

    Attributes:
        longest_seconds: how long the oldest due run has waited.
        median_seconds: how long due runs have waited, in the middle.
        workers: worker processes that gave a sign of life lately.
        places: runs they can execute at once.
    """

    runs_queued: int
    runs_running: int
    longest_seconds: float
    median_seconds: float
    gates_open: int
    messages_pending: int
    messages_dead: int
    threads_unpruned: int
    workers: int
    places: int


async def check_database(database: Database) -> None:
    """Ask the database for a sign of life.

    Raises:
        OverloadedError: it does not answer within `CHECK_SECONDS`.
    """
    try:
        async with asyncio.timeout(CHECK_SECONDS), database.pool.connection() as connection:
            await connection.execute("SELECT 1")
    except (TimeoutError, psycopg.Error, psycopg_pool.PoolTimeout) as error:
        raise OverloadedError(
            "the database does not answer", retry_after_seconds=RETRY_SECONDS, unavailable=True
        ) from error


async def measure_load(database: Database) -> Load:
    """Count what waits and runs."""
    async with database.pool.connection() as connection:
        cursor = await connection.execute(statement("measure_engine"), {"tenant": database.tenant})
        (row,) = await cursor.fetchall()
        return Load(**row)
