"""Tickets as Procrastinate jobs in the same Postgres."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, LiteralString

import procrastinate
import psycopg
from procrastinate.app import WorkerOptions
from procrastinate.connector import Notify
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Status
from psycopg import sql

from engine.cancelling import heed_cancellation
from engine.database import Connection, Database, statement
from engine.dispatch import Handler

QUEUE = "holdfast"
TASK = "holdfast.drain_thread"
# Delayed jobs send no notification when their time comes.
POLL_SECONDS = 1.0
STALLED_SECONDS = 30.0
RESTART_SECONDS = 0.25
# An idle connection that a firewall dropped looks alive; a query now and then finds out.
PROBE_SECONDS = 15.0
WORKER_OPTIONS: WorkerOptions = {
    "queues": [QUEUE],
    "install_signal_handlers": False,
    "fetch_job_polling_interval": POLL_SECONDS,
    "delete_jobs": "always",
    "stalled_worker_timeout": STALLED_SECONDS,
}

log = logging.getLogger(__name__)


class _Connector(procrastinate.PsycopgConnector):
    """Procrastinate's own, which cannot listen beside a pool of autocommit connections."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        """Execute what nobody waits for: a ticket's removal, a heartbeat, a goodbye.

        Lost with its connection it is done once more and then let be. Procrastinate would give no
        heartbeat any more after the first one that failed.
        """
        for _ in range(2):
            try:
                await super().execute_query_async(query, **arguments)
            except ConnectorException as error:
                log.warning("ticket not tidied", extra={"error": str(error.__cause__ or error)})
            else:
                return

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """Call `on_notification` for every notification until cancelled.

        A lost connection is opened again: Procrastinate would go on without, by polling alone.
        """
        listening = sql.SQL("; ").join(
            sql.SQL("LISTEN {}").format(sql.Identifier(channel)) for channel in channels
        )
        while True:
            try:
                connection = await self._database.connect(application_name="holdfast tickets")
                async with connection:
                    await connection.execute(listening)
                    await _pass_on(connection, on_notification)
            except (psycopg.Error, OSError) as error:
                log.warning("ticket notifications lost", extra={"error": str(error)})
            heed_cancellation()
            await asyncio.sleep(RESTART_SECONDS)


async def _pass_on(connection: Connection, on_notification: Notify) -> None:
    while True:
        async for notification in connection.notifies(timeout=PROBE_SECONDS):
            await on_notification(channel=notification.channel, payload=notification.payload)
        await connection.execute("SELECT 1")


class ProcrastinateDispatcher:
    """A queue of tickets; made by `open_dispatcher`."""

    def __init__(self, app: procrastinate.App) -> None:
        self._app = app
        self._handler: Handler | None = None
        self._at_work: set[asyncio.Task[None]] = set()
        app.task(name=TASK, queue=QUEUE)(self._drain_thread)

    async def enqueue(
        self,
        connection: Connection,
        thread_id: str,
        *,
        not_before: datetime | None = None,
        priority: int = 0,
    ) -> None:
        """Issue a ticket within the caller's transaction."""
        task = self._app.configure_task(
            TASK,
            queue=QUEUE,
            priority=priority,
            schedule_at=not_before,
            connection=connection,
        )
        with _database_errors():
            await task.defer_async(thread_id=thread_id)

    async def reissue(self, connection: Connection, priorities: Mapping[str, int]) -> int:
        """Issue tickets for those of the threads that have none waiting; return how many."""
        cursor = await connection.execute(
            statement("list_threads_without_ticket"),
            {
                "queue": QUEUE,
                "task": TASK,
                "thread_ids": list(priorities),
                "priorities": list(priorities.values()),
            },
        )
        missing = [row["thread_id"] for row in await cursor.fetchall()]
        for thread_id in missing:
            await self.enqueue(connection, thread_id, priority=priorities[thread_id])
        return len(missing)

    async def consume(self, handler: Handler, *, concurrency: int) -> None:
        """Hand tickets to `handler` until cancelled, whatever happens to the database."""
        while True:
            try:
                # After an error new tickets must not wait until what is in hand is done.
                await self._work(
                    handler, {"concurrency": concurrency, "shutdown_graceful_timeout": 0.0}
                )
            except (psycopg.Error, OSError) as error:
                log.warning("ticket queue lost", extra={"error": str(error)})
            heed_cancellation()  # the error may have come instead, from saying goodbye
            await asyncio.sleep(RESTART_SECONDS)

    async def drain(self, handler: Handler, *, concurrency: int) -> None:
        """Hand the tickets that are due now to `handler` and return when they are done."""
        await self._work(
            handler, {"concurrency": concurrency, "wait": False, "listen_notify": False}
        )

    async def tidy(self) -> None:
        """Remove the tickets that were in the hands of consumers that died."""
        manager = self._app.job_manager
        with _database_errors():
            for job in await manager.get_stalled_jobs(
                queue=QUEUE, seconds_since_heartbeat=STALLED_SECONDS
            ):
                if job.id is not None:
                    await manager.finish_job_by_id_async(job.id, Status.FAILED, delete_job=True)

    async def _drain_thread(self, thread_id: str) -> None:
        if self._handler is None:
            return
        task = asyncio.create_task(self._handler(thread_id), name=f"holdfast ticket {thread_id}")
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)
        await asyncio.shield(task)  # it goes on when the queue gives the ticket up

    async def _work(self, handler: Handler, options: WorkerOptions) -> None:
        self._handler = handler
        with _database_errors():
            await self._app.run_worker_async(**(WORKER_OPTIONS | options))


@contextmanager
def _database_errors() -> Iterator[None]:
    """Raise what the database said, not the queue's name for it, which no caller knows."""
    try:
        yield
    except ConnectorException as error:
        if isinstance(error.__cause__, psycopg.Error):
            raise error.__cause__ from None
        raise psycopg.OperationalError(str(error)) from error


@asynccontextmanager
async def open_dispatcher(database: Database) -> AsyncIterator[ProcrastinateDispatcher]:
    """Use the process's own pool for tickets."""
    # One line for every ticket would drown the log; what fails is a warning.
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
    app = procrastinate.App(connector=_Connector(database))
    async with app.open_async(database.pool):
        yield ProcrastinateDispatcher(app)
