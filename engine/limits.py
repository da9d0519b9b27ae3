"""Limits that keep accepted work healthy: how long the queue may be, how many calls at once."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import psycopg

from engine.bus import Bus
from engine.database import Connection, Database, has_news, statement
from engine.errors import OverloadedError

# Counting for every request would cost more than the limit is worth.
MEASURE_SECONDS = 1.0
RETRY_AFTER_SECONDS = 5
PERMIT_RECHECK_SECONDS = 2.0

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class QueueGuard:
    """Refuses new input while too much of it waits; answers to questions always pass.

    Attributes:
        max_depth: runs that could start but have not, beyond which input is refused for now (429).
        max_age_seconds: age of the oldest of them beyond which the service is unavailable (503).
    """

    database: Database
    max_depth: int = 10_000
    max_age_seconds: float = 600.0
    _measured_at: float = field(default=-MEASURE_SECONDS, init=False)
    _depth: int = field(default=0, init=False)
    _age_seconds: float = field(default=0.0, init=False)

    async def check(self, connection: Connection) -> None:
        """Let a new run pass, or not.

        Raises:
            OverloadedError: the queue is too long, or nobody works it off.
        """
        now = time.monotonic()
        if now - self._measured_at >= MEASURE_SECONDS:
            self._measured_at = now
            await self._measure(connection)
        if self._age_seconds > self.max_age_seconds:
            raise OverloadedError(
                f"the oldest run has waited {self._age_seconds:.0f} s; is a worker running?",
                retry_after_seconds=RETRY_AFTER_SECONDS,
                unavailable=True,
            )
        if self._depth >= self.max_depth:
            raise OverloadedError(
                f"{self._depth} runs wait; come back later",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        self._depth += 1

    async def _measure(self, connection: Connection) -> None:
        cursor = await connection.execute(
            statement("measure_queue"),
            {"tenant": self.database.tenant, "limit": self.max_depth},
        )
        row = await cursor.fetchone()
        if row is not None:
            self._depth = int(row["depth"])
            self._age_seconds = float(row["age_seconds"])


class Permits:
    """So many holders at once under a name, over all processes on the database.

    A place is a session advisory lock on one connection of this process: a process that dies
    gives its places free at once. Who holds one when the connection is lost goes on without; who
    waits for one outlasts an absence of the database.
    """

    def __init__(self, *, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self._connection: Connection | None = None
        self._lock = asyncio.Lock()
        self._held: dict[str, set[int]] = {}

    @asynccontextmanager
    async def hold(self, name: str, *, places: int) -> AsyncIterator[None]:
        """Wait for one of `places` places under `name`, and hold it in the block."""
        place, connection = await self._take(name, places)
        try:
            yield
        finally:
            await asyncio.shield(self._return(name, place, connection))

    async def close(self) -> None:
        """Close the connection; every place is free again."""
        async with self._lock:
            if self._connection is not None:
                await self._connection.close()
                self._connection = None

    async def _take(self, name: str, places: int) -> tuple[int, Connection]:
        async with self._bus.subscribe(f"permit:{name}") as subscription:
            while True:
                try:
                    taken = await self._try(name, places)
                except psycopg.OperationalError as error:
                    log.warning("permit_delayed", extra={"permit": name, "error": str(error)})
                    taken = None
                if taken is not None:
                    return taken
                # A process that died gives places free without telling.
                await subscription.wait(PERMIT_RECHECK_SECONDS)

    async def _try(self, name: str, places: int) -> tuple[int, Connection] | None:
        async with self._lock:
            connection = await self._connect()
            cursor = await connection.execute(
                statement("take_permit"),
                {
                    "tenant": self._database.tenant,
                    "name": name,
                    "places": places,
                    "held": sorted(self._held.get(name, ())),
                },
            )
            row = await cursor.fetchone()
            if row is None:
                return None
            place = int(row["place"])
            self._held.setdefault(name, set()).add(place)
            return place, connection

    async def _return(self, name: str, place: int, connection: Connection) -> None:
        async with self._lock:
            if connection is not self._connection or connection.closed:
                return  # the place went with the connection
            self._held[name].discard(place)
            with suppress(psycopg.OperationalError):  # then the place went with the connection
                await connection.execute(
                    statement("return_permit"),
                    {"tenant": self._database.tenant, "name": name, "place": place},
                )
                await self._bus.notify(connection, f"permit:{name}")

    async def _connect(self) -> Connection:
        if self._connection is not None and not self._connection.closed:
            if not has_news(self._connection):
                return self._connection
            await self._connection.close()
        self._connection = await self._database.connect(application_name="holdfast permits")
        self._held = {}
        return self._connection
