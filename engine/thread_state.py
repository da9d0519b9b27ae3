"""The state of threads: read at any checkpoint, listed, changed from outside."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.errors import EmptyInputError, InvalidUpdateError
from langgraph.store.base import BaseStore
from langgraph.types import Command, Send, StateSnapshot, StateUpdate
from langgraph_sdk.runtime import AccessContext

from engine.database import Connection, statement
from engine.errors import ConflictError, EngineError, InvalidValueError, NotFoundError
from engine.heads import read_head
from engine.listing import Scope
from engine.registry import Graph, Registry
from engine.saver import RunSaver, attached
from engine.state_wire import EMPTY_STATE, address_of, interrupts_to_wire, state_to_wire
from engine.thread import Thread
from engine.threads import Threads
from engine.user_messages import command_from_user, from_user, message_channels
from engine.values import jsonb

MAX_HISTORY = 1_000
MAX_SUPERSTEPS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a thread: a checkpoint of the root graph or of a subgraph's namespace.

    Attributes:
        checkpoint_id: None for the newest one.
        checkpoint_ns: empty for the root graph.
    """

    checkpoint_id: str | None = None
    checkpoint_ns: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadStates:
    """Reads and changes what the checkpoints of threads hold.

    Every checkpoint a caller names is looked up first: LangGraph itself would start an unknown
    one from empty state.
    """

    threads: Threads
    registry: Registry
    store: BaseStore

    async def get(
        self,
        thread_id: str,
        place: Place = Place(),
        *,
        subgraphs: bool = False,
        scope: Scope | None = None,
    ) -> dict[str, Any]:
        """Return the state at a place as JSON shapes; all null for a thread that never ran.

        Raises:
            NotFoundError: no such thread or checkpoint.
        """
        async with self.threads.database.transaction() as connection:
            thread = await self.threads.read(connection, thread_id, scope=scope, with_values=False)
            if thread.graph_id is None:
                if place.checkpoint_id is not None:
                    raise NotFoundError("checkpoint", place.checkpoint_id)
                return dict(EMPTY_STATE)
            await self._hold(connection, thread_id, place)
            async with self._graph(thread, connection, "threads.read") as graph:
                snapshot = await self._snapshot(graph, thread_id, place, subgraphs=subgraphs)
            return state_to_wire(snapshot)

    async def history(
        self,
        thread_id: str,
        *,
        limit: int = 10,
        before: Place | None = None,
        metadata: Mapping[str, Any] | None = None,
        checkpoint_ns: str = "",
        scope: Scope | None = None,
    ) -> list[dict[str, Any]]:
        """Return the states of a thread, newest first.

        Args:
            thread_id: the thread.
            limit: at most this many, `MAX_HISTORY` at the most.
            before: only states older than this checkpoint.
            metadata: only checkpoints whose metadata contains this.
            checkpoint_ns: a subgraph's namespace; empty for the root graph.
            scope: what the thread's metadata must contain.

        Raises:
            NotFoundError: no such thread, or no such checkpoint in `before`.
        """
        async with self.threads.database.transaction() as connection:
            thread = await self.threads.read(connection, thread_id, scope=scope, with_values=False)
            if before is not None:
                await self._hold(connection, thread_id, before)
            if thread.graph_id is None:
                return []
            config = _config(thread_id, Place(checkpoint_ns=checkpoint_ns))
            async with self._graph(thread, connection, "threads.read") as graph:
                try:
                    return [
                        state_to_wire(snapshot)
                        async for snapshot in graph.aget_state_history(
                            config,
                            filter=dict(metadata) if metadata else None,
                            before=None if before is None else _config(thread_id, before),
                            limit=min(limit, MAX_HISTORY),
                        )
                    ]
                except (ValueError, TypeError) as error:
                    raise _unread(error, thread_id, checkpoint_ns) from error

    async def update(
        self,
        thread_id: str,
        values: Any,
        *,
        as_node: str | None = None,
        place: Place = Place(),
        actor: str = "system",
        via: str = "api",
        scope: Scope | None = None,
    ) -> dict[str, Any]:
        """Write to a thread's state in a transaction of its own; see `write`."""
        async with self.threads.database.transaction() as connection:
            return await self.write(
                connection,
                thread_id,
                values,
                as_node=as_node,
                place=place,
                actor=actor,
                via=via,
                scope=scope,
            )

    async def write(
        self,
        connection: Connection,
        thread_id: str,
        values: Any,
        *,
        as_node: str | None = None,
        place: Place = Place(),
        actor: str = "system",
        via: str = "api",
        trusted: bool = True,
        scope: Scope | None = None,
    ) -> dict[str, Any]:
        """Write to a thread's state as if a node had, and return the new checkpoint's address.

        Questions that the old head waited at are withdrawn, for nobody could answer them any
        more; the audit log keeps who did that. A node that has asked here cannot be written for:
        that is what deciding is for.

        Of a caller who is not `trusted` only the user's own messages are taken.

        Raises:
            NotFoundError: no such thread or checkpoint.
            ThreadBusyError: a run is at work on the thread.
            ConflictError: the node asks people, or the thread has no graph yet.
            InvalidValueError: the graph cannot take this update.
        """
        await self.threads.hold(connection, thread_id)
        thread = await self.threads.read(connection, thread_id, scope=scope, with_values=False)
        await self._hold(connection, thread_id, place)
        withdrawn = await self._withdraw(
            connection, thread_id, as_node=as_node, actor=actor, via=via
        )
        async with self._graph(thread, connection, "threads.update") as graph:
            config = {**thread.config, **_config(thread_id, place)}
            if not trusted:
                values = from_user(values, message_channels(graph), pointer="/values")
            try:
                written = await graph.aupdate_state(cast("RunnableConfig", config), values, as_node)
            except (InvalidUpdateError, EmptyInputError, ValueError, TypeError) as error:
                raise InvalidValueError(
                    "/values", f"an update the graph takes ({error})"
                ) from error
            snapshot = await graph.aget_state(_config(thread_id, Place()))
        await self._settle(connection, thread_id, snapshot)
        address = address_of(written)
        await self.threads.audit.append(
            connection,
            actor=actor,
            via=via,
            action="state.updated",
            thread_id=thread_id,
            details={
                "as_node": as_node,
                "channels": sorted(values) if isinstance(values, Mapping) else None,
                "from_checkpoint_id": place.checkpoint_id,
                "checkpoint_id": address and address.get("checkpoint_id"),
                "withdrawn_gates": withdrawn,
            },
        )
        await self.threads.bus.notify(connection, f"thread:{thread_id}")
        return {"checkpoint": address, "configurable": address, **_short(address)}

    async def apply_supersteps(
        self,
        connection: Connection,
        thread: Thread,
        supersteps: Sequence[Mapping[str, Any]],
        *,
        trusted: bool = True,
    ) -> None:
        """Build a new thread's past out of updates, in the transaction that makes the thread.

        Of a caller who is not `trusted` only the user's own messages are taken.

        Raises:
            ConflictError: the thread's metadata names no graph.
            InvalidValueError: the graph cannot take an update.
        """
        async with self._graph(thread, connection, "threads.update") as graph:
            channels = None if trusted else message_channels(graph)
            steps = [
                [
                    StateUpdate(_update_values(update, channels), update.get("as_node"))
                    for update in step.get("updates") or ()
                ]
                for step in supersteps
            ]
            try:
                await graph.abulk_update_state(_config(thread.thread_id, Place()), steps)
            except (InvalidUpdateError, EmptyInputError, ValueError, TypeError) as error:
                raise InvalidValueError(
                    "/supersteps", f"updates the graph takes ({error})"
                ) from error
            snapshot = await graph.aget_state(_config(thread.thread_id, Place()))
        await self._settle(connection, thread.thread_id, snapshot)

    @asynccontextmanager
    async def _graph(
        self, thread: Thread, connection: Connection, access: AccessContext
    ) -> AsyncIterator[Graph]:
        if thread.graph_id is None:
            raise ConflictError(
                f"thread {thread.thread_id!r} has no graph yet; start a run, or name one in"
                " metadata.graph_id",
                thread_id=thread.thread_id,
            )
        saver = RunSaver(connection, serde=self.registry.serializer())
        async with self.registry.graph(
            thread.graph_id, thread.config, store=self.store, access=access
        ) as graph:
            yield attached(graph, saver, self.store)

    async def _snapshot(
        self, graph: Graph, thread_id: str, place: Place, *, subgraphs: bool
    ) -> StateSnapshot:
        try:
            snapshot = await read_head(graph, _config(thread_id, place), subgraphs=subgraphs)
        except (ValueError, TypeError) as error:
            raise _unread(error, thread_id, place.checkpoint_ns) from error
        if place.checkpoint_ns and address_of(snapshot.config) is None:
            raise NotFoundError("subgraph", place.checkpoint_ns)
        return snapshot

    async def _hold(self, connection: Connection, thread_id: str, place: Place) -> None:
        """Check that a named checkpoint exists, and keep the pruner off it."""
        if place.checkpoint_id is None:
            return
        cursor = await connection.execute(
            statement("hold_checkpoint"),
            {
                "thread_id": thread_id,
                "checkpoint_ns": place.checkpoint_ns,
                "checkpoint_id": place.checkpoint_id,
            },
        )
        if await cursor.fetchone() is None:
            raise NotFoundError("checkpoint", place.checkpoint_id)

    async def _withdraw(
        self, connection: Connection, thread_id: str, *, as_node: str | None, actor: str, via: str
    ) -> list[str]:
        cursor = await connection.execute(
            statement("find_gate_of_node"),
            {
                "tenant": self.threads.database.tenant,
                "thread_id": thread_id,
                "node": as_node,
            },
        )
        asked = await cursor.fetchone()
        if asked is not None:
            # Also when its question was withdrawn: two writes would do what one may not.
            raise ConflictError(
                f"node {as_node!r} asks people, and nobody else answers for it;"
                f" decide review {asked['gate_id']!r}, or write as another node",
                thread_id=thread_id,
                gate_id=asked["gate_id"],
            )
        return await self.threads.gates.cancel_open(
            connection, thread_id, reason="the state was changed from outside", actor=actor, via=via
        )

    async def _settle(
        self, connection: Connection, thread_id: str, snapshot: StateSnapshot
    ) -> None:
        interrupts = interrupts_to_wire(snapshot.tasks)
        await connection.execute(
            statement("set_thread_state"),
            {
                "tenant": self.threads.database.tenant,
                "thread_id": thread_id,
                "status": "interrupted" if interrupts else "idle",
                "values": jsonb(snapshot.values),
                "interrupts": jsonb(interrupts),
            },
        )


