"""The connection that holds a thread."""

import asyncio

import psycopg
import pytest

from engine.lease import open_lease_connection
from engine.runtime import Engine


async def test_whoever_waits_on_a_lease_hears_before_its_connection_is_closed(
    engine: Engine,
) -> None:
    lease = await open_lease_connection(engine.database, "test")
    waiting = asyncio.create_task(lease.connection.execute("SELECT pg_sleep(60)"))
    await asyncio.sleep(0)  # it has sent its statement
    assert lease.connection.lock.locked()

    await lease.close()

    assert lease.connection.closed
    with pytest.raises(psycopg.OperationalError):
        waiting.result()
