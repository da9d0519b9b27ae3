"""The checkpointer of one run: fenced by its connection, bounded in time, never poisoned.

The connection also holds the thread's lease (`engine/lease.py`), so a worker that lost the lease
cannot write: its connection is gone. One saver serves one run; sharing one would put every
database operation of a process behind one lock.
"""

import asyncio
import copy
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.base import id as checkpoint_ids
from langgraph.checkpoint.serde import _msgpack
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.types import TASKS, _DeltaSnapshot
from langgraph.constants import START
from langgraph.pregel import Pregel
from langgraph.store.base import BaseStore
from psycopg import AsyncCursor
from psycopg.rows import DictRow, dict_row

from checkpoint_pruner.guard import translate
from engine.checkpoint_writer import CheckpointRow, CheckpointWriter
from engine.database import Connection, statement
from engine.errors import ConfigurationError, EngineError, InvalidValueError
from engine.pruning_saver import PruningSaver
from engine.values import refused_values, storable, to_storable_json

OPERATION_TIMEOUT_SECONDS = 5.0
MAX_VALUE_BYTES = 8 * 1_048_576


def require_strict_msgpack() -> None:
    """Refuse to work with a LangGraph that revives any class it finds in a checkpoint.

    Raises:
        ConfigurationError: LangGraph was imported before `engine`, without strict mode.
    """
    if not _msgpack.STRICT_MSGPACK_ENABLED:
        raise ConfigurationError(
            "LANGGRAPH_STRICT_MSGPACK is off: a checkpoint row could run code; set it to true, or"
            " import engine before langgraph"
        )


def keep_ids_after(checkpoint_id: str | None) -> None:
    """Let every checkpoint id that this process makes from now on sort after this one.

    LangGraph takes the greatest id as a thread's head and builds ids from the wall clock: on a
    machine whose clock is behind, a whole turn would otherwise vanish without an error.
    """
    if not checkpoint_id:
        return
    with suppress(ValueError):
        parsed = UUID(checkpoint_id)
        if parsed.version != 6:
            return
        seen = checkpoint_ids.UUID(int=parsed.int).time
        last = checkpoint_ids._last_v6_timestamp  # noqa: SLF001 - no public way to seed the ids
        checkpoint_ids._last_v6_timestamp = max(last or 0, seen)  # type: ignore[assignment]  # noqa: SLF001 - typed as None there


def attached(
    graph: Pregel[Any, Any, Any, Any], saver: BaseCheckpointSaver[Any], store: BaseStore | None
) -> Pregel[Any, Any, Any, Any]:
    """Return the graph with this checkpointer and store.

    Unlike `graph.copy`, it keeps the classes that the graph's schemas allow in checkpoints.
    """
    twin = copy.copy(graph)
    twin.checkpointer = saver
    twin.store = store
    return twin


class RunOverError(EngineError):
    """The run has ended, and its connection may hold another thread by now."""

    def __init__(self) -> None:
        super().__init__("the run has ended: nothing more can be saved for it")


def sever(connection: Connection) -> None:
    """Cut a connection at its socket: whoever waits on it gets an OperationalError at once.

    A cancelled statement would first ask the server to stop it, over a network that may be the
    very thing that hangs.
    """
    with (
        suppress(OSError, psycopg.Error),
        socket.socket(fileno=os.dup(connection.fileno())) as duplicate,
    ):
        duplicate.shutdown(socket.SHUT_RDWR)


@contextmanager
def bounded(
    connection: Connection, seconds: float = OPERATION_TIMEOUT_SECONDS
) -> Iterator[Connection]:
    """Yield the connection, and cut it if the block takes longer."""
    timer = asyncio.get_running_loop().call_later(seconds, sever, connection)
    try:
        yield connection
    finally:
        timer.cancel()


@dataclass(slots=True)
class _Attempted:
    """What the clones that LangGraph makes of a saver have in common.

    Attributes:
        fresh: the thread has no checkpoint yet.
        refusal: the first value that was refused.
        errors: LangGraph knows an error that a handler dealt with by its `id()` alone, until the
            run's end: freed, it would lend its address, and its pardon, to a later error.
        saving: resolved when a checkpoint that is on its way is committed, or will not be.
        retired: the connection serves the next run by now.
    """

    fresh: bool = False
    retired: bool = False
    refusal: InvalidValueError | None = None
    errors: list[BaseException] = field(default_factory=list)
    saving: set[asyncio.Future[None]] = field(default_factory=set)


