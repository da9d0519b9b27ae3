"""What keeps the promises when something was lost: each worker looks after all of them.

Duties run side by side, each at its own pace; one that fails is logged and tried again. Where two
sweepers must not do the same thing at once, a lock of the transaction decides. A lock of the
session would let a hung sweeper keep everybody else from recovering.
"""

import asyncio
import logging
import os
import platform
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.cancelling import heed_cancellation
from engine.database import Connection, Database, statement
from engine.dispatch import Dispatcher
from engine.lease import APPLICATION_NAME
from engine.worker import Worker

# A ticket has this long to arrive before it counts as lost.
TICKET_GRACE_SECONDS = 1.0
REISSUE_LIMIT = 200
# Before everything that waits: somebody has been promised the rest of it longest.
RECOVERY_PRIORITY = 30
TIDY_SECONDS = 30.0
STATELESS_KEPT_SECONDS = 60.0
STATELESS_LIMIT = 200

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """Something to do again and again.

    Attributes:
        name: for the log.
        every_seconds: pause between two times.
        work: does it; what it returns is ignored.
    """

    name: str
    every_seconds: float
    work: Callable[[], Awaitable[Any]]


@dataclass(slots=True, kw_only=True)
class Sweeper:
    """Runs a worker's duties.

    Attributes:
        sweep_seconds: pause between two looks for lost work.
        heartbeat_seconds: how often the worker says that it is alive.
        hung_after_seconds: silence after which a worker's connections are ended.
        others: duties of other parts, such as timers and the outbox.
    """

    database: Database
    dispatcher: Dispatcher
    worker: Worker
    sweep_seconds: float = 0.5
    heartbeat_seconds: float = 2.0
    hung_after_seconds: float = 10.0
    others: Sequence[Duty] = ()
    _duties: list[Duty] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._duties = [
            Duty(name="beat", every_seconds=self.heartbeat_seconds, work=self.beat),
            Duty(name="recover", every_seconds=self.sweep_seconds, work=self.recover),
            Duty(name="tickets", every_seconds=TIDY_SECONDS, work=self.dispatcher.tidy),
            Duty(name="stateless", every_seconds=TIDY_SECONDS, work=self.delete_stateless),
            *self.others,
        ]

    async def run(self) -> None:
        """Do every duty until cancelled."""
        async with asyncio.TaskGroup() as group:
            for duty in self._duties:
                group.create_task(self._repeat(duty), name=f"holdfast {duty.name}")

    async def sweep_once(self) -> None:
        """Do every duty once, in order; failures are logged."""
        for duty in self._duties:
            await self._do(duty)

    async def beat(self) -> None:
        """Say that this worker is alive."""
        async with self.database.pool.connection() as connection:
            await connection.execute(
                statement("beat_worker"),
                {
                    "tenant": self.database.tenant,
                    "worker_id": self.worker.worker_id,
                    "host": platform.node(),
                    "pid": os.getpid(),
                    "concurrency": self.worker.concurrency,
                    "running": self.worker.running,
                    "draining": self.worker.draining,
                },
            )

    async def recover(self) -> int:
        """End what hangs and issue tickets for threads with due work that nobody holds.

        Returns how many tickets were issued; 0 when another worker is looking at the moment.
        """
        async with self.database.transaction() as connection:
            if not await self._leads(connection):
                return 0
            await self._end_hung_workers(connection)
            cursor = await connection.execute(
                statement("list_lost_threads"),
                {
                    "tenant": self.database.tenant,
                    "grace_seconds": TICKET_GRACE_SECONDS,
                    "limit": REISSUE_LIMIT,
                },
            )
            lost = {
                row["thread_id"]: RECOVERY_PRIORITY if row["begun"] else row["priority"]
                for row in await cursor.fetchall()
            }
            issued = await self.dispatcher.reissue(connection, lost) if lost else 0
        if issued:
            log.info("tickets_reissued", extra={"threads": issued})
        return issued

    async def delete_stateless(self) -> int:
        """Delete the threads of stateless runs that are over and were to leave nothing."""
        over: list[str] | None = None
        async with self.database.transaction() as connection:
            for _ in range(2):  # found, then looked at once more under the lock on their rows
                cursor = await connection.execute(
                    statement("list_stateless_threads"),
                    {
                        "tenant": self.database.tenant,
                        "thread_ids": over,
                        "kept_seconds": STATELESS_KEPT_SECONDS,
                        "limit": STATELESS_LIMIT,
                    },
                )
                over = [row["thread_id"] for row in await cursor.fetchall()]
                if not over:
                    return 0
            cursor = await connection.execute(
                statement("delete_stateless_threads"),
                {"tenant": self.database.tenant, "thread_ids": over},
            )
            return cursor.rowcount

    async def say_goodbye(self) -> None:
        """Forget this worker, which stops."""
        async with self.database.pool.connection() as connection:
            await connection.execute(
                statement("delete_worker"),
                {"tenant": self.database.tenant, "worker_id": self.worker.worker_id},
            )

    # Inside

    async def _leads(self, connection: Connection) -> bool:
        # A sweeper that is stopped in mid-look must not keep the others from looking.
        await connection.execute(statement("bound_sweep"))
        cursor = await connection.execute(
            statement("try_sweeper_lock"), {"tenant": self.database.tenant}
        )
        row = await cursor.fetchone()
        return row is not None and bool(row["taken"])

    async def _end_hung_workers(self, connection: Connection) -> None:
        cursor = await connection.execute(
            statement("end_hung_workers"),
            {
                "tenant": self.database.tenant,
                "worker_id": self.worker.worker_id,
                "hung_after_seconds": self.hung_after_seconds,
                "application_prefix": APPLICATION_NAME.format(worker_id=""),
            },
        )
        for row in await cursor.fetchall():
            log.warning(
                "hung_worker_ended",
                extra={"worker_id": row["worker_id"], "connections": row["connections"]},
            )

    async def _repeat(self, duty: Duty) -> None:
        while True:
            await self._do(duty)
            heed_cancellation()
            await asyncio.sleep(duty.every_seconds)

    async def _do(self, duty: Duty) -> None:
        try:
            await duty.work()
        except Exception as error:
            log.warning("duty_failed", extra={"duty": duty.name, "error": repr(error)})