def _unread(error: Exception, thread_id: str, checkpoint_ns: str) -> EngineError:
    """Return why a state is not shown: no such subgraph, or a state that its schema refuses."""
    if checkpoint_ns:
        return NotFoundError("subgraph", checkpoint_ns)
    return ConflictError(
        f"the graph cannot read the thread's state: {error}; update it from an earlier checkpoint",
        thread_id=thread_id,
    )


def _config(thread_id: str, place: Place) -> RunnableConfig:
    configurable: dict[str, Any] = {
        "thread_id": thread_id,
        "checkpoint_ns": place.checkpoint_ns,
    }
    if place.checkpoint_id is not None:
        configurable["checkpoint_id"] = place.checkpoint_id
    return {"configurable": configurable}


def _short(address: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"checkpoint_id": address["checkpoint_id"]} if address else {}


def _update_values(update: Mapping[str, Any], channels: frozenset[str] | None) -> Any:
    """Return what an update writes; with `channels`, only the user's own messages to those."""
    command = update.get("command")
    if not command:
        values = update.get("values")
        return values if channels is None else from_user(values, channels, pointer="/values")
    if channels is not None:
        command = command_from_user(command, channels)
    goto = command.get("goto") or ()
    targets = [goto] if isinstance(goto, str | Mapping) else list(goto)
    return Command(
        update=command.get("update"),
        resume=command.get("resume"),
        goto=[
            Send(target["node"], target.get("input")) if isinstance(target, Mapping) else target
            for target in targets
        ],
    )
