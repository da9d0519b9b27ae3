"""A worker: takes tickets, takes the lease of each thread, and runs what is due on it.

So many runs at once, each on a connection of its own that holds the thread's lease and does all
the writing. A worker that is told to stop hands its runs back; one that dies needs to do nothing.
"""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import AsyncCursor
from psycopg.rows import DictRow

from engine.attempt import Attempt, Surroundings
from engine.bus import Bus, Subscription
from engine.claims import Claim, Claims, Ending
from engine.database import Database, statement
from engine.dispatch import Dispatcher
from engine.errors import EngineError
from engine.events import Events
from engine.lease import (
    APPLICATION_NAME,
    LeaseConnection,
    LeaseLostError,
    open_lease_connection,
)
from engine.runs.ports import Accept
from engine.runs.run import Run
from engine.saver import RunSaver, keep_ids_after
from engine.values import storable_copy

# How long a worker that lost its connection waits before it looks at the thread again.
RETRY_SECONDS = (0.1, 0.3, 1.0)
# Bounded tries: after that the sweeper has it.
MAX_RETRIES = 20

log = logging.getLogger(__name__)


def new_worker_id() -> str:
    """Return an id that no other process has, short enough for a connection's name."""
    return uuid4().hex[:16]


@dataclass(slots=True, kw_only=True)
class Offer:
    """A run that was accepted in this process and is not over.

    Attributes:
        ending: its end, once somebody waits for it.
    """

    thread_id: str
    ending: asyncio.Future[Run | None] | None = None


@dataclass(slots=True, kw_only=True)
class Start:
    """A run that was accepted and claimed by the same commit.

    Attributes:
        lease: holds the thread.
        cancellations: of the thread, from before the commit on.
    """

    claim: Claim
    lease: LeaseConnection
    cancellations: Subscription


