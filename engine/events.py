"""The events of runs: handed to followers at once, kept for those who come back or sit elsewhere.

A run that nobody follows records nothing. Followers in the executing process are served from
memory; a follower in another process announces its interest on the bus, and from then on the
events go through the table `run_events`, many runs in one statement. A resumable run's events
are always kept. Ids grow along a thread, from run to run.
"""

import asyncio
import json
import logging
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg

from engine.bus import AWAY_SECONDS, Bus, Subscription
from engine.cancelling import end_task
from engine.database import Database
from engine.event_table import (
    EventTable,
    KeptEvent,
    Recorded,
    identifier,
    kind_of,
    run_key,
    thread_key,
)
from engine.streaming import StreamEvent
from engine.wire import to_json

log = logging.getLogger(__name__)

FOLLOW_TOPIC = "follow"
# A run's ids come from a block of its own, so that one number orders a whole thread.
BLOCK_SIZE = 1 << 20
ANNOUNCE_SECONDS = 10.0
INTEREST_SECONDS = 30.0  # three announcements
MAX_FOLLOWER_QUEUE = 10_000  # events; a client that reads slower than that is let go
MAX_PENDING_BYTES = 4 * 1_048_576  # not yet written; beyond it runs wait for the database
MAX_BATCH_ROWS = 1_000
RUN_DONE = "thread/run_done"
QUESTION = "v2/input.requested"


class Recording:
    """The events of one attempt of one run; made by `Events.record`."""

    def __init__(
        self, events: "Events", *, run_id: str, thread_id: str, kept: bool, followed_elsewhere: bool
    ) -> None:
        self.run_id = run_id
        self.thread_id = thread_id
        self._events = events
        self._kept = kept
        self._followed_elsewhere = followed_elsewhere
        self._next_seq: int | None = None
        self._held: list[StreamEvent] = []
        self._finishing = False

    def wanted(self) -> bool:
        """Tell whether anybody would see an event, now or later."""
        return self._stored() or self._events.has_local_follower(self.run_id, self.thread_id)

    async def append(self, event: StreamEvent) -> None:
        """Hand an event to followers and, when needed, to the table.

        A question is held back until `finish`: nobody can answer it before it is written down.
        """
        if event.event == QUESTION and not self._finishing:
            self._held.append(event)
            return
        stored = self._stored()
        seq = await self._take_seq() if stored else None
        recorded = Recorded(self.run_id, seq, event)
        self._events.deliver(self.thread_id, recorded)
        if seq is not None:
            announce = self._announced()
            row = KeptEvent(self.run_id, seq, self.thread_id, event, announce)
            await self._events.keep(row)

    async def flush(self) -> None:
        """Wait until everything appended so far can be read elsewhere.

        Called before the run's row becomes final: whoever sees the end finds every event.
        """
        await self._events.flush()

    async def finish(self, status: str) -> None:
        """Tell the followers of the thread that the run ended; called after its row is final."""
        self._finishing = True
        for event in self._held:
            await self.append(event)
        if self.wanted():
            data = to_json({"status": "run_done", "run_id": self.run_id, "result": status})
            await self.append(StreamEvent(RUN_DONE, data))

    def _stored(self) -> bool:
        return self._kept or self._announced() or self._events.is_numbered(self.thread_id)

    def _announced(self) -> bool:
        return self._followed_elsewhere or self._events.has_remote_follower(
            self.run_id, self.thread_id
        )

    async def _take_seq(self) -> int:
        if self._next_seq is None or self._next_seq % BLOCK_SIZE == 0:
            self._next_seq = await self._events.table.next_block() * BLOCK_SIZE + 1
        seq = self._next_seq
        self._next_seq += 1
        return seq


