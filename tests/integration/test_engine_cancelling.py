"""A cancellation that a library swallows on Python 3.11 stops what repeats itself all the same."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from engine.cancelling import end_task
from engine.database import Database, open_database
from engine.runtime import Engine
from engine.sweeper import Duty

# From the moment a connection comes free until the one who waits for it goes on, and beyond.
TURNS = range(12)


@pytest.fixture
async def narrow(migrated_database: str) -> AsyncIterator[Database]:
    """Return a database of which one connection may be used at a time."""
    async with open_database(migrated_database, max_connections=1) as database:
        yield database


async def _cancel_as_a_connection_comes(
    database: Database, repeat: Callable[[], Awaitable[None]], turns: int
) -> asyncio.Task[None]:
    """Cancel what waits for the only connection, so many turns of the loop after it came free."""
    task = asyncio.ensure_future(repeat())
    async with database.pool.connection():
        while not database.pool.get_stats()["requests_waiting"]:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    return task


async def test_a_duty_that_gets_its_connection_as_it_is_cancelled_ends(
    engine: Engine, narrow: Database
) -> None:
    async def ask() -> None:
        async with narrow.pool.connection() as connection:
            await connection.execute("SELECT 1")

    sweeper = replace(engine.sweeper)
    sweeper._duties = [Duty(name="ask", every_seconds=0.0, work=ask)]

    for turns in TURNS:
        task = await _cancel_as_a_connection_comes(narrow, sweeper.run, turns)

        async with asyncio.timeout(10):
            await asyncio.wait({task})
        assert task.cancelled()


async def test_a_task_that_hears_only_its_second_cancellation_is_ended(narrow: Database) -> None:
    async def ask() -> None:
        while True:
            async with narrow.pool.connection() as connection:
                await connection.execute("SELECT 1")

    for turns in TURNS:
        task = await _cancel_as_a_connection_comes(narrow, ask, turns)

        async with asyncio.timeout(10):
            await end_task(task)
        assert task.cancelled()
