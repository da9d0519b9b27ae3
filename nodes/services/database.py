"""The services' way to Postgres: a small pool that opens when it is first needed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files
from typing import Any

from psycopg import AsyncConnection, OperationalError
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

Connection = AsyncConnection[DictRow]

DEFAULT_TENANT = "default"
# A run does one thing at a time; the second connection serves whoever asks beside it.
MAX_CONNECTIONS = 2
POOL_TIMEOUT_SECONDS = 5.0
# Pauses between attempts double until then: the longest is what a server that is back waits for.
RECONNECT_SECONDS = 2.0
SESSION_OPTIONS = (
    "-c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s"
)


@cache
def statement(name: str) -> bytes:
    """Return the text of `nodes/services/sql/<name>.sql`."""
    return (files("nodes.services") / "sql" / f"{name}.sql").read_bytes()


class Database:
    """A database that is connected to when it is first asked something."""

    def __init__(self, conninfo: str, *, tenant: str = DEFAULT_TENANT) -> None:
        self.tenant = tenant
        self.conninfo = conninfo
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            conninfo,
            connection_class=AsyncConnection[DictRow],
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "prepare_threshold": 0,
                "options": SESSION_OPTIONS,
                "application_name": "holdfast process",
            },
            min_size=0,
            max_size=MAX_CONNECTIONS,
            timeout=POOL_TIMEOUT_SECONDS,
            reconnect_timeout=RECONNECT_SECONDS,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )
        self._opening = asyncio.Lock()
        self._opened = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Yield a connection in one transaction: committed at the end, undone by an exception."""
        async with self._opening:
            if not self._opened:
                await self._pool.open()
                self._opened = True
        async with self._pool.connection() as connection, connection.transaction():
            yield connection

    async def fetch_one(self, query: bytes, values: Mapping[str, Any]) -> DictRow | None:
        """Execute one statement in a transaction of its own; return its first row, if any."""
        rows = await self.fetch_all(query, values)
        return rows[0] if rows else None

    async def fetch_all(self, query: bytes, values: Mapping[str, Any]) -> list[DictRow]:
        """Execute one statement in a transaction of its own; return its rows."""
        async with self.transaction() as connection:
            return await self.execute(connection, query, values)

    async def execute(
        self, connection: Connection, query: bytes, values: Mapping[str, Any]
    ) -> list[DictRow]:
        """Execute one statement in the caller's transaction; the tenant is always named."""
        cursor = await connection.execute(query, {"tenant": self.tenant, **values})
        return await cursor.fetchall() if cursor.description else []

    async def close(self) -> None:
        """Close the connections."""
        if self._opened:
            await self._pool.close()


def is_outage(error: BaseException) -> bool:
    """Tell whether the database could not be reached or gave up; nothing of it is our fault."""
    return isinstance(error, OperationalError | PoolTimeout)