@dataclass(slots=True, kw_only=True)
class Worker:
    """Executes runs in this process.

    Attributes:
        worker_id: names this process in `holdfast.workers` and in its connections.
        concurrency: runs at once.
        heartbeat_seconds: how often the leases' connections are asked whether they live.
        drain_seconds: how long running nodes may take when the worker stops.
        max_value_bytes: largest encoded value of a channel.
    """

    database: Database
    bus: Bus
    events: Events
    dispatcher: Dispatcher
    claims: Claims
    surroundings: Surroundings
    worker_id: str
    concurrency: int = 10
    heartbeat_seconds: float = 2.0
    drain_seconds: float = 25.0
    max_value_bytes: int = 8 * 1_048_576
    draining: bool = field(default=False, init=False)
    _attempts: dict[str, Attempt] = field(default_factory=dict, init=False)
    _busy: dict[str, bool] = field(default_factory=dict, init=False)
    _leaving: set[str] = field(default_factory=set, init=False)
    _offered: dict[str, Offer] = field(default_factory=dict, init=False)
    _idle: list[LeaseConnection] = field(default_factory=list, init=False)
    _places: asyncio.Semaphore = field(init=False)
    _forgiven: dict[str, str] = field(default_factory=dict, init=False)
    _ended: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _background: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.concurrency)

    @property
    def running(self) -> int:
        """Runs being executed now."""
        return len(self._attempts)

    async def run_once(self) -> None:
        """Do everything that is due and return: tickets first, then threads without one."""
        while not self.draining:
            await self.dispatcher.drain(self.work_on, concurrency=self.concurrency)
            lost = await self._lost_threads()
            if not lost:
                return
            await asyncio.gather(*(self.work_on(thread_id) for thread_id in lost))

    async def consume(self) -> None:
        """Work on tickets until cancelled."""
        keeper = asyncio.create_task(self._keep_leases(), name="holdfast leases")
        try:
            await self.dispatcher.consume(self.work_on, concurrency=self.concurrency)
        finally:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper

    @property
    def has_room(self) -> bool:
        """Whether a run that is offered now would start at once, or as good as."""
        return not self.draining and len(self._busy) - len(self._leaving) < self.concurrency

    def offer(self, run: Run) -> None:
        """Work on the run's thread at once."""
        self._offered[run.run_id] = Offer(thread_id=run.thread_id)
        self._spawn(self.work_on(run.thread_id))

    def can_start(self, thread_id: str) -> bool:
        """Whether a run of the thread could begin here by the commit that accepts it."""
        return self.has_room and thread_id not in self._busy

    async def start(self, thread_id: str, accept: Accept, *, pipelined: bool) -> Run | None:
        """Accept a run in a transaction that takes its thread's lease, and begin with it.

        None if `accept` wrote none: something else comes first on the thread.

        Args:
            thread_id: one that `can_start`.
            accept: writes the run.
            pipelined: as for `Database.transaction`; then `accept` writes nothing before the run.
        """
        self._busy[thread_id] = False
        start: Start | None = None
        try:
            await self._places.acquire()
            try:
                start = await self._start(thread_id, accept, pipelined=pipelined)
            finally:
                if start is None:
                    self._places.release()
        finally:
            if start is None and self._busy.pop(thread_id):
                self._spawn(self.work_on(thread_id))  # somebody asked meanwhile
        if start is None:
            return None
        run = start.claim.run
        self._offered[run.run_id] = Offer(thread_id=thread_id)
        self._spawn(self._work(thread_id, start))
        return run

    def expect(self, run_id: str) -> asyncio.Future[Run | None] | None:
        """Return the end of a run that was offered, to come; None of one that is not at work here.

        None comes also when the end was not written here, whatever became of the run.
        """
        offered = self._offered.get(run_id)
        if offered is None:
            return None
        if offered.ending is None:
            offered.ending = asyncio.get_running_loop().create_future()
        return offered.ending

    async def drain(self) -> None:
        """Let running graphs stop at their next superstep, then cancel what is left.

        Their runs go back to the queue without costing an attempt.
        """
        self.draining = True
        for attempt in self._attempts.values():
            attempt.request_drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.drain_seconds):
                await self._until_idle()
        for attempt in list(self._attempts.values()):
            attempt.stop("shutdown")
        with suppress(TimeoutError):
            async with asyncio.timeout(self.drain_seconds):
                await self._until_idle()

    async def close(self) -> None:
        """Close the connections; leases that are still held are free with that."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        while self._idle:
            await self._idle.pop().close()

    async def work_on(self, thread_id: str) -> None:
        """Run what is due on a thread until nothing is; at once when somebody else does it."""
        if thread_id in self._busy:
            self._busy[thread_id] = True  # whoever works on it looks once more
            return
        if self.draining:
            self._leave(thread_id)
            return
        self._busy[thread_id] = False
        await self._work(thread_id)

    # Inside

    async def _start(self, thread_id: str, accept: Accept, *, pipelined: bool) -> Start | None:
        lease = await self._connection()
        # In force before anybody can know of the run.
        cancellations = self.bus.attach(f"cancel:{thread_id}")
        row: DictRow | None = None
        try:
            try:
                async with lease.accept(thread_id, pipelined=pipelined) as connection:
                    accepted = await accept(connection, self.worker_id)
                    if not pipelined:
                        row = await accepted.fetchone()
                        if row is None:
                            raise psycopg.Rollback
                if pipelined:
                    row = await accepted.fetchone()
            except EngineError:
                await self._give_back(lease)
                raise
            if row is None:
                await self._give_back(lease)
        except EngineError:
            raise
        except BaseException:
            await self._discard(lease)
            raise
        finally:
            if row is None:
                self.bus.detach(cancellations)
        if row is None:
            return None
        return Start(claim=Claim.from_row(row), lease=lease, cancellations=cancellations)

    async def _give_back(self, lease: LeaseConnection) -> None:
        if lease.thread_id is not None and await lease.release():
            self._busy[lease.thread_id] = True
        self._idle.append(lease)

    async def _work(self, thread_id: str, start: Start | None = None) -> None:
        """Run what is due on a thread that is `_busy` until nothing is, beginning with `start`."""
        try:
            if start is None:
                await self._places.acquire()
            try:
                while await self._hold(thread_id, start) or self._busy[thread_id]:
                    start = None
                    self._busy[thread_id] = False
                    if self.draining:
                        return
            finally:
                self._places.release()
        except (psycopg.Error, LeaseLostError, OSError, TimeoutError) as error:
            log.warning("lease_lost", extra={"thread_id": thread_id, "error": str(error)})
            if not self.draining:
                self._spawn(self._try_again(thread_id))
        finally:
            del self._busy[thread_id]
            self._leave(thread_id)

    async def _hold(self, thread_id: str, start: Start | None) -> bool:
        """Take the lease, run what is due first, give it back; return whether more is due."""
        if start is None:
            lease, claim = await self._connection(), None
            cancellations = self.bus.attach(f"cancel:{thread_id}")
        else:
            lease, claim, cancellations = start.lease, start.claim, start.cancellations
        try:
            try:
                if start is None:
                    async with lease.take(thread_id):
                        claimed = await self._claim(lease, thread_id)
                    if lease.thread_id is None:
                        self._idle.append(lease)
                        return False
                    row = await claimed.fetchone()
                    claim = None if row is None else Claim.from_row(row)
                if claim is not None and await self._attempt(lease, claim, cancellations):
                    self.bus.hint(f"run:{claim.run.run_id}", f"thread:{thread_id}")
            finally:
                self.bus.detach(cancellations)
            more = await lease.release()
        except BaseException:
            # Nobody knows what state it is in, and closing it frees the lease.
            await self._discard(lease)
            raise
        finally:
            self._leaving.discard(thread_id)
        self._idle.append(lease)
        return more

    async def _claim(self, lease: LeaseConnection, thread_id: str) -> AsyncCursor[DictRow]:
        return await self.claims.claim(
            lease.connection, thread_id, forgiven_run_id=self._forgiven.pop(thread_id, None)
        )

    async def _attempt(
        self, lease: LeaseConnection, claim: Claim, cancellations: Subscription
    ) -> bool:
        """Execute a claimed run; return whether its end was written."""
        run = claim.run
        keep_ids_after(claim.head_checkpoint_id)
        saver = RunSaver(
            lease.connection,
            serde=self.surroundings.registry.serializer(),
            max_value_bytes=self.max_value_bytes,
            gathers=True,
            fresh=claim.head_checkpoint_id is None,
        )
        attempt = Attempt(claim=claim, saver=saver, surroundings=self.surroundings)
        self._attempts[run.run_id] = attempt
        if self.draining:
            attempt.request_drain()
        try:
            async with self.events.record(
                run_id=run.run_id,
                thread_id=run.thread_id,
                resumable=bool(run.kwargs.get("stream_resumable")),
                followed_by=run.kwargs.get("followed_by"),
            ) as recording:
                ending = await attempt.execute(recording, cancellations)
                await recording.flush()
                async with saver.exclusive() as connection:
                    written_at = await self.claims.finish(
                        connection,
                        claim,
                        ending,
                        save_rest=saver.settle_within,
                    )
                    saver.retire()
                if written_at is not None:
                    # Whoever is told may come with the next run before the lease is given back.
                    self._leaving.add(run.thread_id)
                    self._tell_ending(run.run_id, _ended(run, ending, written_at))
                    self.bus.wake_locally(f"run:{run.run_id}")
                    await recording.finish(ending.status)
        except (psycopg.Error, LeaseLostError):
            self._forgiven[run.thread_id] = run.run_id
            raise
        finally:
            del self._attempts[run.run_id]
            self._ended.set()
        log.info(
            "run_ended",
            extra={
                "run_id": run.run_id,
                "thread_id": run.thread_id,
                "status": ending.status,
                "attempt": run.attempts,
                "written": written_at is not None,
            },
        )
        return written_at is not None and ending.status != "queued"

    def _leave(self, thread_id: str) -> None:
        """Send those who wait for runs of this thread to the ledger: nobody works on it here."""
        for run_id in [key for key, of in self._offered.items() if of.thread_id == thread_id]:
            self._tell_ending(run_id, None)

    def _tell_ending(self, run_id: str, run: Run | None) -> None:
        offered = self._offered.pop(run_id, None)
        if offered is not None and offered.ending is not None and not offered.ending.done():
            offered.ending.set_result(run)

    async def _connection(self) -> LeaseConnection:
        while self._idle:
            lease = self._idle.pop()
            if not lease.lost:
                return lease
            await lease.close()
        return await open_lease_connection(self.database, self.worker_id)

    async def _discard(self, lease: LeaseConnection) -> None:
        await lease.close()
        self._spawn(self._end_backend(lease.backend_pid))

    async def _end_backend(self, pid: int) -> None:
        """Let the server forget a connection that we gave up: it may not have noticed."""
        with suppress(psycopg.Error, OSError):
            async with self.database.pool.connection() as connection:
                await connection.execute(
                    statement("end_backend"),
                    {
                        "pid": pid,
                        "application_name": APPLICATION_NAME.format(worker_id=self.worker_id),
                    },
                )

    async def _try_again(self, thread_id: str) -> None:
        """Look at a thread again whose lease broke in our hands: the database may be back."""
        for pause in (*RETRY_SECONDS, *[RETRY_SECONDS[-1]] * MAX_RETRIES):
            await asyncio.sleep(pause)
            try:
                async with self.database.pool.connection() as connection:
                    await connection.execute("SELECT 1")
            except (psycopg.Error, OSError):
                continue
            await self.work_on(thread_id)
            return

    async def _keep_leases(self) -> None:
        """Notice within a heartbeat that a lease is lost, although the node does not write."""
        while True:
            await asyncio.sleep(self.heartbeat_seconds)
            await asyncio.gather(*(self._check(attempt) for attempt in self._attempts.values()))

    async def _check(self, attempt: Attempt) -> None:
        try:
            await attempt.ping()
        except psycopg.Error:
            attempt.stop("lease")

    async def _lost_threads(self) -> list[str]:
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(
                statement("list_lost_threads"),
                {
                    "tenant": self.database.tenant,
                    "grace_seconds": 0.0,
                    "limit": self.concurrency,
                },
            )
            return [row["thread_id"] for row in await cursor.fetchall()]

    async def _until_idle(self) -> None:
        while self._attempts:
            self._ended.clear()
            await self._ended.wait()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _ended(run: Run, ending: Ending, written_at: datetime) -> Run | None:
    """Return the run as its row is now; None when it is not over or has no row any more."""
    if ending.status == "queued" or ending.rolled_back:
        return None
    return replace(
        run,
        status=ending.status,
        error=storable_copy(ending.error),
        output=storable_copy(ending.output),
        updated_at=written_at,
        finished_at=written_at,
    )