class RunSaver(PruningSaver):
    """A checkpointer on one connection of its own.

    Attributes:
        timeout_seconds: longest time of one operation; then the connection is cut.
        max_value_bytes: largest encoded value of one channel.
        triggers: nodes of the root graph by the channels that start them; None where that is not
            known.
        writer: gathers what is saved.
    """

    conn: Connection

    def __init__(
        self,
        connection: Connection,
        *,
        serde: SerializerProtocol | None = None,
        timeout_seconds: float = OPERATION_TIMEOUT_SECONDS,
        max_value_bytes: int = MAX_VALUE_BYTES,
        gathers: bool = False,
        fresh: bool = False,
    ) -> None:
        """Save on a connection that nobody else uses meanwhile.

        Args:
            connection: autocommit, or in the caller's transaction.
            serde: the project's serializer.
            timeout_seconds: see the attribute.
            max_value_bytes: see the attribute.
            gathers: whether what LangGraph does not wait for may wait for what it waits for; then
                `settle` stores the rest at the end.
            fresh: the thread is known to have no checkpoint yet.
        """
        require_strict_msgpack()
        super().__init__(connection, serde=serde)
        self.timeout_seconds = timeout_seconds
        self.max_value_bytes = max_value_bytes
        self.triggers: Mapping[str, Sequence[str]] | None = None
        self._gathers = gathers
        self.writer = CheckpointWriter(self.exclusive)
        self._attempted = _Attempted(fresh=fresh)

    @property
    def deals_input_out(self) -> bool:
        """Whether the input is known to wait for a step of LangGraph's own before any node."""
        return self.triggers is not None and [*self.triggers.get(START, ())] == [START]

    @property
    def refused(self) -> InvalidValueError | None:
        """The value that could not be stored, if there was one."""
        return self._attempted.refusal

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[Connection]:
        """Yield the connection between two operations of the saver, bounded like one of them.

        Raises:
            RunOverError: it is no longer this saver's.
        """
        async with self.lock:
            if self._attempted.retired:
                raise RunOverError
            with bounded(self.conn, self.timeout_seconds) as connection:
                yield connection

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Read a checkpoint; ids made later sort after it."""
        place = config["configurable"]
        if self._attempted.fresh and not (place.get("checkpoint_id") or place.get("checkpoint_ns")):
            return None
        found = await super().aget_tuple(config)
        if found is not None:
            keep_ids_after(found.checkpoint["id"])
        return found

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save a checkpoint.

        A gathering saver lets two kinds of checkpoints wait for what comes at once: that of the
        input, where LangGraph waits for the next one before any node begins, and the last one,
        which nothing comes after but the end of the run.

        Raises:
            InvalidValueError: the state holds what cannot be stored; nothing was written.
            CheckpointPrunedError: its parent no longer exists.
        """
        if self._attempted.refusal is not None:
            raise self._attempted.refusal
        place = config["configurable"]
        thread_id, checkpoint_ns = str(place["thread_id"]), str(place["checkpoint_ns"])
        inline: dict[str, Any] = {}
        blobs: dict[str, Any] = {}
        for channel, value in checkpoint["channel_values"].items():
            if isinstance(value, _DeltaSnapshot):
                blobs[channel], inline[channel] = value, True
            elif value is None or isinstance(value, str | int | float):
                # Primitives are written with every checkpoint.
                inline[channel] = self._storable(channel, value)
            elif channel in new_versions:
                blobs[channel] = self._storable(channel, value)
        self.writer.add_checkpoint(
            CheckpointRow(
                thread_id=thread_id,
                checkpoint_ns=checkpoint_ns,
                checkpoint_id=checkpoint["id"],
                parent_checkpoint_id=place.get("checkpoint_id"),
                checkpoint=to_storable_json({**checkpoint, "channel_values": inline}),
                metadata=to_storable_json(get_serializable_checkpoint_metadata(config, metadata)),
            ),
            self._dump_blobs(
                thread_id,
                checkpoint_ns,
                blobs,
                {channel: new_versions[channel] for channel in blobs if channel in new_versions},
            ),
        )
        self._attempted.fresh = False
        if self._gathers and (
            self._is_dealt_out(checkpoint_ns, metadata) or self._is_last(checkpoint_ns, checkpoint)
        ):
            self.writer.store_soon()
        else:
            with self._saving():
                await self.settle()
        return {
            "configurable": {
                "thread_id": thread_id,
                "checkpoint_ns": checkpoint_ns,
                "checkpoint_id": checkpoint["id"],
            }
        }

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Save what a task wrote.

        A gathering saver lets it wait for the checkpoint of the superstep, except for what a task
        says of itself: errors, questions and answers.

        Raises:
            InvalidValueError: it cannot be stored; nothing was written.
        """
        self._attempted.errors.extend(
            value for _, value in writes if isinstance(value, BaseException)
        )
        sound = [(channel, self._storable(channel, value)) for channel, value in writes]
        place = config["configurable"]
        rows = self._dump_writes(
            str(place["thread_id"]),
            str(place["checkpoint_ns"]),
            str(place["checkpoint_id"]),
            task_id,
            task_path,
            sound,
        )
        special = [channel in WRITES_IDX_MAP for channel, _ in writes]
        self.writer.add_writes(rows, replacing=all(special))
        if self._gathers and not any(special):
            self.writer.store_soon()
        else:
            await self.settle()

    async def caught_up(self) -> None:
        """Return when every checkpoint that LangGraph has begun to save is committed.

        Raises:
            InvalidValueError: one of them cannot be stored.
            psycopg.Error: one of them is not.
        """
        await asyncio.sleep(0)  # LangGraph's task that saves was made just now and begins
        for saved in tuple(self._attempted.saving):
            await asyncio.wait({saved})
            saved.result()

    async def settle(self) -> None:
        """Store what waits, and return when everything is committed.

        Raises:
            CheckpointPrunedError: the parent of a checkpoint no longer exists.
            psycopg.Error: it is not stored.
        """
        try:
            await self.writer.store()
        except psycopg.Error as error:
            refusal = translate(error)
            if refusal is None:
                raise
            raise refusal from error

    def retire(self) -> None:
        """Leave the connection to the next run; called in `exclusive`, once the run has ended.

        A heartbeat or a task that a node left behind may be waiting for its turn.
        """
        self._attempted.retired = True

    async def settle_within(self, connection: Connection) -> None:
        """Store what waits in the transaction of a caller that is in `exclusive`."""
        await self.writer.store_within(connection)

    async def forget_run(self, run_id: str, thread_id: str) -> None:
        """Delete what a run saved on its thread: checkpoints, writes, and answers it gave.

        A question that it had answered is pending again afterwards.
        """
        await self.settle()
        async with self.exclusive() as connection, connection.transaction():
            await connection.execute(
                statement("delete_checkpoints_of_run"), {"run_id": run_id, "thread_id": thread_id}
            )
            await connection.execute(statement("unanswer_questions"), {"thread_id": thread_id})
            await connection.execute(
                statement("delete_unreferenced_blobs"), {"thread_id": thread_id}
            )

    @contextmanager
    def _saving(self) -> Iterator[None]:
        """Let `caught_up` wait for the block."""
        saved = asyncio.get_running_loop().create_future()
        self._attempted.saving.add(saved)
        try:
            yield
        except Exception as error:
            saved.set_exception(error)
            saved.exception()  # told to whoever waits, no news for the log
            raise
        else:
            saved.set_result(None)
        finally:
            saved.cancel()
            self._attempted.saving.discard(saved)

    def _is_dealt_out(self, checkpoint_ns: str, metadata: CheckpointMetadata) -> bool:
        """Tell whether it is an input that a step of LangGraph's own takes to the first nodes.

        A functional graph's node begins with the input's checkpoint itself, and the keys of its
        effects hang on that one's id: it must be the same after a crash.
        """
        return metadata.get("source") == "input" and checkpoint_ns == "" and self.deals_input_out

    def _is_last(self, checkpoint_ns: str, checkpoint: Checkpoint) -> bool:
        """Tell whether no node follows: LangGraph looks at the same channels to find that out."""
        updated = checkpoint.get("updated_channels")
        return (
            self.triggers is not None
            and checkpoint_ns == ""
            and updated is not None
            and TASKS not in updated
            and not any(channel in self.triggers for channel in updated)
        )

    @asynccontextmanager
    async def _cursor(self, *, pipeline: bool = False) -> AsyncIterator[AsyncCursor[DictRow]]:
        await self.settle()  # what is read next must find it
        async with self.exclusive() as connection:
            if pipeline:
                async with (
                    connection.pipeline(),
                    connection.cursor(binary=True, row_factory=dict_row) as cursor,
                ):
                    yield cursor
            else:
                async with connection.cursor(binary=True, row_factory=dict_row) as cursor:
                    yield cursor

    def _storable(self, channel: str, value: Any) -> Any:
        try:
            if isinstance(value, str) and len(value) > self.max_value_bytes:
                raise self._too_big(channel, len(value))
            return storable(value, f"/{channel}")
        except InvalidValueError as error:
            self._attempted.refusal = self._attempted.refusal or error
            raise

    def _dump_blobs(
        self,
        thread_id: str,
        checkpoint_ns: str,
        values: dict[str, Any],
        versions: ChannelVersions,
    ) -> list[tuple[str, str, str, str, str, bytes | None]]:
        rows = super()._dump_blobs(thread_id, checkpoint_ns, values, versions)
        for row in rows:
            self._check_size(row[2], row[-1])
        return rows

    def _dump_writes(
        self,
        thread_id: str,
        checkpoint_ns: str,
        checkpoint_id: str,
        task_id: str,
        task_path: str,
        writes: Sequence[tuple[str, Any]],
    ) -> list[tuple[str, str, str, str, str, int, str, str, bytes]]:
        rows = super()._dump_writes(
            thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, writes
        )
        for row in rows:
            self._check_size(row[6], row[-1])
        return rows

    def _check_size(self, channel: str, encoded: bytes | None) -> None:
        if encoded is not None and len(encoded) > self.max_value_bytes:
            error = self._too_big(channel, len(encoded))
            self._attempted.refusal = self._attempted.refusal or error
            raise error

    def _too_big(self, channel: str, size: int) -> InvalidValueError:
        refused_values.labels("size").inc()
        return InvalidValueError(
            f"/{channel}", f"at most {self.max_value_bytes} bytes", f"{size} bytes"
        )
