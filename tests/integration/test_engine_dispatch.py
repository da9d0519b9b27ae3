"""The queue of tickets fails as the engine's own statements do, and outlives lost connections."""

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from engine.runs.request import RunRequest
from engine.runtime import Engine, open_engine

LISTENING = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'holdfast tickets' AND query LIKE 'LISTEN%' AND state = 'idle'"
)


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


async def test_a_worker_that_lost_its_ear_opens_another(engine: Engine) -> None:
    database_url = engine.database.conninfo
    lost = await _first(database_url, LISTENING)

    await _end(database_url, lost)

    assert await _first(database_url, LISTENING) != lost


async def test_a_worker_whose_queue_broke_takes_tickets_while_a_run_is_still_in_hand(
    engine: Engine, engine_options: Callable[..., Any]
) -> None:
    database_url = engine.database.conninfo
    async with open_engine(engine_options(run_worker=False)) as client:
        long = await client.runs.create(
            RunRequest(assistant_id="steps", input={"steps": 200, "pause_seconds": 0.05})
        )
        await _first(database_url, f"SELECT 1 FROM marks WHERE run_id = '{long.run_id}'")
        async with await psycopg.AsyncConnection.connect(database_url) as queue:
            await queue.execute("LOCK TABLE procrastinate_jobs IN ACCESS EXCLUSIVE MODE")
            await _end(database_url, await _waiting_for(queue))

        short = await client.runs.create(RunRequest(assistant_id="steps", input={"steps": 1}))
        async with asyncio.timeout(60):
            over = await client.runs.wait(short.run_id)
        steps = f"SELECT count(*) FROM checkpoints WHERE thread_id = '{long.thread_id}'"
        before = await _first(database_url, steps)
        await _first(database_url, f"{steps} HAVING count(*) > {before + 5}")
        still = await client.runs.get(long.run_id)

        assert over is not None
        assert (over.status, still.status, still.attempts) == ("succeeded", "running", 1)
        await client.runs.cancel(long.run_id)


async def test_a_ticket_is_removed_although_the_connection_was_lost_over_that(
    engine_options: Callable[..., Any],
) -> None:
    async with open_engine(engine_options(run_worker=False)) as idle:
        database_url = idle.database.conninfo
        async with idle.database.transaction() as connection:
            await idle.dispatcher.enqueue(connection, "anybody")
            await connection.execute("UPDATE procrastinate_jobs SET status = 'doing'")
        async with await psycopg.AsyncConnection.connect(database_url) as queue:
            await queue.execute("LOCK TABLE procrastinate_jobs IN EXCLUSIVE MODE")
            tidying = asyncio.create_task(idle.dispatcher.tidy())
            await _end(database_url, await _waiting_for(queue))
        await tidying

        assert await _first(database_url, "SELECT count(*) FROM procrastinate_jobs") == 0


async def test_a_heartbeat_that_fails_is_not_the_last_one(
    engine_options: Callable[..., Any], end_connections: Callable[[str], None]
) -> None:
    async with open_engine(engine_options(run_worker=False)) as idle:
        idle.database.pool.timeout = 0.2
        idle.database.pool.conninfo = make_conninfo(idle.database.conninfo, port=1)
        end_connections("holdfast")

        await idle.dispatcher._app.job_manager.update_heartbeat(1)  # raises nothing


async def _first(database_url: str, query: str) -> Any:
    """Return the first value of a query as soon as it has a row."""
    async with (
        asyncio.timeout(20),
        await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection,
    ):
        while True:
            cursor = await connection.execute(query)
            row = await cursor.fetchone()
            if row is not None:
                return row[0]


async def _waiting_for(holder: psycopg.AsyncConnection[Any]) -> int:
    """Return the backend that waits for a lock of `holder`."""
    async with asyncio.timeout(20):
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
