"""The engine's way to Postgres: one pool, short transactions, SQL from files."""

import select
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

Connection = AsyncConnection[DictRow]

DEFAULT_TENANT = "default"

# A hung database must fail one operation, not freeze a process.
SESSION_OPTIONS = (
    "-c statement_timeout=10s -c lock_timeout=3s -c idle_in_transaction_session_timeout=10s"
)
# So must a network that swallows packets: libpq would wait for minutes. What the connection string
# says itself counts.
NETWORK_OPTIONS: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # milliseconds
}
POOL_TIMEOUT_SECONDS = 5.0
# How long the pool tries to open one connection, with pauses that double, before the next request
# begins anew: the longest pause is what a server that is back waits for.
RECONNECT_SECONDS = 2.0
CONNECTION_MAX_LIFETIME_SECONDS = 30 * 60.0


@cache
def statement(name: str) -> bytes:
    """Return the text of `engine/sql/<name>.sql`."""
    return (files("engine") / "sql" / f"{name}.sql").read_bytes()


class Pool(AsyncConnectionPool[Connection]):
    """A pool that looks at a connection before it hands it out."""

    async def getconn(self, timeout: float | None = None) -> Connection:  # noqa: ASYNC109 (its base)
        """Return a connection that lives, without a round trip unless something speaks against it.

        psycopg_pool's own `check` pauses 1, 2, 4 s between the connections that it finds lost;
        after a restart of the server that is all of them, and the request times out.
        """
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            connection = await super().getconn(max(deadline - time.monotonic(), 0.0))
            try:
                if has_news(connection):
                    await self.check_connection(connection)
                return connection
            except BaseException as error:
                await self.putconn(connection)  # which opens another in the place of a lost one
                if not isinstance(error, psycopg.Error):
                    raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """An open pool and the tenant whose rows this process works on."""

    conninfo: str
    pool: Pool
    tenant: str = DEFAULT_TENANT
    _committed: dict[int, list[Callable[[], None]]] = field(default_factory=dict)

    @asynccontextmanager
    async def transaction(self, *, pipelined: bool = False) -> AsyncIterator[Connection]:
        """Yield a connection in one transaction: committed at the end, undone by an exception.

        With `pipelined` its statements travel together: only a result that is fetched is waited
        for, and what is wrong with a statement that returns none shows at the end.
        """
        async with self.pool.connection() as connection:
            callbacks: list[Callable[[], None]] = []
            self._committed[id(connection)] = callbacks
            try:
                async with travelling(connection) if pipelined else connection.transaction():
                    yield connection
            finally:
                del self._committed[id(connection)]
            for callback in callbacks:
                callback()

    def after_commit(self, connection: Connection, callback: Callable[[], None]) -> bool:
        """Call back once the transaction of this connection is committed.

        Returns false, and never calls, when it is not one that `transaction` began.
        """
        callbacks = self._committed.get(id(connection))
        if callbacks is None:
            return False
        callbacks.append(callback)
        return True

    async def delete_in_batches(
        self, name: str, parameters: Mapping[str, Any], *, limit: int
    ) -> int:
        """Execute a deleting statement with a `limit` until it finds less; returns the rows gone.

        Each batch is a transaction of its own, so that no lock is held for long.
        """
        removed = 0
        while True:
            async with self.transaction() as connection:
                cursor = await connection.execute(
                    statement(name), {"tenant": self.tenant, **parameters, "limit": limit}
                )
            removed += cursor.rowcount
            if cursor.rowcount < limit:
                return removed

    async def connect(self, *, application_name: str) -> Connection:
        """Open a connection of its own, autocommit, outside the pool; the caller closes it."""
        return await AsyncConnection.connect(
            self.conninfo,
            autocommit=True,
            row_factory=dict_row,
            prepare_threshold=0,
            options=SESSION_OPTIONS,
            application_name=application_name,
            **network_options(self.conninfo),
        )


@asynccontextmanager
async def travelling(connection: Connection) -> AsyncIterator[None]:
    """Make the block one transaction whose statements travel together, BEGIN and COMMIT included.

    Within a pipeline `connection.transaction()` would wait for the server three times at its end.
    """
    try:
        async with connection.pipeline():
            await connection.execute("BEGIN")
            yield
            await connection.execute("COMMIT")
    except BaseException:
        if connection.info.transaction_status in (
            TransactionStatus.INTRANS,
            TransactionStatus.INERROR,
        ):
            with suppress(psycopg.Error):  # then the connection is broken, and known to be
                await connection.rollback()
        raise


def has_news(connection: Connection) -> bool:
    """Tell whether an idle connection has something to read: of a healthy one, nothing.

    A server that closed it has left a word on the socket.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def network_options(conninfo: str) -> dict[str, Any]:
    """Return those of `NETWORK_OPTIONS` that a connection string leaves open."""
    said = conninfo_to_dict(conninfo)
    return {name: value for name, value in NETWORK_OPTIONS.items() if name not in said}


@asynccontextmanager
async def open_database(
    conninfo: str, *, max_connections: int, tenant: str = DEFAULT_TENANT
) -> AsyncIterator[Database]:
    """Open the pool, check that the server answers, and close it at the end.

    Raises:
        psycopg_pool.PoolTimeout: the server cannot be reached.
    """
    pool = Pool(
        conninfo,
        connection_class=AsyncConnection[DictRow],
        kwargs={
            "autocommit": True,
            "row_factory": dict_row,
            "prepare_threshold": 0,
            "options": SESSION_OPTIONS,
            "application_name": "holdfast",
            **network_options(conninfo),
        },
        min_size=min(4, max_connections),
        max_size=max_connections,
        timeout=POOL_TIMEOUT_SECONDS,
        max_lifetime=CONNECTION_MAX_LIFETIME_SECONDS,
        reconnect_timeout=RECONNECT_SECONDS,
        open=False,
    )
    async with pool:
        await pool.wait(POOL_TIMEOUT_SECONDS)
        yield Database(conninfo=conninfo, pool=pool, tenant=tenant)
