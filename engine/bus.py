"""Wake-ups between processes: one LISTEN connection each, many topics on one channel.

A wake-up is a hint, never a fact: whoever is woken reads the database again. So spurious ones are
allowed, and after a broken connection every subscriber is woken once.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import AsyncConnection
from psycopg.abc import Query

from engine.cancelling import end_task
from engine.database import Connection, Database

log = logging.getLogger(__name__)

CHANNEL = "holdfast"
LISTEN: Query = "LISTEN holdfast"
# It changes nothing: its commit need not wait for the disk.
HINT = b"SELECT set_config('synchronous_commit', 'off', true), pg_notify(%s, %s)"
MAX_HINTS = 50  # topics in one notification, which may have 8,000 bytes
RECONNECT_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)  # the last one repeats
# An idle connection that a firewall dropped looks alive; a query now and then finds out.
PROBE_SECONDS = 15.0
# After that whoever looked in vain, the database being away, looks again without a wake-up.
AWAY_SECONDS = 5.0

Handler = Callable[[str, str], None]


class Subscription:
    """One waiter on some topics; made by `Bus.subscribe`."""

    def __init__(self, topics: tuple[str, ...]) -> None:
        self.topics = topics
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Let the next (or the present) `wait` return true."""
        self._woken.set()

    async def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait for a wake-up since the last call; false when the time ran out first."""
        if not self._woken.is_set():
            try:
                async with asyncio.timeout(timeout_seconds):
                    await self._woken.wait()
            except TimeoutError:
                return False
        self._woken.clear()
        return True


class Bus:
    """The process's ear on the database; `open_bus` starts and stops it.

    Attributes:
        process_id: tells this process from every other one on the same database.
        connected: whether notifications arrive at the moment.
    """

    def __init__(self, database: Database) -> None:
        self.process_id = uuid4().hex
        self.connected = False
        self._database = database
        self._subscriptions: dict[str, set[Subscription]] = {}
        self._handlers: dict[str, Handler] = {}
        self._ready = asyncio.Event()
        self._hints: dict[str, None] = {}
        self._hinting: asyncio.Task[None] | None = None

    async def notify(self, connection: AsyncConnection[Any], topic: str, payload: str = "") -> None:
        """Wake the topic's subscribers in every process when the caller's transaction commits.

        The payload is for `handle` only and must stay below about 7 kB. Without a transaction the
        wake-up leaves at once.
        """
        message = json.dumps({"t": topic, "p": payload}, separators=(",", ":"))
        await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, message))

    def hint(self, *topics: str) -> None:
        """Wake the subscribers of some topics in every process soon.

        While one notification is under way the next topics gather: a busy process sends few. Each
        commit that notifies waits for every other one that does.
        """
        self._hints.update(dict.fromkeys(topics))
        if self._hinting is None or self._hinting.done():
            self._hinting = asyncio.create_task(self._send_hints(), name="holdfast hints")

    async def settle(self) -> None:
        """Wait until what was hinted at is sent."""
        if self._hinting is not None:
            await self._hinting

    @asynccontextmanager
    async def subscribe(self, *topics: str) -> AsyncIterator[Subscription]:
        """Yield one subscription to all the topics, in force before the body starts."""
        subscription = self.attach(*topics)
        try:
            yield subscription
        finally:
            self.detach(subscription)

    def attach(self, *topics: str) -> Subscription:
        """Return a subscription that is in force from now on, until `detach`."""
        subscription = Subscription(topics)
        for topic in topics:
            self._subscriptions.setdefault(topic, set()).add(subscription)
        return subscription

    def detach(self, subscription: Subscription) -> None:
        """End a subscription; doing so twice is no fault."""
        for topic in subscription.topics:
            self._discard(topic, subscription)

    def handle(self, topic: str, handler: Handler) -> None:
        """Call `handler(topic, payload)` at each notification, and with "" after a reconnection."""
        self._handlers[topic] = handler

    def wake_locally(self, topic: str) -> None:
        """Wake this process's subscribers of a topic without going through the database."""
        for subscription in tuple(self._subscriptions.get(topic, ())):
            subscription.wake()

    async def wait_connected(self, timeout_seconds: float) -> None:
        """Wait until the process listens.

        Raises:
            TimeoutError: it does not within the time.
        """
        async with asyncio.timeout(timeout_seconds):
            await self._ready.wait()

    async def _send_hints(self) -> None:
        while self._hints:
            topics = list(self._hints)[:MAX_HINTS]
            message = json.dumps({"t": topics, "p": ""}, separators=(",", ":"))
            for topic in topics:
                del self._hints[topic]
            try:
                async with self._database.pool.connection() as connection:
                    await connection.execute(HINT, (CHANNEL, message))
            except (psycopg.Error, OSError) as error:
                # Whoever waits elsewhere looks by itself in a while.
                log.warning("hints_lost", extra={"topics": len(topics), "error": str(error)})

    def _discard(self, topic: str, subscription: Subscription) -> None:
        members = self._subscriptions.get(topic)
        if members is None:
            return
        members.discard(subscription)
        if not members:
            del self._subscriptions[topic]

    async def listen(self) -> None:
        """Listen until cancelled; a lost connection is opened again."""
        failures = 0
        while True:
            try:
                connection = await self._database.connect(application_name="holdfast bus")
                async with connection:
                    await connection.execute(LISTEN)
                    failures = 0
                    self.connected = True
                    self._ready.set()
                    self._wake_all()
                    await self._receive(connection)
            except psycopg.Error as error:
                pause = RECONNECT_SECONDS[min(failures, len(RECONNECT_SECONDS) - 1)]
                failures += 1
                log.warning("bus disconnected", extra={"error": str(error), "retry_seconds": pause})
                await asyncio.sleep(pause)
            finally:
                self.connected = False
                self._ready.clear()

    async def _receive(self, connection: Connection) -> None:
        while True:
            async for notification in connection.notifies(timeout=PROBE_SECONDS):
                self._dispatch(notification.payload)
            await connection.execute("SELECT 1")

    def _dispatch(self, message: str) -> None:
        try:
            decoded = json.loads(message)
            named, payload = decoded["t"], str(decoded["p"])
        except (ValueError, KeyError, TypeError):
            log.warning("foreign notification ignored", extra={"channel": CHANNEL})
            return
        for topic in [named] if isinstance(named, str) else named:
            self.wake_locally(topic)
            handler = self._handlers.get(topic)
            if handler is not None:
                handler(topic, payload)

    def _wake_all(self) -> None:
        for topic in tuple(self._subscriptions):
            self.wake_locally(topic)
        for topic, handler in self._handlers.items():
            handler(topic, "")


@asynccontextmanager
async def open_bus(database: Database, *, timeout_seconds: float = 10.0) -> AsyncIterator[Bus]:
    """Start to listen, yield the bus once it hears, and stop at the end.

    Raises:
        TimeoutError: the database cannot be reached.
    """
    bus = Bus(database)
    task = asyncio.create_task(bus.listen(), name="holdfast bus")
    try:
        await bus.wait_connected(timeout_seconds)
        yield bus
        await bus.settle()
    finally:
        await end_task(task)
