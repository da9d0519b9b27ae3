"""Shows runs, and waits for their ends."""

import asyncio
import builtins
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from engine.bus import AWAY_SECONDS, Bus
from engine.database import Connection, Database, statement
from engine.errors import NotFoundError
from engine.runs.ports import LocalWorker
from engine.runs.run import Run, RunStatus

# A waiter is woken; it looks by itself only in case a wake-up was lost with a connection.
WAIT_RECHECK_SECONDS = 30.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Reads the runs of the database's tenant."""

    database: Database
    bus: Bus
    local: LocalWorker | None = None

    async def get(self, run_id: str, *, thread_id: str | None = None) -> Run:
        """Return a run, of this thread if one is named.

        Raises:
            NotFoundError: there is none.
        """
        async with self.database.pool.connection() as connection:
            return await self._read(connection, run_id, thread_id)

    async def list(
        self,
        thread_id: str | None = None,
        *,
        statuses: Sequence[RunStatus] | None = None,
        run_ids: Sequence[str] | None = None,
        limit: int = 10,
        offset: int = 0,
    ) -> builtins.list[Run]:
        """Return runs, newest first."""
        async with self.database.pool.connection() as connection:
            return await self._list(
                connection,
                thread_id=thread_id,
                statuses=statuses,
                run_ids=run_ids,
                limit=limit,
                offset=offset,
            )

    async def wait(self, run_id: str) -> Run | None:
        """Return the run once it is over; None when it was deleted meanwhile.

        Outlasts an absence of the database.
        """
        async with self.bus.subscribe(f"run:{run_id}") as subscription:
            ending = None if self.local is None else self.local.expect(run_id)
            told = None if ending is None else await asyncio.shield(ending)
            if told is not None:
                return told
            while True:
                try:
                    found = await self.list(run_ids=[run_id], limit=1)
                except psycopg.OperationalError as error:
                    # The run is accepted, whatever becomes of the database meanwhile; the bus
                    # wakes everybody when it is back.
                    log.warning("wait_interrupted", extra={"run_id": run_id, "error": str(error)})
                    await subscription.wait(AWAY_SECONDS)
                    continue
                if not found or found[0].finished:
                    return found[0] if found else None
                await subscription.wait(WAIT_RECHECK_SECONDS)

    # Inside

    async def _read(self, connection: Connection, run_id: str, thread_id: str | None) -> Run:
        cursor = await connection.execute(
            statement("read_run"), {**self._key(run_id), "thread_id": thread_id}
        )
        row = await cursor.fetchone()
        if row is None:
            raise NotFoundError("run", run_id)
        return Run.from_row(row)

    async def _list(
        self,
        connection: Connection,
        *,
        thread_id: str | None,
        statuses: Sequence[RunStatus] | None,
        run_ids: Sequence[str] | None,
        limit: int,
        offset: int,
    ) -> builtins.list[Run]:
        cursor = await connection.execute(
            statement("list_runs"),
            {
                "tenant": self.database.tenant,
                "thread_id": thread_id,
                "statuses": None if statuses is None else list(statuses),
                "run_ids": None if run_ids is None else list(run_ids),
                "limit": limit,
                "offset": offset,
            },
        )
        return [Run.from_row(row) for row in await cursor.fetchall()]

    def _key(self, run_id: str) -> dict[str, str]:
        return {"tenant": self.database.tenant, "run_id": run_id}
