"""One attempt of one run: from the claimed row to how it ended, on a leased connection."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphDrained, UnknownInterruptError
from langgraph.pregel import Pregel
from langgraph.runtime import RunControl
from langgraph.store.base import BaseStore
from langgraph.types import StateSnapshot
from psycopg.rows import DictRow

from engine.bus import Subscription
from engine.cancelling import heed_cancellation
from engine.claims import Claim, Ending
from engine.database import Database, statement
from engine.errors import ConflictError
from engine.events import Recording
from engine.graph_config import graph_config, thread_config
from engine.graph_exits import exits_contained
from engine.graph_output import questions_of, tells_all
from engine.heads import read_head
from engine.input_first import InputFirst, begins_at_once
from engine.lease import LeaseLostError
from engine.limits import Permits
from engine.provider_limits import ProviderLimits
from engine.registry import Registry
from engine.runs.run import CancelAction, Run, RunStatus
from engine.saver import RunOverError, RunSaver, attached
from engine.streaming import Outcome, StreamEvent, StreamOptions, error_event, run_graph
from engine.wire import error_payload

StopReason = Literal["cancel", "timeout", "shutdown", "lease"]

WATCH_RETRY_SECONDS = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every attempt of a worker uses.

    Attributes:
        permits: places shared by all processes.
        llm_limits: model calls at once, by provider.
    """

    database: Database
    registry: Registry
    store: BaseStore
    permits: Permits | None = None
    llm_limits: Mapping[str, int] = field(default_factory=dict)


