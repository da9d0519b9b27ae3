"""What the holder of a thread's lease does to its runs: claim, finish, hand back.

Every statement here goes through the connection that holds the lease. Whoever lost the lease has
lost the connection, so no row changes by the hand of a worker that is out of date.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

from psycopg import AsyncCursor
from psycopg.rows import DictRow

from engine.audit import Audit
from engine.database import Connection, statement, travelling
from engine.dispatch import Dispatcher
from engine.outbox import Outbox
from engine.runs.ports import GateBook
from engine.runs.run import PendingInterrupt, Run, RunStatus
from engine.values import jsonb, storable_copy

ThreadStatus = Literal["idle", "interrupted", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A run that this worker executes now.

    Attributes:
        recovered: an earlier attempt began: the graph may stand anywhere in the run.
        continuing: the thread's head is of this run already.
        gates_open: questions are open on the thread.
    """

    run: Run
    recovered: bool
    continuing: bool
    gates_open: bool
    head_checkpoint_id: str | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Return what `claim_run` or `insert_run` found: a run and where its thread stands."""
        run = Run.from_row(row)
        return cls(
            run=run,
            recovered=len(run.attempt_log) > 1,
            continuing=row["head_run_id"] == run.run_id,
            gates_open=row["open_gates"] > 0,
            head_checkpoint_id=row["head_checkpoint_id"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an attempt ended.

    Attributes:
        status: the run's new status; `queued` hands it back.
        error: `{"error", "message"}` of a run that failed or expired.
        rolled_back: the run and what it saved are to be forgotten.
        state_known: whether the four fields below were read from the thread's head.
        values: the head's values.
        output: what a waiting client is answered.
        interrupts: `{task_id: [{id, value}]}` of the head.
        pending: the questions of the head.
    """

    status: RunStatus
    error: Mapping[str, Any] | None = None
    rolled_back: bool = False
    state_known: bool = False
    values: Any = None
    output: Any = None
    interrupts: Mapping[str, Any] | None = None
    pending: Sequence[PendingInterrupt] = ()

    @property
    def plain(self) -> bool:
        """Whether run and thread are all there is to write."""
        return self.status == "succeeded" and not self.pending

    @property
    def thread_status(self) -> ThreadStatus:
        """The status of the thread when nothing else is queued on it."""
        waits = self.pending or self.status == "interrupted"
        return "interrupted" if waits else self.thread_status_unasked

    @property
    def thread_status_unasked(self) -> ThreadStatus:
        """The status of the thread when nobody is asked anything, whatever is pending."""
        return "error" if self.status in ("failed", "expired") else "idle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The transitions of runs under a lease, for one worker."""

    tenant: str
    worker_id: str
    dispatcher: Dispatcher
    gates: GateBook
    audit: Audit
    outbox: Outbox

    async def claim(
        self, connection: Connection, thread_id: str, *, forgiven_run_id: str | None = None
    ) -> AsyncCursor[DictRow]:
        """Take the thread's next due run: the one row, if any, is a `Claim`.

        First what a predecessor left running, then answers, then input, and input only while no
        question is open: LangGraph would drop the question. Each claim counts as an attempt,
        except of `forgiven_run_id` when this worker held it (its connection broke, it did not
        die); the count begins anew when the run got further since the last one.
        """
        return await connection.execute(
            statement("claim_run"),
            {
                "tenant": self.tenant,
                "thread_id": thread_id,
                "worker_id": self.worker_id,
                "forgiven_run_id": forgiven_run_id,
            },
        )

    async def finish(
        self,
        connection: Connection,
        claim: Claim,
        ending: Ending,
        *,
        save_rest: Callable[[Connection], Awaitable[None]],
    ) -> datetime | None:
        """Write the end of a run in one transaction; None when the run is gone or not ours.

        The last checkpoint (`save_rest`), run and thread, the questions the graph stopped at, the
        webhook and the log become visible together. Returns when that was, by the database's
        clock.
        """
        if ending.plain and not claim.gates_open and claim.run.webhook is None:
            # In a pipeline statements travel together, and are one transaction.
            async with connection.pipeline():
                await save_rest(connection)
                cursor = await self._finish(connection, claim.run, ending)
            row = await cursor.fetchone()
            return None if row is None else row["finished_at"]
        async with travelling(connection):
            await save_rest(connection)
            return await self._write_end(connection, claim, ending)

    async def _finish(
        self, connection: Connection, run: Run, ending: Ending
    ) -> AsyncCursor[DictRow]:
        await self._lock_thread(connection, run)
        return await connection.execute(
            statement("finish_run"),
            {
                "tenant": self.tenant,
                "run_id": run.run_id,
                "thread_id": run.thread_id,
                "worker_id": self.worker_id,
                "status": ending.status,
                "thread_status": ending.thread_status,
                "error": None if ending.error is None else jsonb(ending.error),
                "output": jsonb(ending.output),
                "state_known": ending.state_known,
                "values": jsonb(ending.values),
                "interrupts": jsonb(ending.interrupts or {}),
            },
        )

    async def _lock_thread(self, connection: Connection, run: Run) -> None:
        await connection.execute(
            statement("lock_thread"), {"tenant": self.tenant, "thread_id": run.thread_id}
        )

    async def _write_end(
        self, connection: Connection, claim: Claim, ending: Ending
    ) -> datetime | None:
        run = claim.run
        if ending.status == "queued":
            await self._lock_thread(connection, run)
            return await self._hand_back(connection, run)
        cursor = await self._finish(connection, run, ending)
        row = await cursor.fetchone()
        if row is None:
            return None
        if ending.state_known and (ending.pending or claim.gates_open):
            await self.gates.record_pending(connection, run, ending.pending)
        if ending.pending and ending.status != "interrupted":
            # LangGraph shows a question as pending also when its answer made the node fail.
            await connection.execute(
                statement("settle_answered_thread"),
                {
                    "tenant": self.tenant,
                    "thread_id": run.thread_id,
                    "status": ending.thread_status_unasked,
                },
            )
        if run.webhook is not None and not ending.rolled_back:
            await self._tell(connection, run, ending)
        if ending.status not in ("succeeded", "interrupted"):
            await self._note(connection, run, ending)
        if ending.rolled_back:
            await connection.execute(
                statement("delete_run"), {"tenant": self.tenant, "run_id": run.run_id}
            )
        finished_at: datetime = row["finished_at"]
        return finished_at

    async def _hand_back(self, connection: Connection, run: Run) -> datetime | None:
        cursor = await connection.execute(
            statement("requeue_run"),
            {"tenant": self.tenant, "run_id": run.run_id, "worker_id": self.worker_id},
        )
        row = await cursor.fetchone()
        if row is None:
            return None
        await self.dispatcher.enqueue(connection, run.thread_id, priority=run.priority)
        handed_back_at: datetime = row["updated_at"]
        return handed_back_at

    async def _tell(self, connection: Connection, run: Run, ending: Ending) -> None:
        webhook = run.webhook or {}
        await self.outbox.put(
            connection,
            kind="webhook",
            target=str(webhook["url"]),
            headers=dict(webhook.get("headers") or {}),
            message_id=f"run:{run.run_id}",
            payload={
                "run_id": run.run_id,
                "thread_id": run.thread_id,
                "assistant_id": run.assistant_id,
                "graph_id": run.graph_id,
                "status": ending.status,
                "metadata": run.metadata,
                "values": ending.output,
                "interrupts": ending.interrupts or {},
                "error": ending.error,
                "created_at": run.created_at.isoformat(),
                "run_started_at": None if run.started_at is None else run.started_at.isoformat(),
            },
        )

    async def _note(self, connection: Connection, run: Run, ending: Ending) -> None:
        await self.audit.append(
            connection,
            actor="system",
            via="worker",
            action=f"run.{'rolled_back' if ending.rolled_back else ending.status}",
            thread_id=run.thread_id,
            run_id=run.run_id,
            details={"attempts": run.attempts, **(storable_copy(ending.error) or {})},
        )
