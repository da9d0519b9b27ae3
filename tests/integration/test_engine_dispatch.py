"""The queue of tickets fails as the engine's own statements do: no caller knows its name."""

import asyncio
from typing import Any

import psycopg
import pytest

from engine.runtime import Engine


async def test_a_ticket_for_a_lost_connection_fails_as_any_statement_does(engine: Engine) -> None:
    async with engine.database.pool.connection() as connection:
        await _end(engine.database.conninfo, connection.info.backend_pid)

        with pytest.raises(psycopg.OperationalError):
            await engine.dispatcher.enqueue(connection, "anybody")


async def test_a_run_whose_ticket_is_lost_with_its_connection_was_never_accepted(api: Any) -> None:
    thread = await api.sdk.threads.create()
    database_url = api.engine.database.conninfo
    async with await psycopg.AsyncConnection.connect(database_url) as queue:
        await queue.execute("LOCK TABLE procrastinate_jobs IN EXCLUSIVE MODE")
        asked = asyncio.create_task(
            api.http.post(
                f"/threads/{thread['thread_id']}/runs",
                json={"assistant_id": "echo", "input": {}},
            )
        )
        await _end(database_url, await _waiting_for(queue))
    answer = await asked

    assert answer.status_code == 503
    assert answer.json()["type"].endswith("database-unavailable")
    assert answer.headers["Retry-After"] == "2"
    assert await api.sdk.runs.list(thread["thread_id"]) == []


async def _waiting_for(holder: psycopg.AsyncConnection[Any]) -> int:
    """Return the backend that waits for a lock of `holder`."""
    while True:
        cursor = await holder.execute(
            "SELECT pid FROM pg_locks WHERE NOT granted AND %s = ANY(pg_blocking_pids(pid))",
            (holder.info.backend_pid,),
        )
        row = await cursor.fetchone()
        if row is not None:
            return int(row[0])


async def _end(database_url: str, pid: int) -> None:
    """Let the server end a connection, and wait until it has."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as other:
        cursor = await other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        assert await cursor.fetchone() == (True,)