class Attempt:
    """Runs a claimed run's graph and can be stopped from outside."""

    def __init__(self, *, claim: Claim, saver: RunSaver, surroundings: Surroundings) -> None:
        self.claim = claim
        self._saver = saver
        self._around = surroundings
        self._control = RunControl()
        self._outcome = Outcome()
        self._task: asyncio.Task[None] | None = None
        self._stopped: StopReason | None = None
        self._may_pause = True
        self._tells_all = False
        self._cancel_action: CancelAction | None = claim.run.cancel_action

    @property
    def saver(self) -> RunSaver:
        """The checkpointer of this attempt."""
        return self._saver

    def request_drain(self) -> None:
        """Let the graph stop at its next superstep; its last one ends the run instead."""
        self._control.request_drain()

    def stop(self, reason: StopReason) -> None:
        """Cancel what the graph is doing; the first reason counts."""
        if self._stopped is None and self._task is not None and not self._task.done():
            self._stopped = reason
            self._task.cancel()

    async def execute(self, recording: Recording, cancellations: Subscription) -> Ending:
        """Run the graph to its end, its next question, or until it is stopped.

        Args:
            recording: takes the events.
            cancellations: wakes when somebody may have cancelled a run of this thread.

        Raises:
            LeaseLostError: the connection that holds the thread is gone: nobody here may say how
                the run ended.
            psycopg.Error: the same, seen later.
        """
        run = self.claim.run
        if run.attempts > run.max_attempts:
            return await self._told("failed", error=_crash_loop(run))
        if self._cancel_action is not None:  # while nobody executed it
            return await self._cancelled()
        loop = asyncio.get_running_loop()
        with exits_contained():
            self._task = asyncio.create_task(self._run(recording), name=f"run {run.run_id}")
        watch = asyncio.create_task(self._watch(cancellations))
        timer = loop.call_later(run.timeout_seconds or 3600.0, self.stop, "timeout")
        failure: BaseException | None = None
        try:
            await self._task
        except asyncio.CancelledError as error:
            if self._stopped is None:
                raise
            failure = error
        except Exception as error:
            failure = error
        finally:
            self._task.cancel()
            timer.cancel()
            watch.cancel()
        return await self._ending(failure, recording)

    # Inside

    async def _run(self, recording: Recording) -> None:
        run = self.claim.run
        limits = self._limits()
        callbacks = [limits] if limits else []
        config = graph_config(self.claim, callbacks=callbacks)
        context = run.kwargs.get("context") or None
        try:
            async with self._around.registry.graph(
                run.graph_id, config, store=self._around.store, context=context
            ) as bare:
                graph = attached(bare, self._saver, self._around.store)
                self._saver.triggers = graph.trigger_to_nodes
                if begins_at_once(graph):
                    handlers = [*callbacks, InputFirst(self._saver)]
                    config = graph_config(self.claim, callbacks=handlers)
                self._may_pause = bool(
                    graph.interrupt_before_nodes
                    or graph.interrupt_after_nodes
                    or run.kwargs.get("interrupt_before")
                    or run.kwargs.get("interrupt_after")
                )
                self._tells_all = tells_all(graph)
                await self._check_start(config)
                await self._stream(graph, config, context, recording)
        finally:
            if limits is not None:
                await limits.release_all()
        if self._saver.refused is not None:
            raise self._saver.refused

    async def _check_start(self, config: RunnableConfig) -> None:
        """Refuse a starting point that went while the run waited, for instance by a rollback.

        Raises:
            ConflictError: LangGraph would start from nothing there.
        """
        checkpoint_id = config["configurable"].get("checkpoint_id")
        if checkpoint_id and await self._saver.aget_tuple(config) is None:
            raise ConflictError(
                f"checkpoint {checkpoint_id!r} went while the run waited; start again from another",
                thread_id=self.claim.run.thread_id,
                checkpoint_id=checkpoint_id,
            )

    def _limits(self) -> ProviderLimits | None:
        if self._around.permits is None or not self._around.llm_limits:
            return None
        return ProviderLimits(permits=self._around.permits, limits=self._around.llm_limits)

    async def _stream(
        self,
        graph: Pregel[Any, Any, Any, Any],
        config: RunnableConfig,
        context: Any,
        recording: Recording,
    ) -> None:
        payload: Mapping[str, Any] = self.claim.run.payload
        if self.claim.continuing and "command" in payload:
            payload = {"input": None}  # its updates are in the head already
        try:
            await self._stream_once(graph, config, context, recording, payload)
        except UnknownInterruptError as error:
            if not self.claim.recovered:
                raise
            # An earlier attempt gave these answers; what the thread still asks is asked again.
            still = set(error.pending_ids or ()) & set(payload.get("resume") or ())
            rest = {key: value for key, value in payload["resume"].items() if key in still}
            payload = {"resume": rest} if rest else {"input": None}
            await self._stream_once(graph, config, context, recording, payload)

    async def _stream_once(
        self,
        graph: Pregel[Any, Any, Any, Any],
        config: RunnableConfig,
        context: Any,
        recording: Recording,
        payload: Mapping[str, Any],
    ) -> None:
        run = self.claim.run
        stream = run_graph(
            graph,
            run_id=run.run_id,
            attempt=len(run.attempt_log),
            payload=payload,
            config=config,
            context=context,
            options=StreamOptions.from_kwargs(run.kwargs),
            control=self._control,
            outcome=self._outcome,
            wanted=recording.wanted,
        )
        async with aclosing(stream):
            async for event in stream:
                await _show(recording, event)

    async def _watch(self, cancellations: Subscription) -> None:
        """Stop the run when it is cancelled; an absence of the database puts the look off."""
        while True:
            await cancellations.wait()
            try:
                row = await self._read_run()
            except psycopg.OperationalError as error:
                run_id = self.claim.run.run_id
                log.warning("watch_interrupted", extra={"run_id": run_id, "error": str(error)})
                await asyncio.sleep(WATCH_RETRY_SECONDS)
                cancellations.wake()
                continue
            heed_cancellation()
            if row is None or row["cancel_action"] is not None:
                # A run that was deleted is not worth its effects either.
                self._cancel_action = "interrupt" if row is None else row["cancel_action"]
                self.stop("cancel")
                return

    async def _read_run(self) -> DictRow | None:
        run = self.claim.run
        async with self._around.database.pool.connection() as connection:
            cursor = await connection.execute(
                statement("read_run"),
                {"tenant": run.tenant, "run_id": run.run_id, "thread_id": None},
            )
            return await cursor.fetchone()

    async def _ending(self, failure: BaseException | None, recording: Recording) -> Ending:
        if self._stopped == "lease" or (failure is not None and await self._lost()):
            raise LeaseLostError(
                "the connection that held the thread is gone", run_id=self.claim.run.run_id
            ) from failure
        if failure is None:
            return self._ended() or await self._told(None)
        if self._stopped == "cancel":
            return await self._cancelled()
        if isinstance(failure, GraphDrained) or self._stopped == "shutdown":
            return Ending(status="queued")
        if self._stopped == "timeout":
            limit = self.claim.run.timeout_seconds
            return await self._told(
                "expired",
                error={
                    "error": "RunTimeoutError",
                    "message": f"the run took longer than its limit of {limit:g} s",
                },
            )
        await _show(recording, error_event(failure))
        return await self._told("failed", error=error_payload(failure))

    def _ended(self) -> Ending | None:
        """Return the ending of a graph that ran through, known without reading its head.

        Only new input starts a graph from its beginning. What goes on from somewhere may leave a
        question open that it does not tell again: that of another branch, when one was answered.
        """
        outcome = self._outcome
        goes_on = self.claim.run.payload.get("input") is None
        if goes_on or self._may_pause or not self._tells_all:
            return None
        if outcome.values is None or outcome.interrupts:
            return None
        return Ending(
            status="succeeded", state_known=True, values=outcome.values, output=outcome.output()
        )

    async def _cancelled(self) -> Ending:
        rolled_back = self._cancel_action == "rollback"
        if rolled_back:
            await self._roll_back()
        return await self._told("cancelled", rolled_back=rolled_back)

    async def _roll_back(self) -> None:
        run = self.claim.run
        await self._saver.forget_run(run.run_id, run.thread_id)

    async def _snapshot(self) -> StateSnapshot | None:
        run = self.claim.run
        try:
            async with self._around.registry.graph(
                run.graph_id, store=self._around.store, access="threads.read"
            ) as bare:
                graph = attached(bare, self._saver, self._around.store)
                return await read_head(graph, thread_config(run))
        except psycopg.Error:
            raise
        except Exception as error:
            # The project has no such graph any more, or its factory fails. The run ends all the
            # same: an ending that cannot be written would be tried for ever.
            log.warning("head_unread", extra={"run_id": run.run_id, "error": repr(error)})
            return None

    async def _lost(self) -> bool:
        try:
            await self.ping()
        except psycopg.Error:
            return True
        return False

    async def ping(self) -> None:
        """Ask the lease's connection whether it lives; nothing once the run has ended.

        Raises:
            psycopg.Error: it does not.
        """
        with suppress(RunOverError):
            async with self._saver.exclusive() as connection:
                await connection.execute("SELECT 1")

    async def _told(
        self,
        status: RunStatus | None,
        *,
        error: Mapping[str, Any] | None = None,
        rolled_back: bool = False,
    ) -> Ending:
        """Return the ending with what the thread's head says; None: as the head says."""
        snapshot = await self._snapshot()
        if snapshot is None:
            return Ending(status=status or "succeeded", error=error, rolled_back=rolled_back)
        pending, interrupts = questions_of(snapshot)
        output = self._outcome.output()
        if output is None and (status is not None or self.claim.recovered):
            output = snapshot.values
        return Ending(
            status=status or ("interrupted" if snapshot.next else "succeeded"),
            error=error,
            rolled_back=rolled_back,
            state_known=True,
            values=snapshot.values,
            output=output,
            interrupts=interrupts,
            pending=pending,
        )


async def _show(recording: Recording, event: StreamEvent) -> None:
    # An event that cannot be kept is a gap in a stream, not the end of a run.
    try:
        await recording.append(event)
    except psycopg.Error as error:
        log.warning("event_lost", extra={"run_id": recording.run_id, "error": str(error)})


def _crash_loop(run: Run) -> dict[str, Any]:
    starts = list(run.attempt_log)[:-1][-run.max_attempts :]
    last = starts[-1]["started_at"] if starts else "an unknown time"
    return {
        "error": "CrashLoopError",
        "message": (
            f"crash loop: {len(starts)} attempts in a row got no further and ended with the death"
            f" of their worker; the last one began at {last}"
        ),
        "attempts": starts,
    }
