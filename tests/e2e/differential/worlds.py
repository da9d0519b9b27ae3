"""The same graph, run in three ways: in this process, over HTTP, and as a RemoteGraph.

Every way answers in the same JSON shapes, so that what happened can be compared. In this process
means as LangGraph's documentation has it: compiled with an `AsyncPostgresSaver` and a store.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol
from uuid import uuid4

import httpx
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import StateGraph
from langgraph.pregel import Pregel
from langgraph.pregel.remote import RemoteException, RemoteGraph
from langgraph.store.postgres.aio import AsyncPostgresStore
from langgraph.types import Command, Send, StateSnapshot
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import APIStatusError

from engine.loading import load_object
from engine.wire import error_payload, to_plain

PROJECT_FILE = Path(__file__).parent / "langgraph.json"

REFUSALS = (APIStatusError, httpx.HTTPStatusError)

Json = Any


class Thread(Protocol):
    """One thread of one graph.

    `value` is an input, None to go on, or a Command; `at` is the id of a checkpoint to start from.
    Options are those of LangGraph: `config`, `context`, `interrupt_before`, `interrupt_after`.
    """

    async def invoke(self, value: Any = None, *, at: str | None = None, **options: Any) -> Json:
        """Run to the end and return the output, or `{"__error__": ...}`."""

    async def stream(
        self,
        value: Any = None,
        modes: Sequence[str] = ("values",),
        *,
        subgraphs: bool = False,
        at: str | None = None,
        **options: Any,
    ) -> list[Json]:
        """Run to the end and return `[mode, namespace, payload]` of every event."""

    async def state(
        self, *, at: str | None = None, ns: str = "", subgraphs: bool = False
    ) -> dict[str, Json]:
        """Return the state at a checkpoint; the newest without `at`."""

    async def history(
        self,
        *,
        limit: int = 10,
        before: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        ns: str = "",
    ) -> list[dict[str, Json]]:
        """Return the states, newest first."""

    async def update(
        self, values: Any, as_node: str | None = None, *, at: str | None = None, ns: str = ""
    ) -> str | Json:
        """Write to the state and return the new checkpoint's id, or `{"__error__": ...}`."""


class World(Protocol):
    """A way to run graphs."""

    name: str

    async def thread(self, graph_id: str) -> Thread:
        """Return a new thread."""


def snapshot_json(snapshot: StateSnapshot) -> dict[str, Json]:
    """Return a snapshot as the API's state has it."""
    return {
        "values": to_plain(snapshot.values),
        "next": list(snapshot.next),
        "tasks": [
            {
                "id": task.id,
                "name": task.name,
                "error": None if task.error is None else str(task.error),
                "interrupts": [_question(interrupt) for interrupt in task.interrupts],
                "state": _task_state(task.state),
                "result": to_plain(task.result),
            }
            for task in snapshot.tasks
        ],
        "metadata": to_plain(snapshot.metadata),
        "interrupts": [_question(interrupt) for interrupt in snapshot.interrupts],
        "checkpoint_id": snapshot.config.get("configurable", {}).get("checkpoint_id"),
        "parent_checkpoint_id": (snapshot.parent_config or {})
        .get("configurable", {})
        .get("checkpoint_id"),
    }


def state_json(state: Mapping[str, Json]) -> dict[str, Json]:
    """Return a state of the API without what depends on the place and the time."""
    return {
        "values": state["values"],
        "next": state["next"],
        "tasks": [
            {
                "id": task["id"],
                "name": task["name"],
                "error": task["error"],
                "interrupts": [_question(interrupt) for interrupt in task["interrupts"]],
                "state": state_json(task["state"])
                if task["state"]
                else task["checkpoint"] and task["checkpoint"]["checkpoint_ns"],
                "result": task["result"],
            }
            for task in state["tasks"]
        ],
        "metadata": state["metadata"],
        "interrupts": [_question(interrupt) for interrupt in state["interrupts"]],
        "checkpoint_id": state["checkpoint_id"],
        "parent_checkpoint_id": state["parent_checkpoint_id"],
    }


def _task_state(state: Any) -> Json:
    if isinstance(state, StateSnapshot):
        return snapshot_json(state)
    return state["configurable"]["checkpoint_ns"] if state else None


def _question(interrupt: Any) -> dict[str, Json]:
    plain = interrupt if isinstance(interrupt, Mapping) else to_plain(interrupt)
    return {**plain, "response_schema": plain.get("response_schema")}


def _configurable(thread_id: str, at: str | None, ns: str = "") -> dict[str, Any]:
    place = {"checkpoint_id": at} if at else {}
    return {"thread_id": thread_id, "checkpoint_ns": ns, **place}


# In this process


