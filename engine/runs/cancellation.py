"""Stops and forgets runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.audit import Audit
from engine.database import Connection, statement
from engine.dispatch import Dispatcher
from engine.errors import ConflictError, InvalidValueError
from engine.runs.reading import Reading
from engine.runs.run import CancelAction, Run, RunStatus

CANCEL_BATCH = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation(Reading):
    """Cancels and deletes runs; the thread's row is locked before them."""

    dispatcher: Dispatcher
    audit: Audit

    async def cancel(
        self,
        run_id: str,
        *,
        action: CancelAction = "interrupt",
        thread_id: str | None = None,
        reason: str | None = None,
        actor: str = "system",
        via: str = "api",
    ) -> Run | None:
        """Ask a run to stop, in a transaction of its own; see `stop`."""
        async with self.database.transaction() as connection:
            return await self.stop(
                connection,
                run_id,
                action=action,
                thread_id=thread_id,
                reason=reason,
                actor=actor,
                via=via,
            )

    async def stop(
        self,
        connection: Connection,
        run_id: str,
        *,
        action: CancelAction = "interrupt",
        thread_id: str | None = None,
        reason: str | None = None,
        actor: str = "system",
        via: str = "api",
    ) -> Run | None:
        """Ask a run to stop; `wait` tells when it has.

        A queued run is over at once. With `rollback` the run and everything it saved are deleted;
        None is returned when that has happened already. The `reason` is kept with the run.

        Raises:
            NotFoundError: there is none.
            ConflictError: it is over.
        """
        run = await self._read(connection, run_id, thread_id)
        await self._lock_thread(connection, run.thread_id)
        cancelled = await self._cancel(
            connection, run_id, action, reason=reason, actor=actor, via=via
        )
        if cancelled is None:
            raise ConflictError(
                f"run {run_id!r} is over: it {run.status}", run_id=run_id, status=run.status
            )
        await self._settle(connection, run.thread_id)
        return None if cancelled.status == "cancelled" and action == "rollback" else cancelled

    async def cancel_many(
        self,
        *,
        thread_id: str | None = None,
        run_ids: Sequence[str] | None = None,
        statuses: Sequence[RunStatus] = ("queued", "running"),
        action: CancelAction = "interrupt",
        actor: str = "system",
        via: str = "api",
    ) -> int:
        """Cancel the runs that match and are not over; return how many there were.

        Raises:
            InvalidValueError: neither a thread nor runs are named.
        """
        if thread_id is None and run_ids is None:
            raise InvalidValueError("/thread_id", "given, or run_ids")
        count = 0
        for run in await self.list(
            thread_id, run_ids=run_ids, statuses=statuses, limit=CANCEL_BATCH
        ):
            async with self.database.transaction() as connection:
                await self._lock_thread(connection, run.thread_id)
                cancelled = await self._cancel(connection, run.run_id, action, actor=actor, via=via)
                count += cancelled is not None
                await self._settle(connection, run.thread_id)
        return count

    async def delete(self, run_id: str, *, thread_id: str | None = None) -> None:
        """Forget a run that is over; what it saved on its thread stays.

        Raises:
            NotFoundError: there is none.
            ConflictError: it is not over; cancel it first.
        """
        async with self.database.transaction() as connection:
            run = await self._read(connection, run_id, thread_id)
            if not run.finished:
                raise ConflictError(
                    f"run {run_id!r} is {run.status}; cancel it first",
                    run_id=run_id,
                    status=run.status,
                )
            await connection.execute(statement("delete_run"), self._key(run_id))

    # Inside

    async def _cancel(
        self,
        connection: Connection,
        run_id: str,
        action: CancelAction,
        *,
        reason: str | None = None,
        actor: str,
        via: str,
    ) -> Run | None:
        """Cancel a run of a locked thread; None when it is over."""
        cursor = await connection.execute(
            statement("cancel_run"), {**self._key(run_id), "action": action, "reason": reason}
        )
        row = await cursor.fetchone()
        if row is None:
            return None
        run = Run.from_row(row)
        await self.audit.append(
            connection,
            actor=actor,
            via=via,
            action="run.cancelled" if run.finished else "run.cancel_requested",
            thread_id=run.thread_id,
            run_id=run_id,
            details={"action": action, **({"reason": reason} if reason else {})},
        )
        if not run.finished:
            await self.bus.notify(connection, f"cancel:{run.thread_id}")
            await self.dispatcher.enqueue(connection, run.thread_id, priority=run.priority)
            return run
        if action == "rollback":
            await connection.execute(statement("delete_run"), self._key(run_id))
        await self.bus.notify(connection, f"run:{run_id}")
        await self.bus.notify(connection, f"thread:{run.thread_id}")
        return run

    async def _lock_thread(self, connection: Connection, thread_id: str) -> bool:
        cursor = await connection.execute(
            statement("lock_thread"), {"tenant": self.database.tenant, "thread_id": thread_id}
        )
        return await cursor.fetchone() is not None

    async def _settle(self, connection: Connection, thread_id: str) -> None:
        await connection.execute(
            statement("settle_thread"), {"tenant": self.database.tenant, "thread_id": thread_id}
        )
