"""Accepts runs: the row and its claim or ticket in one transaction, before anybody is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

from psycopg import AsyncCursor
from psycopg.rows import DictRow

from engine.assistants import Assistant, Assistants
from engine.database import Connection, statement
from engine.errors import ConflictError, NotFoundError, ThreadBusyError
from engine.limits import QueueGuard
from engine.runs.cancellation import Cancellation
from engine.runs.ports import Answers, GateBook
from engine.runs.request import RunRequest, merged_config, run_kwargs, user_request
from engine.runs.run import PRIORITY, Run, RunKind
from engine.values import MAX_METADATA_BYTES, check_size, jsonb
from engine.webhooks import WebhookPolicy, check_headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission(Cancellation):
    """Accepts what callers ask for, and the answers of gates."""

    assistants: Assistants
    gates: GateBook
    guard: QueueGuard
    webhooks: WebhookPolicy | None = None
    max_attempts: int = 5
    run_timeout_seconds: float = 3600.0
    max_value_bytes: int = 8 * 1_048_576

    async def create(self, request: RunRequest) -> Run:
        """Accept a run in a transaction of its own; see `submit`.

        A worker in this process that has room begins with it by the same commit.
        """
        pipelined = not request.command
        own_thread_id = str(uuid4())
        thread_id = request.thread_id or own_thread_id
        local = self.local
        if local is not None and self._may_start(request) and local.can_start(thread_id):
            accept = partial(
                self._accept,
                request=request,
                own_thread_id=own_thread_id,
                remembered=self._remembered(request),
            )
            run = await local.start(thread_id, accept, pipelined=pipelined)
            if run is not None:
                return run
        async with self.database.transaction(pipelined=pipelined) as connection:
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
        own_thread_id = str(uuid4())
        accepted = await self._accept(
            connection, None, request=request, own_thread_id=own_thread_id
        )
        return await self._issue(connection, accepted)

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
        accepted = await self._write(
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
                "makes_thread": False,
                "thread_metadata": jsonb({}),
                "worker_id": None,
                "remembered_at": None,
            },
        )
        return await self._issue(connection, accepted)

    # Inside

    async def _accept(
        self,
        connection: Connection,
        worker_id: str | None,
        *,
        request: RunRequest,
        own_thread_id: str,
        remembered: Assistant | None = None,
    ) -> AsyncCursor[DictRow]:
        """Write a run; its row, once it arrives, is one of `insert_run`.

        Args:
            connection: in a transaction.
            worker_id: who begins with the run, where the transaction has the thread's lease.
            request: the run.
            own_thread_id: of the thread that it makes, if it names none.
            remembered: its assistant; no row arrives if it is out of date.
        """
        command = dict(request.command or {})
        if request.webhook is not None and self.webhooks is not None:
            self.webhooks.check_url(request.webhook)
            check_headers(request.webhook_headers)
        self._check_sizes(request)
        resumes = command.get("resume") is not None
        if not resumes:
            await self.guard.check(connection)
        assistant = remembered
        if assistant is None:
            assistant = await self.assistants.resolve(connection, request.assistant_id)
            self.assistants.remember(assistant)
        request = await self._checked(request, assistant)
        thread_id = request.thread_id or own_thread_id
        answers: Answers | None = None
        if request.thread_id is not None or resumes:
            await self._hold_thread(connection, request, resumes=resumes)
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
                graph_id=assistant.graph_id,
                checkpoint_id=request.checkpoint_id
                or (request.checkpoint or {}).get("checkpoint_id"),
            )
        elif request.thread_id is not None:
            await self._make_way(connection, thread_id, request)
        return await self._insert(
            connection,
            request,
            assistant,
            thread_id,
            answers=answers,
            beside={
                "worker_id": worker_id,
                "remembered_at": None if remembered is None else remembered.updated_at,
            },
        )

    def _may_start(self, request: RunRequest) -> bool:
        """Tell whether nothing else is written that a run which does not begin would leave."""
        return not request.after_seconds and (
            bool(request.command)
            or request.thread_id is None
            or request.multitask_strategy in ("enqueue", "reject")
        )

    def _remembered(self, request: RunRequest) -> Assistant | None:
        """Return the assistant if nothing is written before the run, so that it may be refused."""
        if request.command or request.multitask_strategy not in ("enqueue", "reject"):
            return None
        return self.assistants.recall(request.assistant_id)

    async def _checked(self, request: RunRequest, assistant: Assistant) -> RunRequest:
        """Return the request as the graph takes it from this caller."""
        registry = self.assistants.registry
        config = merged_config(assistant.config, request.config)
        if not request.command:  # a command wins over the input beside it
            await registry.check_input(assistant.graph_id, request.input, config)
        if request.trusted:
            return request
        intake = await registry.intake(assistant.graph_id, config)
        return user_request(request, intake.message_channels)

    def _check_sizes(self, request: RunRequest) -> None:
        check_size(request.input, "/input", at_most=self.max_value_bytes)
        check_size(request.command, "/command", at_most=self.max_value_bytes)
        check_size(request.metadata, "/metadata", at_most=MAX_METADATA_BYTES)
        check_size(request.config, "/config", at_most=MAX_METADATA_BYTES)

    async def _hold_thread(
        self, connection: Connection, request: RunRequest, *, resumes: bool
    ) -> None:
        """Lock the thread that a request names, making it when that is asked for."""
        thread_id = request.thread_id or ""
        if await self._lock_thread(connection, thread_id):
            return
        if resumes or request.if_not_exists == "reject":
            raise NotFoundError("thread", thread_id)
        await self._make_thread(connection, thread_id, request)
        if not await self._lock_thread(connection, thread_id):
            raise NotFoundError("thread", thread_id)  # the id belongs to another tenant

    async def _make_thread(
        self, connection: Connection, thread_id: str, request: RunRequest
    ) -> None:
        await connection.execute(
            statement("create_thread_if_missing"),
            {
                "tenant": self.database.tenant,
                "thread_id": thread_id,
                "metadata": jsonb(request.thread_metadata),
            },
        )

    async def _make_way(self, connection: Connection, thread_id: str, request: RunRequest) -> None:
        """Apply the multitask strategy."""
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
            return
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
            return
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

    async def _insert(
        self,
        connection: Connection,
        request: RunRequest,
        assistant: Assistant,
        thread_id: str,
        *,
        answers: Answers | None,
        beside: Mapping[str, Any],
    ) -> AsyncCursor[DictRow]:
        run_id = request.run_id or str(uuid4())
        kwargs = run_kwargs(request, assistant, resumes=answers is not None)
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
        accepted = await self._write(
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
                "makes_thread": stateless,
                "thread_metadata": jsonb(request.thread_metadata),
                **beside,
            },
        )
        if answers is not None:
            await self.gates.link_run(connection, answers.gate_ids, run_id)
        return accepted

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

    async def _write(
        self, connection: Connection, columns: Mapping[str, Any]
    ) -> AsyncCursor[DictRow]:
        return await connection.execute(
            statement("insert_run"),
            {**columns, "tenant": self.database.tenant, "max_attempts": self.max_attempts},
        )

    async def _issue(self, connection: Connection, accepted: AsyncCursor[DictRow]) -> Run:
        """Write the run's ticket; a worker in this process that has room does not wait for it."""
        (row,) = await accepted.fetchall()
        run = Run.from_row(row)
        if run.kind != "resume" and row["open_gates"]:
            return run  # it waits until the questions are answered
        delayed = run.not_before > run.created_at
        local = self.local
        if not delayed and local is not None and local.has_room:
            self.database.after_commit(connection, lambda: local.offer(run))
        await self.dispatcher.enqueue(
            connection,
            run.thread_id,
            not_before=run.not_before if delayed else None,
            priority=run.priority,
        )
        return run
