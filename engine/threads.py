"""Threads: rows beside LangGraph's checkpoints, and whatever concerns both as a whole."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg

from checkpoint_pruner.threads import copy_thread, delete_threads
from engine.audit import Audit
from engine.bus import Bus
from engine.database import Connection, Database, statement
from engine.errors import AlreadyExistsError, NotFoundError, ThreadBusyError
from engine.gates.book import Gates
from engine.gates.gate import Gate
from engine.listing import Page, Scope, make_page, sorted_statement
from engine.project import ThreadTtl
from engine.runs.ledger import Runs
from engine.runs.run import PendingInterrupt, Run
from engine.thread import Thread, ThreadStatus, Ttl
from engine.thread_storage import Storage, measure
from engine.values import jsonb, text

SORT_COLUMNS = frozenset({"thread_id", "status", "created_at", "updated_at", "state_updated_at"})
# A cancelled run ends its step first; whoever deletes the thread waits this long for it.
STOP_TIMEOUT = "10s"
DELETE_BATCH = 100
DELETE_TIMEOUT = "120s"  # a thread may hold gigabytes
# Between the end of a run, of which its client knows at once, and the return of its lease.
LEASE_RETURN_SECONDS = (0.01, 0.05, 0.2, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Threads:
    """The threads of the database's tenant.

    `scope` in the methods limits them to threads whose metadata contains it; others do not exist
    for that caller. `default_ttl` is the project's.
    """

    database: Database
    bus: Bus
    audit: Audit
    runs: Runs
    gates: Gates
    default_ttl: ThreadTtl | None = None

    async def create(
        self,
        connection: Connection,
        *,
        thread_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        ttl: Ttl | None = None,
        if_exists: str = "raise",
        scope: Scope | None = None,
    ) -> tuple[Thread, bool]:
        """Make a thread in the caller's transaction; also returns whether it is new.

        Raises:
            AlreadyExistsError: the id is taken and `if_exists` is not `do_nothing`.
        """
        thread_id = thread_id or str(uuid4())
        ttl = ttl or self._default_ttl()
        graph_id = (metadata or {}).get("graph_id")
        cursor = await connection.execute(
            statement("insert_thread"),
            {
                "tenant": self.database.tenant,
                "thread_id": thread_id,
                "graph_id": text(graph_id) if isinstance(graph_id, str) else None,
                "metadata": jsonb(metadata or {}),
                "ttl_minutes": ttl and ttl.minutes,
                "ttl_strategy": ttl and ttl.strategy,
            },
        )
        made = await cursor.fetchone() is not None
        if not made and if_exists != "do_nothing":
            raise AlreadyExistsError("thread", thread_id)
        try:
            return await self.read(connection, thread_id, scope=None if made else scope), made
        except NotFoundError as error:  # somebody else's
            raise AlreadyExistsError("thread", thread_id) from error

    async def read(
        self,
        connection: Connection,
        thread_id: str,
        *,
        scope: Scope | None = None,
        with_values: bool = True,
    ) -> Thread:
        """Return a thread, within the caller's transaction.

        Raises:
            NotFoundError: there is none.
        """
        cursor = await connection.execute(
            statement("read_thread"),
            {**self._key(thread_id), "scope": jsonb(scope or {}), "with_values": with_values},
        )
        row = await cursor.fetchone()
        if row is None:
            raise NotFoundError("thread", thread_id)
        return Thread(**row)

    async def get(self, thread_id: str, *, scope: Scope | None = None) -> Thread:
        """Return a thread; see `read`."""
        async with self.database.pool.connection() as connection:
            return await self.read(connection, thread_id, scope=scope)

    async def search(
        self,
        *,
        ids: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        values: Mapping[str, Any] | None = None,
        status: ThreadStatus | None = None,
        limit: int = 10,
        offset: int = 0,
        sort_by: str = "created_at",
        sort_order: str = "desc",
        with_values: bool = True,
        scope: Scope | None = None,
    ) -> Page[Thread]:
        """Return threads whose metadata and values contain what is given."""
        parameters = self._filters(ids, metadata, values, status, scope)
        query = sorted_statement(
            "search_threads",
            sort_by=sort_by,
            sort_order=sort_order,
            allowed=SORT_COLUMNS,
            tie="thread_id",
        )
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(
                query,
                {**parameters, "limit": limit, "offset": offset, "with_values": with_values},
            )
            rows = await cursor.fetchall()
        total = await self._count(parameters)
        return make_page([Thread(**row) for row in rows], total=total, offset=offset)

    async def count(
        self,
        *,
        metadata: Mapping[str, Any] | None = None,
        values: Mapping[str, Any] | None = None,
        status: ThreadStatus | None = None,
        scope: Scope | None = None,
    ) -> int:
        """Return how many threads `search` would find."""
        return await self._count(self._filters(None, metadata, values, status, scope))

    async def update(
        self,
        thread_id: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        ttl: Ttl | None = None,
        scope: Scope | None = None,
    ) -> Thread:
        """Merge metadata; a time to live that is given starts anew.

        Raises:
            NotFoundError: there is no such thread.
        """
        graph_id = (metadata or {}).get("graph_id")
        async with self.database.transaction() as connection:
            cursor = await connection.execute(
                statement("update_thread"),
                {
                    **self._key(thread_id),
                    "metadata": jsonb(metadata or {}),
                    "graph_id": text(graph_id) if isinstance(graph_id, str) else None,
                    "has_ttl": ttl is not None,
                    "ttl_minutes": ttl and ttl.minutes,
                    "ttl_strategy": ttl and ttl.strategy,
                    "scope": jsonb(scope or {}),
                },
            )
            if await cursor.fetchone() is None:
                raise NotFoundError("thread", thread_id)
            return await self.read(connection, thread_id)

    async def delete(
        self,
        thread_id: str,
        *,
        actor: str = "system",
        via: str = "api",
        scope: Scope | None = None,
    ) -> None:
        """Remove a thread with its runs, questions, streams and all its checkpoints.

        Its runs are cancelled first. The audit log keeps what happened on it; the guard of the
        checkpoint tables keeps a late writer from bringing it back.

        Raises:
            NotFoundError: there is no such thread.
            ThreadBusyError: a run did not stop in time.
        """
        async with self.database.pool.connection() as connection:
            await self.read(connection, thread_id, scope=scope, with_values=False)
        await self.runs.cancel_many(thread_id=thread_id, actor=actor, via=via)
        async with self.held(thread_id, wait=True) as connection:
            await self._remove(connection, thread_id, actor=actor, via=via)

    async def delete_all(
        self,
        *,
        metadata: Mapping[str, Any],
        actor: str = "system",
        via: str = "api",
        scope: Scope | None = None,
    ) -> int:
        """Remove every thread whose metadata contains `metadata`; returns how many.

        Raises:
            ThreadBusyError: a run did not stop in time; threads before it are gone.
        """
        removed = 0
        while True:
            page = await self.search(
                metadata=metadata, limit=DELETE_BATCH, with_values=False, scope=scope
            )
            if not page.items:
                return removed
            for thread in page.items:
                with suppress(NotFoundError):  # somebody else was faster
                    await self.delete(thread.thread_id, actor=actor, via=via)
                    removed += 1

    async def known(
        self, thread_ids: Sequence[str], *, scope: Scope | None = None
    ) -> Sequence[str]:
        """Return those of the ids that are threads."""
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(
                statement("list_known_threads"),
                {
                    "tenant": self.database.tenant,
                    "thread_ids": list(thread_ids),
                    "scope": jsonb(scope or {}),
                },
            )
            return [row["thread_id"] for row in await cursor.fetchall()]

    async def copy(
        self,
        connection: Connection,
        thread_id: str,
        *,
        actor: str = "system",
        via: str = "api",
        scope: Scope | None = None,
    ) -> Thread:
        """Make a second thread with the same past, values and open questions, in one transaction.

        Every row of all three checkpoint tables is taken, so that channels kept as differences
        still find the values they start from. Questions are asked again under ids of their own.

        Raises:
            NotFoundError: there is no such thread.
            ThreadBusyError: the thread is at work.
        """
        copy_id = str(uuid4())
        names = {**self._key(thread_id), "copy_id": copy_id}
        await self.hold(connection, thread_id)
        await self.read(connection, thread_id, scope=scope, with_values=False)
        open_gates = await self.gates.live(connection, thread_id)
        await connection.execute(statement("copy_thread"), names)
        await copy_thread(connection, thread_id, copy_id)
        if open_gates:
            await self._ask_again(connection, open_gates, names)
        await self.audit.append(
            connection,
            actor=actor,
            via=via,
            action="thread.copied",
            thread_id=copy_id,
            details={"from": thread_id},
        )
        return await self.read(connection, copy_id)

    async def storage(self, thread_id: str, *, scope: Scope | None = None) -> Storage:
        """Measure what a thread takes in the checkpoint tables.

        Raises:
            NotFoundError: there is no such thread.
        """
        async with self.database.pool.connection() as connection:
            await self.read(connection, thread_id, scope=scope, with_values=False)
            return await measure(connection, thread_id)

    async def expired(self, *, limit: int) -> Sequence[tuple[str, str]]:
        """Return threads whose time to live is over, with what is to be done with them.

        A thread that is at work or waits for an answer is left alone; a question has a deadline
        of its own.
        """
        async with self.database.transaction() as connection:
            await connection.execute(
                statement("renew_expired_threads"),
                {"tenant": self.database.tenant, "thinned": []},
            )
            cursor = await connection.execute(
                statement("list_expired_threads"),
                {"tenant": self.database.tenant, "thread_id": None, "limit": limit},
            )
            return [(row["thread_id"], row["ttl_strategy"]) for row in await cursor.fetchall()]

    async def delete_expired(self, thread_id: str) -> bool:
        """Remove a thread whose time to live is over; False if somebody came back to it."""
        try:
            async with self.held(thread_id) as connection:
                await self.gates.lock_thread(connection, thread_id)
                cursor = await connection.execute(
                    statement("list_expired_threads"), {**self._key(thread_id), "limit": 1}
                )
                if await cursor.fetchone() is None:
                    return False
                await self._remove(connection, thread_id, actor="system", via="ttl")
                return True
        except ThreadBusyError:
            return False

    async def renew(self, thread_ids: Sequence[str]) -> None:
        """Let threads that were thinned at the end of their time live for that time again."""
        async with self.database.transaction() as connection:
            await connection.execute(
                statement("renew_expired_threads"),
                {"tenant": self.database.tenant, "thinned": list(thread_ids)},
            )

    @asynccontextmanager
    async def held(self, thread_id: str, *, wait: bool = False) -> AsyncIterator[Connection]:
        """Yield a transaction that keeps every worker off the thread.

        Args:
            thread_id: the thread.
            wait: whether to wait for a run that is stopping.

        Raises:
            ThreadBusyError: a run is at work on it.
        """
        async with self.database.transaction() as connection:
            if wait:
                await connection.execute(
                    "SELECT set_config('lock_timeout', %s, true),"
                    " set_config('statement_timeout', '0', true)",
                    [STOP_TIMEOUT],
                )
                try:
                    await connection.execute(statement("await_lease"), self._key(thread_id))
                except psycopg.errors.LockNotAvailable as error:
                    raise _busy(thread_id) from error
            else:
                await self.hold(connection, thread_id)
            yield connection

    async def hold(self, connection: Connection, thread_id: str) -> None:
        """Keep every worker off the thread until the caller's transaction ends.

        Raises:
            ThreadBusyError: a run is at work on it.
        """
        for pause in (*LEASE_RETURN_SECONDS, None):
            cursor = await connection.execute(statement("hold_lease"), self._key(thread_id))
            (row,) = await cursor.fetchall()
            if row["taken"]:
                return
            if row["at_work"] or pause is None:
                break
            await asyncio.sleep(pause)
        raise _busy(thread_id)

    async def _remove(
        self, connection: Connection, thread_id: str, *, actor: str, via: str
    ) -> None:
        """Delete a thread that the caller's transaction holds."""
        await connection.execute(
            "SELECT set_config('statement_timeout', %s, true)", [DELETE_TIMEOUT]
        )
        await self.gates.cancel_open(
            connection, thread_id, reason="the thread was deleted", actor=actor, via=via
        )
        await self.audit.append(
            connection, actor=actor, via=via, action="thread.deleted", thread_id=thread_id
        )
        await delete_threads(connection, [thread_id])
        await connection.execute(statement("delete_thread"), self._key(thread_id))
        await self.bus.notify(connection, f"thread:{thread_id}")

    async def _ask_again(
        self, connection: Connection, gates: Sequence[Gate], names: Mapping[str, str]
    ) -> None:
        """Open the questions of a thread for its copy, under a copy of the run that asked."""
        cursor = await connection.execute(
            statement("copy_asking_run"),
            {**names, "run_id": gates[-1].run_id, "copy_run_id": str(uuid4())},
        )
        row = await cursor.fetchone()
        if row is not None:
            await self.gates.record_pending(
                connection, Run.from_row(row), [_pending(gate) for gate in gates]
            )

    def _default_ttl(self) -> Ttl | None:
        if self.default_ttl is None or self.default_ttl.default_ttl is None:
            return None
        return Ttl(minutes=self.default_ttl.default_ttl, strategy=self.default_ttl.strategy)

    async def _count(self, parameters: Mapping[str, Any]) -> int:
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(statement("count_threads"), parameters)
            (row,) = await cursor.fetchall()
            return int(row["total"])

    def _key(self, thread_id: str) -> dict[str, Any]:
        return {"tenant": self.database.tenant, "thread_id": thread_id}

    def _filters(
        self,
        ids: Sequence[str] | None,
        metadata: Mapping[str, Any] | None,
        values: Mapping[str, Any] | None,
        status: ThreadStatus | None,
        scope: Scope | None,
    ) -> dict[str, Any]:
        return {
            "tenant": self.database.tenant,
            "ids": None if ids is None else [text(item) for item in ids],
            "metadata": jsonb(metadata or {}),
            "values": jsonb(values or {}),
            "status": status,
            "scope": jsonb(scope or {}),
        }


def _pending(gate: Gate) -> PendingInterrupt:
    return PendingInterrupt(
        interrupt_id=gate.interrupt_id,
        value=gate.value,
        response_schema=gate.response_schema,
        node=gate.node,
        task_id=gate.task_id,
        checkpoint_ns=gate.checkpoint_ns,
        checkpoint_id=gate.checkpoint_id,
    )


def _busy(thread_id: str) -> ThreadBusyError:
    return ThreadBusyError(
        f"thread {thread_id!r} is at work; wait for its run or cancel it", thread_id=thread_id
    )