class Events:
    """Follow and record; `open_events` starts and stops the writer.

    Attributes:
        table: what was kept.
    """

    def __init__(self, *, database: Database, bus: Bus) -> None:
        self.table = EventTable(database=database)
        self._database = database
        self._bus = bus
        self._followers: dict[str, set[Following]] = {}
        self._active: dict[str, Recording] = {}
        self._numbered: Counter[str] = Counter()  # threads whose followers need numbers
        self._interest: dict[str, float] = {}  # what other processes follow -> when it lapses
        self._pending: deque[KeptEvent] = deque()
        self._pending_bytes = 0
        self._acknowledge: set[str] = set()
        self._work = asyncio.Event()
        self._written = asyncio.Condition()
        self._appended = 0
        self._stored = 0
        bus.handle(FOLLOW_TOPIC, self._on_follow)

    # Recording

    @asynccontextmanager
    async def record(
        self,
        *,
        run_id: str,
        thread_id: str,
        resumable: bool = False,
        followed_by: str | None = None,
    ) -> AsyncIterator[Recording]:
        """Yield the recording of one attempt; at the end local followers look at the run's row.

        `followed_by` is the `process_id` of the bus in the process whose client waits for the
        first event. Leave the block after the run's row is final and `finish` was told.
        """
        recording = Recording(
            self,
            run_id=run_id,
            thread_id=thread_id,
            kept=resumable,
            followed_elsewhere=followed_by not in (None, self._bus.process_id),
        )
        self._active[run_id] = recording
        try:
            yield recording
        finally:
            del self._active[run_id]
            for key in (run_key(run_id), thread_key(thread_id)):
                for follower in self._followers.get(key, ()):
                    follower.wake()

    def deliver(self, thread_id: str, recorded: Recorded) -> None:
        """Give an event to the followers in this process."""
        for key in (run_key(recorded.run_id), thread_key(thread_id)):
            for follower in self._followers.get(key, ()):
                follower.put(recorded)

    async def keep(self, row: KeptEvent) -> None:
        """Queue a row for the table; waits only when the database is far behind."""
        self._pending.append(row)
        self._pending_bytes += len(row.event.data)
        self._appended += 1
        self._work.set()
        if self._pending_bytes > MAX_PENDING_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Wait until the rows queued so far are written (or given up, with a log line)."""
        goal = self._appended
        async with self._written:
            await self._written.wait_for(lambda: self._stored >= goal)

    def has_local_follower(self, run_id: str, thread_id: str) -> bool:
        """Tell whether somebody in this process follows the run or its thread."""
        return run_key(run_id) in self._followers or thread_key(thread_id) in self._followers

    def is_numbered(self, thread_id: str) -> bool:
        """Tell whether somebody in this process follows the thread by number."""
        return thread_key(thread_id) in self._numbered

    def has_remote_follower(self, run_id: str, thread_id: str) -> bool:
        """Tell whether another process said lately that it follows the run or its thread."""
        if not self._interest:
            return False
        now = time.monotonic()
        return any(
            self._interest.get(key, 0.0) > now for key in (run_key(run_id), thread_key(thread_id))
        )

    # Following

    def follow_run(
        self, run_id: str, *, after: int | None = None, fresh: bool = False
    ) -> "Following":
        """Follow a run until it has ended; nothing is missed from this call on.

        `after` is the id of the last event seen: what was kept beyond it comes first (-1: all);
        None starts with what happens from now on. `fresh` suits a run that does not exist yet and
        whose row will name this process as its follower: all its events, and nothing is asked of
        the database before the first of them.
        """
        return Following(self, run_key(run_id), after=after, fresh=fresh)

    def follow_thread(
        self, thread_id: str, *, after: int | None = None, numbered: bool = False
    ) -> "Following":
        """Follow the runs of a thread, one after the other, until closed.

        `numbered` has every event kept, for clients that come back by number whatever the run.
        """
        return Following(self, thread_key(thread_id), after=after, numbered=numbered)

    def attach(self, key: str, follower: "Following") -> Subscription:
        """Let a follower hear of the events of a run or a thread."""
        self._followers.setdefault(key, set()).add(follower)
        if follower.numbered:
            self._numbered[key] += 1
        own = (key,) if kind_of(key) == "run" else ()  # `run:<id>` also tells of its end
        return self._bus.attach(f"events:{key}", *own)

    def detach(self, key: str, follower: "Following", subscription: Subscription) -> None:
        """End what `attach` began; doing so twice is no fault."""
        self._bus.detach(subscription)
        members = self._followers.get(key, set())
        if follower not in members:
            return
        members.discard(follower)
        if not members:
            del self._followers[key]
        if follower.numbered:
            self._numbered[key] -= 1
            self._numbered += Counter()  # drops what fell to zero

    async def get_thread_seq(self, thread_id: str) -> int:
        """Return the id of a thread's last kept event, -1 without one."""
        return await self.table.get_last_seq(thread_key(thread_id))

    async def is_over(self, key: str) -> bool:
        """Tell whether what is followed has ended: a run that is final or gone."""
        if kind_of(key) != "run" or self.is_local(key):
            return False
        return await self.table.is_run_over(identifier(key))

    def is_local(self, key: str) -> bool:
        """Tell whether this process executes the run, or one of the thread."""
        if kind_of(key) == "run":
            return identifier(key) in self._active
        thread_id = identifier(key)
        return any(recording.thread_id == thread_id for recording in self._active.values())

    # Between processes

    async def announce(self, key: str) -> None:
        """Tell the other processes that somebody here follows a run or a thread."""
        with suppress(psycopg.Error):  # said again in a moment
            async with self._database.pool.connection() as connection:
                payload = json.dumps({"by": self._bus.process_id, "key": key})
                await self._bus.notify(connection, FOLLOW_TOPIC, payload)

    def _on_follow(self, _topic: str, payload: str) -> None:
        if not payload:
            return
        message = json.loads(payload)
        if message["by"] == self._bus.process_id:
            return
        now = time.monotonic()
        for key in [key for key, until in self._interest.items() if until <= now]:
            del self._interest[key]
        key = str(message["key"])
        is_new = key not in self._interest
        self._interest[key] = now + INTEREST_SECONDS
        if is_new and self.is_local(key):
            # Rows written between its reading and our hearing were not announced.
            self._acknowledge.add(key)
            self._work.set()

    async def write(self) -> None:
        """Write queued rows until cancelled: while one statement runs, the next batch gathers."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._pending or self._acknowledge:
                batch = [
                    self._pending.popleft() for _ in range(min(len(self._pending), MAX_BATCH_ROWS))
                ]
                keys = self._acknowledge
                self._acknowledge = set()
                for row in batch:
                    self._pending_bytes -= len(row.event.data)
                    if row.announce:
                        keys |= {run_key(row.run_id), thread_key(row.thread_id)}
                try:
                    await self._insert(batch, keys)
                except psycopg.Error as error:
                    log.warning("events lost", extra={"rows": len(batch), "error": str(error)})
                finally:
                    self._stored += len(batch)
                    async with self._written:
                        self._written.notify_all()

    async def _insert(self, batch: list[KeptEvent], keys: set[str]) -> None:
        async with self._database.transaction() as connection:
            if batch:
                await self.table.insert(connection, batch)
            for key in keys:
                await self._bus.notify(connection, f"events:{key}")


class Following:
    """One client's way along a run or a thread: what was kept first, then what happens.

    Iterate once; close it when the client leaves early.
    """

    def __init__(
        self,
        events: Events,
        key: str,
        *,
        after: int | None,
        fresh: bool = False,
        numbered: bool = False,
    ) -> None:
        self.numbered = numbered
        self._events = events
        self._key = key
        self._after = after
        self._fresh = fresh
        self._queue: deque[Recorded] = deque()
        self._overrun = False
        self._subscription = events.attach(key, self)

    def put(self, recorded: Recorded) -> None:
        """Take an event that happened in this process."""
        if len(self._queue) >= MAX_FOLLOWER_QUEUE:
            self._overrun = True
        else:
            self._queue.append(recorded)
        self.wake()

    def wake(self) -> None:
        """Look again: at the queue, the table, the run's row."""
        self._subscription.wake()

    def close(self) -> None:
        """Stop following; what comes now costs nothing any more."""
        self._events.detach(self._key, self, self._subscription)

    async def __aiter__(self) -> AsyncIterator[Recorded]:
        """Yield each event once, in order; end with the run, or when the client is too slow.

        Outlasts an absence of the database.
        """
        try:
            last: int | None = None
            backlog, over = self._after is not None, False
            while not self._overrun:
                try:
                    if last is None:
                        last = await self._begin()
                    async for recorded in self._news(last, backlog=backlog):
                        last = recorded.seq if recorded.seq is not None else last
                        yield recorded
                    if over:
                        return
                    backlog = False
                    if await self._events.is_over(self._key):
                        over = True  # one more look: events may have come just before the end
                    elif not await self._subscription.wait(ANNOUNCE_SECONDS):
                        await self._events.announce(self._key)
                except psycopg.OperationalError as error:
                    # The run goes on when it is back, and the bus wakes everybody then.
                    log.warning("stream_interrupted", extra={"key": self._key, "error": str(error)})
                    await self._subscription.wait(AWAY_SECONDS)
        finally:
            self.close()

    async def _begin(self) -> int:
        """Return the id after which reading begins."""
        if self._fresh:
            while not await self._subscription.wait(ANNOUNCE_SECONDS):
                if await self._events.is_over(self._key):
                    break
            return -1
        if self._events.is_local(self._key):
            await self._events.flush()  # what is not written yet is in no new follower's queue
        last = -1
        if self._after is None:
            last = await self._events.table.get_last_seq(self._key)
        # Only now: what others write because they hear of it is new.
        await self._events.announce(self._key)
        if self._after is not None:
            return self._after
        # What came while the question was on its way is new, though it may be stored by now.
        arrived = [recorded.seq - 1 for recorded in self._queue if recorded.seq is not None]
        return min([last, *arrived[:1]])

    async def _news(self, last: int, *, backlog: bool) -> AsyncIterator[Recorded]:
        if backlog or not self._events.is_local(self._key):
            async for recorded in self._events.table.read(self._key, last):
                last = max(last, recorded.seq or 0)
                yield recorded
        while self._queue:
            recorded = self._queue.popleft()
            if recorded.seq is not None:
                if recorded.seq <= last:
                    continue
                last = recorded.seq
            yield recorded


@asynccontextmanager
async def open_events(*, database: Database, bus: Bus) -> AsyncIterator[Events]:
    """Start the writer, yield the events, write what is left at the end."""
    events = Events(database=database, bus=bus)
    task = asyncio.create_task(events.write(), name="holdfast events")
    try:
        yield events
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(5.0):
                await events.flush()
        await end_task(task)
