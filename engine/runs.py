"""The ledger of accepted work: a row here is the promise, everything else is a hint."""

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, Self
from uuid import uuid4

from engine.assistants import Assistant, Assistants
from engine.audit import Audit
from engine.bus import Bus
from engine.database import Connection, Database, statement
from engine.dispatch import Dispatcher
from engine.errors import ConflictError, InvalidValueError, NotFoundError, ThreadBusyError
from engine.limits import QueueGuard
from engine.values import jsonb
from engine.webhooks import WebhookPolicy, check_headers

RunStatus = Literal[
    "queued", "running", "interrupted", "succeeded", "failed", "cancelled", "expired"
]
RunKind = Literal["input", "resume", "cron"]
MultitaskStrategy = Literal["enqueue", "reject", "interrupt", "rollback"]
CancelAction = Literal["interrupt", "rollback"]

# Higher first: somebody waits for a resume, a program for input, nobody for a cron.
PRIORITY: Mapping[RunKind, int] = {"resume": 20, "input": 10, "cron": 0}

# What may follow on what; the statements that change a status name the one they start from.
TRANSITIONS: Mapping[RunStatus, frozenset[RunStatus]] = {
    "queued": frozenset({"running", "cancelled", "expired"}),
    "running": frozenset(
        {"queued", "running", "interrupted", "succeeded", "failed", "cancelled", "expired"}
    ),
    "interrupted": frozenset(),
    "succeeded": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
    "expired": frozenset(),
}
CANCEL_BATCH = 1_000
# How long a worker in the accepting process has to begin before others hear of the run.
LOCAL_LEAD = timedelta(seconds=1.5)
# A waiter is woken; it looks by itself only in case a wake-up was lost with a connection.
WAIT_RECHECK_SECONDS = 30.0
FINISHED: frozenset[RunStatus] = frozenset(
    status for status, successors in TRANSITIONS.items() if not successors
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingInterrupt:
    """A question that a graph stopped at.

    Attributes:
        interrupt_id: LangGraph's id; the only name under which it can be answered.
        value: what the graph passed to `interrupt()`.
        response_schema: JSON Schema of the answer, if the graph gave one.
        node: the node that asked; for a subgraph, the innermost one that is known.
        task_id: LangGraph's task of that node.
        checkpoint_ns: namespace of the checkpoint that holds the question; empty for the root.
        checkpoint_id: the checkpoint that holds it.
    """

    interrupt_id: str
    value: Any
    response_schema: Mapping[str, Any] | None = None
    node: str
    task_id: str
    checkpoint_ns: str = ""
    checkpoint_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a caller asks for: the fields of the Agent Server's create-run body.

    Attributes:
        assistant_id: an assistant's id, or a graph's name (its system assistant).
        thread_id: the thread to run on; None makes a thread of its own (a stateless run).
        run_id: the id of the run to be; None makes one.
        input: the graph's input; None continues the thread.
        command: `{"resume": …}`, `{"update": …, "goto": …}`; wins over `input`.
        config: merged over the assistant's config.
        context: merged over the assistant's context.
        metadata: kept with the run and written into its checkpoints.
        checkpoint_id: start from this checkpoint instead of the head (a fork).
        checkpoint: the same as an object, `{"checkpoint_id", "checkpoint_ns", …}`.
        interrupt_before: nodes to stop before, or `"*"`.
        interrupt_after: nodes to stop after, or `"*"`.
        stream_mode: modes whose events are produced.
        stream_subgraphs: whether events of subgraphs are produced too.
        stream_resumable: whether events are kept for a client that comes back.
        multitask_strategy: what happens when the thread is at work or waits at a gate.
        if_not_exists: `create` makes a missing thread.
        after_seconds: do not start before this many seconds have passed.
        on_completion: `delete` removes the thread of a stateless run when it is over.
        on_disconnect: `cancel` cancels the run when its streaming client leaves.
        timeout_seconds: the longest one attempt may take; None takes the server's limit.
        webhook: URL that is told when the run is over.
        webhook_headers: sent with it.
        followed_by: `process_id` of the bus where the creator's client waits for the first event.
        protocol: `v2` produces the events of the thread protocol (commands and channels).
        kind: `cron` for runs of a schedule; a command with `resume` makes it `resume`.
        priority: higher first; None takes the kind's own.
        actor: who asks, for the audit log.
        via: by which way, for the audit log.
    """

    assistant_id: str
    thread_id: str | None = None
    run_id: str | None = None
    input: Any = None
    command: Mapping[str, Any] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    checkpoint_id: str | None = None
    checkpoint: Mapping[str, Any] | None = None
    interrupt_before: Sequence[str] | Literal["*"] | None = None
    interrupt_after: Sequence[str] | Literal["*"] | None = None
    stream_mode: Sequence[str] = ("values",)
    stream_subgraphs: bool = False
    stream_resumable: bool = False
    multitask_strategy: MultitaskStrategy = "enqueue"
    if_not_exists: Literal["reject", "create"] = "reject"
    after_seconds: float | None = None
    on_completion: Literal["keep", "delete"] = "keep"
    on_disconnect: Literal["continue", "cancel"] = "continue"
    timeout_seconds: float | None = None
    webhook: str | None = None
    webhook_headers: Mapping[str, str] = field(default_factory=dict)
    followed_by: str | None = None
    protocol: Literal["v1", "v2"] = "v1"
    kind: RunKind = "input"
    priority: int | None = None
    actor: str = "system"
    via: str = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One row of `holdfast.runs`.

    Attributes:
        payload: `{"input": …}`, `{"resume": {interrupt_id: value}}` or `{"command": …}`.
        kwargs: how to run it: `config`, `context`, `stream_mode`, `stream_subgraphs`,
            `stream_resumable`, `interrupt_before`, `interrupt_after`, `checkpoint`,
            `followed_by`, `protocol`, `author` (who asked for it).
        attempts: starts since the run last got further, without those that ended by a drain or a
            lost connection.
        attempt_log: `{worker_id, started_at, head}` of every start; `head` is the thread's
            checkpoint then.
        error: `{"error": class, "message": text}` of a run that failed or expired.
        output: the thread's values at the end.
    """

    run_id: str
    seq: int
    tenant: str
    thread_id: str
    assistant_id: str
    graph_id: str
    kind: RunKind
    status: RunStatus
    payload: Mapping[str, Any]
    kwargs: Mapping[str, Any]
    metadata: Mapping[str, Any]
    multitask_strategy: MultitaskStrategy
    priority: int
    not_before: datetime
    attempts: int
    max_attempts: int
    attempt_log: Sequence[Mapping[str, Any]]
    timeout_seconds: float | None
    cancel_action: CancelAction | None
    on_completion: Literal["keep", "delete"]
    on_disconnect: Literal["continue", "cancel"]
    webhook: Mapping[str, Any] | None
    gate_ids: Sequence[str]
    base_checkpoint_id: str | None
    worker_id: str | None
    error: Mapping[str, Any] | None
    output: Any
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Return the run of a database row; columns of joins beside it are ignored."""
        return cls(**{column.name: row[column.name] for column in fields(cls)})

    @property
    def finished(self) -> bool:
        """Whether the run is over. Stopping at a gate ends it: the answer is a run of its own."""
        return self.status in FINISHED


class Answers(Protocol):
    """What `accept_resume` of the gates returns."""

    @property
    def values(self) -> Mapping[str, Any]:
        """What the graph is resumed with, by interrupt id."""

    @property
    def gate_ids(self) -> Sequence[str]:
        """The gates that are decided by it."""


class GateBook(Protocol):
    """What the ledger needs to know of open questions; `engine.gates.book.Gates` is the real one."""

    async def accept_resume(
        self,
        connection: Connection,
        thread_id: str,
        resume: Any,
        *,
        actor: str,
        via: str = "api",
        checkpoint_id: str | None = None,
    ) -> Answers:
        """Decide the gates that a client's `command.resume` answers."""

    async def link_run(self, connection: Connection, gate_ids: Sequence[str], run_id: str) -> None:
        """Remember the run that carries the answers of these gates."""

    async def cancel_open(
        self, connection: Connection, thread_id: str, *, reason: str, actor: str, via: str
    ) -> Sequence[str]:
        """Close the thread's unsettled gates."""

    async def record_pending(
        self, connection: Connection, run: Run, pending: Sequence[PendingInterrupt]
    ) -> Sequence[str]:
        """Make the thread's gates those that its head waits at."""


class LocalWorker(Protocol):
    """A worker in this process, which needs no queue to hear of work."""

    @property
    def has_room(self) -> bool:
        """Whether it could start another run now."""

    def offer(self, thread_id: str, ticket: str) -> None:
        """Work on a thread at once; the ticket is withdrawn when that is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Accepts, shows and cancels the runs of the database's tenant.

    Methods whose first parameter is `connection` join the caller's transaction. Locks are taken
    in one order: the thread's row, then its gates, then its runs.
    """

    database: Database
    dispatcher: Dispatcher
    bus: Bus
    assistants: Assistants
    gates: GateBook
    audit: Audit
    guard: QueueGuard
    webhooks: WebhookPolicy | None = None
    local: LocalWorker | None = None
    max_attempts: int = 5
    run_timeout_seconds: float = 3600.0

    async def create(self, request: RunRequest) -> Run:
        """Accept a run in a transaction of its own; see `submit`."""
        async with self.database.transaction() as connection:
            return await self.submit(connection, request)

    async def submit(self, connection: Connection, request: RunRequest) -> Run:
        """Write a run and its ticket: once this transaction is committed the run will be done.

        Raises:
            NotFoundError: no such assistant or checkpoint, or no such thread and `if_not_exists` is
                `reject`.
            ThreadBusyError: the thread is at work or waits at a gate, and the strategy is `reject`.
            ConflictError: a resume that no open gate waits for, or a command past an open gate.
            InvalidValueError: a field does not fit.
            OverloadedError: the queue is too long or too old; not for answers.
        """
        command = dict(request.command or {})
        if request.webhook is not None and self.webhooks is not None:
            self.webhooks.check_url(request.webhook)
            check_headers(request.webhook_headers)
        resumes = command.get("resume") is not None
        if not resumes:
            await self.guard.check(connection)
        assistant = await self.assistants.resolve(connection, request.assistant_id)
        if not command:  # a command wins over the input beside it
            self.assistants.registry.check_input(assistant.graph_id, request.input)
        thread_id = await self._thread(connection, request, resumes=resumes)
        answers: Answers | None = None
        if resumes:
            if command.get("update") is not None or command.get("goto"):
                raise ConflictError(
                    "an answer cannot be given together with update or goto; send them apart",
                    thread_id=thread_id,
                )
            answers = await self.gates.accept_resume(
                connection,
                thread_id,
                command["resume"],
                actor=request.actor,
                via=request.via,
                checkpoint_id=request.checkpoint_id
                or (request.checkpoint or {}).get("checkpoint_id"),
            )
        waits = False
        if answers is None and request.thread_id is not None:
            waits = await self._make_way(connection, thread_id, request)
        async with connection.pipeline():
            return await self._insert(
                connection, request, assistant, thread_id, answers=answers, waits=waits
            )

    async def submit_resume(
        self,
        connection: Connection,
        *,
        thread_id: str,
        values: Mapping[str, Any],
        gate_ids: Sequence[str],
        parent_run_id: str,
        actor: str = "system",
        via: str = "system",
    ) -> Run:
        """Accept the run that carries the answers of gates which the caller has just decided.

        It runs as the run that asked did: same assistant, config, streams and webhook.

        Raises:
            NotFoundError: the run that asked is gone.
        """
        await self._lock_thread(connection, thread_id)
        parent = await self._read(connection, parent_run_id, thread_id)
        kwargs = {key: value for key, value in parent.kwargs.items() if key != "checkpoint_id"}
        return await self._write(
            connection,
            {
                "run_id": str(uuid4()),
                "thread_id": thread_id,
                "assistant_id": parent.assistant_id,
                "graph_id": parent.graph_id,
                "kind": "resume",
                "payload": jsonb({"resume": dict(values)}),
                "kwargs": jsonb({**kwargs, "followed_by": None}),
                "metadata": jsonb({**parent.metadata, "decided_by": actor, "decided_via": via}),
                "multitask_strategy": "enqueue",
                "priority": PRIORITY["resume"],
                "after_seconds": 0.0,
                "timeout_seconds": parent.timeout_seconds,
                "on_completion": parent.on_completion,
                "on_disconnect": "continue",
                "webhook": None if parent.webhook is None else jsonb(parent.webhook),
                "gate_ids": list(gate_ids),
                "waits": False,
            },
        )

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
        """Return the run once it is over; None when it was deleted meanwhile."""
        async with self.bus.subscribe(f"run:{run_id}") as subscription:
            while True:
                found = await self.list(run_ids=[run_id], limit=1)
                if not found or found[0].finished:
                    return found[0] if found else None
                await subscription.wait(WAIT_RECHECK_SECONDS)

    async def cancel(
        self,
        run_id: str,
        *,
        action: CancelAction = "interrupt",
        thread_id: str | None = None,
        actor: str = "system",
        via: str = "api",
    ) -> Run | None:
        """Ask a run to stop; `wait` tells when it has.

        A queued run is over at once. With `rollback` the run and everything it saved are deleted;
        None is returned when that has happened already.

        Raises:
            NotFoundError: there is none.
            ConflictError: it is over.
        """
        async with self.database.transaction() as connection:
            run = await self._read(connection, run_id, thread_id)
            await self._lock_thread(connection, run.thread_id)
            cancelled = await self._cancel(connection, run_id, action, actor=actor, via=via)
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

    async def _thread(self, connection: Connection, request: RunRequest, *, resumes: bool) -> str:
        """Lock the run's thread, making it when that is asked for, and return its id."""
        if request.thread_id is None and not resumes:
            thread_id = str(uuid4())
            await self._make_thread(connection, thread_id)
            return thread_id
        thread_id = request.thread_id or ""
        if await self._lock_thread(connection, thread_id):
            return thread_id
        if resumes or request.if_not_exists == "reject":
            raise NotFoundError("thread", thread_id)
        await self._make_thread(connection, thread_id)
        if not await self._lock_thread(connection, thread_id):
            raise NotFoundError("thread", thread_id)  # the id belongs to another tenant
        return thread_id

    async def _make_thread(self, connection: Connection, thread_id: str) -> None:
        await connection.execute(
            statement("create_thread_if_missing"),
            {"tenant": self.database.tenant, "thread_id": thread_id, "metadata": jsonb({})},
        )

    async def _make_way(self, connection: Connection, thread_id: str, request: RunRequest) -> bool:
        """Apply the multitask strategy; return whether the run will wait at an open gate."""
        cursor = await connection.execute(
            statement("list_unfinished_runs"),
            {"tenant": self.database.tenant, "thread_id": thread_id},
        )
        rows = await cursor.fetchall()
        gates = [row["run_id"] for row in rows if row["kind"] == "gate"]
        unfinished = [row["run_id"] for row in rows if row["kind"] != "gate"]
        if gates and request.command:
            raise ConflictError(
                "the thread waits at an open question; answer it, or cancel it with"
                " multitask_strategy interrupt",
                thread_id=thread_id,
                gate_ids=gates,
            )
        strategy = request.multitask_strategy
        if strategy == "enqueue":
            return bool(gates)
        if strategy == "reject":
            if unfinished:
                raise ThreadBusyError(
                    "the thread is already running a task; wait for it, or choose another"
                    " multitask strategy",
                    thread_id=thread_id,
                    run_ids=unfinished,
                )
            if gates:
                raise ThreadBusyError(
                    "the thread waits at an open question",
                    thread_id=thread_id,
                    gate_ids=gates,
                )
            return False
        if gates:
            await self.gates.cancel_open(
                connection,
                thread_id,
                reason=f"a new run came with multitask_strategy {strategy}",
                actor=request.actor,
                via=request.via,
            )
        for run_id in unfinished:
            await self._cancel(connection, run_id, strategy, actor=request.actor, via=request.via)
        return False

    async def _insert(
        self,
        connection: Connection,
        request: RunRequest,
        assistant: Assistant,
        thread_id: str,
        *,
        answers: Answers | None,
        waits: bool,
    ) -> Run:
        run_id = request.run_id or str(uuid4())
        kwargs = _kwargs(request, assistant, resumes=answers is not None)
        await self._hold_checkpoint(connection, thread_id, kwargs["checkpoint_id"])
        kind: RunKind = "input" if answers is None else "resume"
        kind = request.kind if request.kind == "cron" and answers is None else kind
        payload: Mapping[str, Any] = {"input": request.input}
        if answers is not None:
            payload = {"resume": dict(answers.values)}
        elif request.command:
            payload = {"command": dict(request.command)}
        stateless = request.thread_id is None
        webhook = None
        if request.webhook is not None:
            webhook = jsonb({"url": request.webhook, "headers": dict(request.webhook_headers)})
        run = await self._write(
            connection,
            {
                "run_id": run_id,
                "thread_id": thread_id,
                "assistant_id": assistant.assistant_id,
                "graph_id": assistant.graph_id,
                "kind": kind,
                "payload": jsonb(payload),
                "kwargs": jsonb(kwargs),
                "metadata": jsonb(request.metadata),
                "multitask_strategy": request.multitask_strategy,
                "priority": PRIORITY[kind] if request.priority is None else request.priority,
                "after_seconds": request.after_seconds or 0.0,
                "timeout_seconds": request.timeout_seconds or self.run_timeout_seconds,
                "on_completion": request.on_completion if stateless else "keep",
                # Somebody decided: whether a client still listens has no say in it.
                "on_disconnect": "continue" if answers is not None else request.on_disconnect,
                "webhook": webhook,
                "gate_ids": [] if answers is None else list(answers.gate_ids),
                "waits": waits,
            },
        )
        if answers is not None:
            await self.gates.link_run(connection, answers.gate_ids, run_id)
        return run

    async def _hold_checkpoint(
        self, connection: Connection, thread_id: str, checkpoint_id: str | None
    ) -> None:
        """Check that a starting point exists: LangGraph would start a missing one from nothing.

        The lock lasts until the run is in the ledger, from where the pruner spares it.
        """
        if not checkpoint_id:
            return
        cursor = await connection.execute(
            statement("hold_checkpoint"),
            {"thread_id": thread_id, "checkpoint_ns": "", "checkpoint_id": checkpoint_id},
        )
        if await cursor.fetchone() is None:
            raise NotFoundError("checkpoint", checkpoint_id)

    async def _write(self, connection: Connection, columns: Mapping[str, Any]) -> Run:
        cursor = await connection.execute(
            statement("insert_run"),
            {**columns, "tenant": self.database.tenant, "max_attempts": self.max_attempts},
        )
        row = await cursor.fetchone()
        if row is None:
            raise NotFoundError("thread", columns["thread_id"])
        run = Run.from_row(row)
        if not columns["waits"]:
            await self._issue(connection, run, delayed=columns["after_seconds"] > 0)
        return run

    async def _issue(self, connection: Connection, run: Run, *, delayed: bool) -> None:
        """Write the run's ticket; a worker in this process hears of it without the queue."""
        local = self.local
        if delayed or local is None or not local.has_room:
            await self.dispatcher.enqueue(
                connection,
                run.thread_id,
                not_before=run.not_before if delayed else None,
                priority=run.priority,
            )
            return
        # Due only if this process should not live to withdraw it.
        ticket = await self.dispatcher.enqueue(
            connection,
            run.thread_id,
            not_before=run.created_at + LOCAL_LEAD,
            priority=run.priority,
        )
        self.database.after_commit(connection, lambda: local.offer(run.thread_id, ticket))

    async def _cancel(
        self,
        connection: Connection,
        run_id: str,
        action: CancelAction,
        *,
        actor: str,
        via: str,
    ) -> Run | None:
        """Cancel a run of a locked thread; None when it is over."""
        cursor = await connection.execute(
            statement("cancel_run"), {**self._key(run_id), "action": action}
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
            details={"action": action},
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


def _kwargs(request: RunRequest, assistant: Assistant, *, resumes: bool) -> dict[str, Any]:
    """Return how to run it: the assistant's settings under the request's."""
    config = _merged(assistant.config, request.config)
    checkpoint = dict(request.checkpoint or {})
    checkpoint_id = (
        request.checkpoint_id
        or checkpoint.get("checkpoint_id")
        or (config.get("configurable") or {}).get("checkpoint_id")
    )
    return {
        "config": config,
        "context": {**assistant.context, **request.context},
        "stream_mode": list(request.stream_mode),
        "stream_subgraphs": request.stream_subgraphs,
        "stream_resumable": request.stream_resumable,
        "interrupt_before": request.interrupt_before,
        "interrupt_after": request.interrupt_after,
        # An answer goes to the thread's head: its gate was checked against it.
        "checkpoint_id": None if resumes else checkpoint_id,
        "followed_by": request.followed_by,
        "protocol": request.protocol,
        "author": request.actor,
    }


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `over` on top of `base`; `configurable` and `metadata` key by key."""
    merged = {**base, **over}
    for key in ("configurable", "metadata"):
        if base.get(key) or over.get(key):
            merged[key] = {**(base.get(key) or {}), **(over.get(key) or {})}
    return merged
