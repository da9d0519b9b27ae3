"""One worker per thread: the lease is a lock of the database session that also does the writing.

Lease, fence and liveness are one thing. While the connection lives, nobody else runs the thread;
when it is lost (the process died, the network broke, another worker ended its backend) the lock is
free at once and nothing more can be written through it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import psycopg
from psycopg import AsyncCursor
from psycopg.rows import DictRow

from engine.database import Connection, Database, has_news, statement, travelling
from engine.errors import EngineError
from engine.saver import bounded, sever

# Read by `end_hung_workers.sql` and `end_backend.sql`: the name tells whose connection it is.
APPLICATION_NAME = "holdfast run {worker_id}"
# Longer than the server lets any one statement take.
ACCEPT_TIMEOUT_SECONDS = 15.0


class LeaseLostError(EngineError):
    """The connection that holds a thread is gone; another worker may have the thread by now."""


@dataclass(slots=True, kw_only=True)
class LeaseConnection:
    """A connection that holds at most one thread at a time."""

    connection: Connection
    backend_pid: int
    tenant: str
    thread_id: str | None = None

    @property
    def lost(self) -> bool:
        """Whether the connection is known to be gone, or the server said something unasked."""
        return self.connection.closed or self.connection.broken or has_news(self.connection)

    @asynccontextmanager
    async def take(self, thread_id: str) -> AsyncIterator[Connection]:
        """Yield the connection in a transaction that takes the thread's lease, if it is free.

        What the block executes travels along, and need not be on disk at the end. `thread_id` is
        set afterwards if the lease is ours.
        """
        with bounded(self.connection):
            async with self.connection.pipeline():
                await self.connection.execute(statement("hurry"))
                cursor = await self._try(thread_id)
                yield self.connection
            await self._learn(thread_id, cursor)

    @asynccontextmanager
    async def accept(self, thread_id: str, *, pipelined: bool) -> AsyncIterator[Connection]:
        """Yield the connection in a durable transaction that takes the thread's lease, if free.

        Args:
            thread_id: afterwards the attribute, if the lease is ours: also after an exception
                that has undone the rest.
            pipelined: as for `Database.transaction`.
        """
        connection = self.connection
        cursor: AsyncCursor[DictRow] | None = None
        try:
            with bounded(connection, ACCEPT_TIMEOUT_SECONDS):
                async with travelling(connection) if pipelined else connection.transaction():
                    cursor = await self._try(thread_id)
                    yield connection
        finally:
            if cursor is not None and not self.connection.broken:
                await self._learn(thread_id, cursor)

    async def release(self) -> bool:
        """Give the thread free; return whether it has more to do.

        The look comes after the unlocking: a ticket that found the lease taken a moment before
        was for a run that is visible now.
        """
        key = {"tenant": self.tenant, "thread_id": self.thread_id}
        with bounded(self.connection):
            async with self.connection.pipeline():
                await self.connection.execute(statement("release_lease"), key)
                cursor = await self.connection.execute(statement("is_run_due"), key)
            row = await cursor.fetchone()
        self.thread_id = None
        return row is not None and bool(row["due"])

    async def _try(self, thread_id: str) -> AsyncCursor[DictRow]:
        return await self.connection.execute(
            statement("try_lease"), {"tenant": self.tenant, "thread_id": thread_id}
        )

    async def _learn(self, thread_id: str, cursor: AsyncCursor[DictRow]) -> None:
        row = await cursor.fetchone()
        if row is not None and row["taken"] == "true":
            self.thread_id = thread_id

    async def close(self) -> None:
        """Close the connection, and with it the lease, without a word to a server that hangs.

        Whoever waits on it, a heartbeat for instance, hears of that first: uvloop ends the process
        when a socket is closed that it still watches (libuv/libuv#5130).
        """
        sever(self.connection)
        async with self.connection.lock:
            with suppress(psycopg.Error):
                await self.connection.close()


async def open_lease_connection(database: Database, worker_id: str) -> LeaseConnection:
    """Open a connection for the runs of one place of a worker."""
    connection = await database.connect(
        application_name=APPLICATION_NAME.format(worker_id=worker_id)
    )
    # Asked for now: a broken connection does not know it any more.
    return LeaseConnection(
        connection=connection,
        backend_pid=connection.info.backend_pid,
        tenant=database.tenant,
    )