@dataclass(kw_only=True)
class InProcessThread:
    """A thread of a compiled graph."""

    errors: ClassVar[tuple[type[Exception], ...]] = (Exception,)

    graph: Pregel
    thread_id: str = field(default_factory=lambda: str(uuid4()))

    async def invoke(self, value: Any = None, *, at: str | None = None, **options: Any) -> Json:
        try:
            answer = await self.graph.ainvoke(value, **self._arguments(at, options))
        except self.errors as error:
            return {"__error__": self._told(error)}
        return to_plain(answer)

    async def stream(
        self,
        value: Any = None,
        modes: Sequence[str] = ("values",),
        *,
        subgraphs: bool = False,
        at: str | None = None,
        **options: Any,
    ) -> list[Json]:
        arguments = {**self._arguments(at, options), **self._stream_arguments()}
        events: list[Json] = []
        try:
            async for part in self.graph.astream(
                value, stream_mode=list(modes), subgraphs=subgraphs, **arguments
            ):
                ns, mode, payload = part if subgraphs else ((), *part[:2])
                events.append(self._event(mode, list(ns), to_plain(payload)))
        except self.errors as error:
            events.append(["error", [], self._told(error)])
        return events

    async def state(
        self, *, at: str | None = None, ns: str = "", subgraphs: bool = False
    ) -> dict[str, Json]:
        config = {"configurable": _configurable(self.thread_id, at, ns)}
        return snapshot_json(await self.graph.aget_state(config, subgraphs=subgraphs))

    async def history(
        self,
        *,
        limit: int = 10,
        before: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        ns: str = "",
    ) -> list[dict[str, Json]]:
        found = self.graph.aget_state_history(
            {"configurable": _configurable(self.thread_id, None, ns)},
            filter=dict(metadata) if metadata else None,
            before={"configurable": _configurable(self.thread_id, before)} if before else None,
            limit=limit,
        )
        return [snapshot_json(snapshot) async for snapshot in found]

    async def update(
        self, values: Any, as_node: str | None = None, *, at: str | None = None, ns: str = ""
    ) -> str | Json:
        config = {"configurable": _configurable(self.thread_id, at, ns)}
        try:
            written = await self.graph.aupdate_state(config, values, as_node)
        except self.errors as error:
            return {"__error__": self._told(error)}
        return written["configurable"]["checkpoint_id"]

    def _told(self, error: Exception) -> Json:
        return to_plain(error_payload(error))

    def _event(self, mode: str, ns: list[str], payload: Json) -> Json:
        # A server's message has its namespace in its metadata alone.
        return [mode, [] if mode == "messages" else ns, payload]

    def _stream_arguments(self) -> dict[str, Any]:
        # What `ainvoke` shows; a server that shows more would tell what the graph keeps to itself.
        return {"output_keys": self.graph.output_channels}

    def _arguments(self, at: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
        given = dict(options)
        config = dict(given.pop("config", {}))
        place = _configurable(self.thread_id, at)
        config["configurable"] = {**config.get("configurable", {}), **place}
        return {"durability": "sync", **given, "config": config}


@dataclass(kw_only=True)
class InProcess:
    """Graphs of this process, on a database of their own."""

    saver: AsyncPostgresSaver
    store: AsyncPostgresStore
    name: str = "in process"

    async def set_up(self) -> None:
        """Make LangGraph's tables."""
        await self.saver.setup()
        await self.store.setup()

    async def thread(self, graph_id: str) -> InProcessThread:
        paths = json.loads(PROJECT_FILE.read_text())["graphs"]
        made = load_object(paths[graph_id], PROJECT_FILE.parent)
        attached = {"checkpointer": self.saver, "store": self.store}
        if isinstance(made, StateGraph):
            graph: Any = made.compile(**attached)
        elif isinstance(made, Pregel):
            graph = made.copy(attached)
        else:
            graph = made(**attached)
        if graph.name == "LangGraph":
            graph.name = graph_id
        return InProcessThread(graph=graph)


# Over HTTP


@dataclass(kw_only=True)
class HttpThread:
    """A thread of a server, by the Python SDK."""

    client: LangGraphClient
    graph_id: str
    thread_id: str

    async def invoke(self, value: Any = None, *, at: str | None = None, **options: Any) -> Json:
        try:
            return await self.client.runs.wait(
                self.thread_id,
                self.graph_id,
                raise_error=False,
                **self._arguments(value, at, options),
            )
        except REFUSALS as error:
            return {"__error__": _refusal(error)}

    async def stream(
        self,
        value: Any = None,
        modes: Sequence[str] = ("values",),
        *,
        subgraphs: bool = False,
        at: str | None = None,
        **options: Any,
    ) -> list[Json]:
        events: list[Json] = []
        try:
            async for part in self.parts(value, modes, subgraphs=subgraphs, at=at, **options):
                mode, *ns = part.event.split("|")
                if mode != "metadata":
                    events.append([mode, ns, _without_addresses(mode, part.data)])
        except REFUSALS as error:
            events.append(["error", [], _refusal(error)])
        return events

    def parts(
        self,
        value: Any,
        modes: Sequence[str],
        *,
        subgraphs: bool = False,
        at: str | None = None,
        **options: Any,
    ) -> AsyncIterator[Any]:
        """Run and yield the stream's parts as the SDK gives them."""
        wanted: Any = ["messages-tuple" if mode == "messages" else mode for mode in modes]
        return self.client.runs.stream(
            self.thread_id,
            self.graph_id,
            stream_mode=wanted,
            stream_subgraphs=subgraphs,
            **self._arguments(value, at, options),
        )

    async def state(
        self, *, at: str | None = None, ns: str = "", subgraphs: bool = False
    ) -> dict[str, Json]:
        place = {"checkpoint_ns": ns, **({"checkpoint_id": at} if at else {})}
        state = await self.client.threads.get_state(
            self.thread_id, checkpoint=place if at or ns else None, subgraphs=subgraphs
        )
        return state_json(state)

    async def history(
        self,
        *,
        limit: int = 10,
        before: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        ns: str = "",
    ) -> list[dict[str, Json]]:
        found = await self.client.threads.get_history(
            self.thread_id,
            limit=limit,
            before={"checkpoint_id": before} if before else None,
            metadata=metadata,
            checkpoint={"checkpoint_ns": ns} if ns else None,
        )
        return [state_json(state) for state in found]

    async def update(
        self, values: Any, as_node: str | None = None, *, at: str | None = None, ns: str = ""
    ) -> str | Json:
        try:
            written = await self.client.threads.update_state(
                self.thread_id,
                values,
                as_node=as_node,
                checkpoint={"checkpoint_ns": ns, "checkpoint_id": at} if ns else None,
                checkpoint_id=None if ns else at,
            )
        except REFUSALS as error:
            return {"__error__": _refusal(error)}
        return written["checkpoint"]["checkpoint_id"]

    def _arguments(self, value: Any, at: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
        payload = {"command": command_json(value)} if _is_command(value) else {"input": value}
        return {**payload, **options, "checkpoint_id": at}


@dataclass(kw_only=True)
class OverHttp:
    """A server, by the Python SDK."""

    client: LangGraphClient
    name: str = "over HTTP"

    async def thread(self, graph_id: str) -> HttpThread:
        made = await self.client.threads.create(graph_id=graph_id)
        return HttpThread(client=self.client, graph_id=graph_id, thread_id=made["thread_id"])


# As a RemoteGraph


@dataclass(kw_only=True)
class RemoteThread(InProcessThread):
    """A thread of a server, as if its graph were here."""

    errors: ClassVar[tuple[type[Exception], ...]] = (RemoteException, *REFUSALS)

    graph: RemoteGraph

    def _told(self, error: Exception) -> Json:
        return error.args[0] if isinstance(error, RemoteException) else _refusal(error)

    def _event(self, mode: str, ns: list[str], payload: Json) -> Json:
        mode, *more = mode.split("|")
        return [mode, [*ns, *more], _without_addresses(mode, payload)]

    def _stream_arguments(self) -> dict[str, Any]:
        return {}


@dataclass(kw_only=True)
class Remotely:
    """A server, by LangGraph's RemoteGraph."""

    client: LangGraphClient
    name: str = "as a RemoteGraph"

    async def thread(self, graph_id: str) -> RemoteThread:
        made = await self.client.threads.create(graph_id=graph_id)
        graph: Any = RemoteGraph(graph_id, client=self.client)
        return RemoteThread(graph=graph, thread_id=made["thread_id"])


@asynccontextmanager
async def in_process(database_url: str) -> AsyncIterator[InProcess]:
    """Open this process's way to run graphs, with the store that the project asks for."""
    section = json.loads(PROJECT_FILE.read_text())["store"]["index"]
    index: Any = {**section, "embed": load_object(section["embed"], PROJECT_FILE.parent)}
    async with (
        AsyncPostgresSaver.from_conn_string(database_url) as saver,
        AsyncPostgresStore.from_conn_string(database_url, index=index) as store,
    ):
        yield InProcess(saver=saver, store=store)


def command_json(command: Command) -> dict[str, Json]:
    """Return a command as the API takes it."""
    goto = command.goto
    targets = [goto] if isinstance(goto, str | Send) else list(goto)
    shown = {key: value for key, value in asdict(command).items() if key in ("update", "resume")}
    return {
        **{key: value for key, value in shown.items() if value is not None},
        **({"goto": [_target(target) for target in targets]} if targets else {}),
    }


def _target(target: Any) -> Json:
    return {"node": target.node, "input": target.arg} if isinstance(target, Send) else target


def _is_command(value: Any) -> bool:
    return isinstance(value, Command)


def _without_addresses(mode: str, payload: Json) -> Json:
    # Studio forks from a debug event; the server puts there where the checkpoints are.
    if mode == "debug" and payload["type"] == "checkpoint":
        for name in ("checkpoint", "parent_checkpoint"):
            del payload["payload"][name]
    return payload


def _refusal(error: Exception) -> dict[str, Json]:
    return {"error": type(error).__name__, "message": str(error)}
