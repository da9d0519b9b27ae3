"""What a run streams: LangGraph's chunks as the events that clients of the Agent Server expect.

    metadata -> values | updates | messages | ... | error

A subgraph's events carry its namespace, `updates|researcher:1f2e...`; message tuples never do.
"""

import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from langchain_core.messages import BaseMessage, BaseMessageChunk, message_chunk_to_message
from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel
from langgraph.runtime import RunControl
from langgraph.types import Command, Interrupt, Send

from engine.protocol_v2 import stream_protocol_events
from engine.stream_modes import SubgraphLives, ToolWords
from engine.wire import error_payload, to_json

log = logging.getLogger(__name__)

Mode = Literal[
    "values",
    "updates",
    "messages",
    "messages-tuple",
    "custom",
    "tasks",
    "checkpoints",
    "debug",
    "tools",
    "lifecycle",
    "events",
]
# The API's names that LangGraph knows under others.
LANGGRAPH_MODES = {"messages-tuple": "messages", "lifecycle": "tasks"}
INTERRUPT_KEY = "__interrupt__"
NAMESPACE_SEPARATOR = "|"
HIDDEN_TAG = "langsmith:hidden"

Chunk = tuple[tuple[str, ...], str, Any]  # namespace, LangGraph's mode, payload


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event as it goes over the wire: its name and compact JSON text."""

    event: str
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """What a run's creator asked to see.

    Attributes:
        modes: stream modes in the order of the request; the API's names.
        subgraphs: whether events of subgraphs are shown too.
        interrupt_before: nodes to stop before, or `*` for all.
        interrupt_after: nodes to stop after, or `*` for all.
        protocol: `v1` for the run streams, `v2` for the thread protocol of commands and channels.
    """

    modes: tuple[str, ...] = ("values",)
    subgraphs: bool = False
    interrupt_before: Literal["*"] | tuple[str, ...] | None = None
    interrupt_after: Literal["*"] | tuple[str, ...] | None = None
    protocol: Literal["v1", "v2"] = "v1"

    @classmethod
    def from_kwargs(cls, kwargs: Mapping[str, Any]) -> "StreamOptions":
        """Read the options from the `kwargs` of a run's row."""
        modes = kwargs.get("stream_mode") or ("values",)
        return cls(
            modes=(modes,) if isinstance(modes, str) else tuple(modes),
            subgraphs=bool(kwargs.get("stream_subgraphs")),
            interrupt_before=_nodes(kwargs.get("interrupt_before")),
            interrupt_after=_nodes(kwargs.get("interrupt_after")),
            protocol="v2" if kwargs.get("protocol") == "v2" else "v1",
        )


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What the run's own graph said; filled while `run_graph` is iterated.

    Attributes:
        values: the graph's output after the last step that ended; None before the first.
        interrupts: the questions that the run came to. Nodes that run at once ask one by one, and
            what others of them did is told after that: none takes back an earlier one.
    """

    values: Any = None
    interrupts: tuple[Interrupt, ...] = field(default_factory=tuple)

    def asked(self, interrupts: Sequence[Interrupt]) -> None:
        """Add questions; each counts once."""
        known = {interrupt.id for interrupt in self.interrupts}
        new = (interrupt for interrupt in interrupts if interrupt.id not in known)
        self.interrupts = (*self.interrupts, *new)

    def output(self) -> Any:
        """Return what a client that waited for the run is answered, as `ainvoke` would."""
        if not self.interrupts:
            return self.values
        values = self.values if isinstance(self.values, Mapping) else {}
        return {**values, INTERRUPT_KEY: list(self.interrupts)}


def graph_input(payload: Mapping[str, Any]) -> Any:
    """Turn the payload of a run's row into what the graph is invoked with.

    `{"resume": {interrupt_id: value}}` and `{"command": {update, goto}}` become one Command, and
    both win over `{"input": ...}`; an empty payload goes on from where the thread stands.
    """
    command = payload.get("command") or {}
    if "resume" not in payload and not command:
        return payload.get("input")
    return Command(
        resume=payload.get("resume"),
        update=command.get("update"),
        goto=_goto(command.get("goto")),
    )


async def run_graph(
    graph: Pregel[Any, Any, Any, Any],
    *,
    run_id: str,
    attempt: int,
    payload: Mapping[str, Any],
    config: RunnableConfig,
    context: Any = None,
    options: StreamOptions,
    control: RunControl | None = None,
    outcome: Outcome,
    wanted: Callable[[], bool],
) -> AsyncGenerator[StreamEvent]:
    """Execute a run to its end, synchronously durable, and yield its events.

    `graph` carries its checkpointer and store; `config` names the thread. While `wanted()` is
    false nothing is encoded or yielded, and the run costs what it costs alone. Ends without an
    `error` event; see `error_event`.

    Raises:
        Exception: whatever the graph raised; GraphDrained when `control` asked for it.
    """
    if wanted():
        yield StreamEvent("metadata", to_json({"run_id": run_id, "attempt": attempt}))
    arguments: dict[str, Any] = {
        "context": context,
        "interrupt_before": _as_list(options.interrupt_before),
        "interrupt_after": _as_list(options.interrupt_after),
        "durability": "sync",
        "control": control,
    }
    value = graph_input(payload)
    if options.protocol == "v2":
        async with aclosing(stream_protocol_events(graph, value, config, arguments)) as parts:
            async for method, params in parts:
                interrupts = params.pop("interrupts", None)
                if interrupts is not None and not params["namespace"]:
                    outcome.values = params["data"]
                    outcome.asked(interrupts)
                if wanted():
                    yield StreamEvent(f"v2/{method}", to_json(params))
        return
    # What is not in the graph's output schema is its own affair: `ainvoke` hides it as well.
    arguments["output_keys"] = graph.output_channels
    encoder = _Encoder(options)
    chunks = (
        _event_chunks(graph, value, config, arguments, encoder, run_id)
        if "events" in options.modes
        else _plain_chunks(graph, value, config, arguments, encoder)
    )
    try:
        async with aclosing(chunks):
            async for chunk in chunks:
                if isinstance(chunk, StreamEvent):
                    if wanted():
                        yield chunk
                    continue
                _observe(outcome, chunk)
                if wanted():
                    for event in encoder.encode(chunk):
                        yield event
    except Exception as error:
        for event in encoder.close("failed", error):
            yield event
        raise
    for event in encoder.close("interrupted" if outcome.interrupts else "completed"):
        yield event


def error_event(error: BaseException) -> StreamEvent:
    """Return the last event of a run that failed."""
    return StreamEvent("error", to_json(error_payload(error)))


class _Encoder:
    """Turns one run's chunks into events: remembers messages while they grow."""

    def __init__(self, options: StreamOptions) -> None:
        self._asked = set(options.modes)
        self._subgraphs = options.subgraphs
        self._messages: dict[str, BaseMessage] = {}
        self._tools = ToolWords()
        self._lives = SubgraphLives() if "lifecycle" in self._asked else None

    @property
    def graph_modes(self) -> list[str]:
        """LangGraph's own modes; `values` is always among them, for the run's outcome."""
        modes = {"values"}
        for mode in self._asked:
            if mode != "events":
                modes.add(LANGGRAPH_MODES.get(mode, mode))
        return sorted(modes)

    @property
    def subgraphs(self) -> bool:
        """Whether the graph tells of its subgraphs; their lives cannot be seen without."""
        return self._subgraphs or self._lives is not None

    def encode(self, chunk: Chunk) -> list[StreamEvent]:
        """Return the events of one chunk: none when nobody asked for its mode."""
        namespace, mode, payload = chunk
        events = []
        if mode == "tasks" and self._lives is not None:
            events = [
                _named("lifecycle", *life) for life in self._lives.observe(namespace, payload)
            ]
        if namespace and not self._subgraphs:
            return events
        if mode == "messages":
            return events + self._encode_message(payload)
        if mode not in self._asked:
            return events
        if mode == "debug":
            payload = _with_checkpoint(payload)
        elif mode == "tools":
            payload = self._tools.reword(payload)
        return [*events, _named(mode, namespace, payload)]

    def close(self, event: str, error: BaseException | None = None) -> list[StreamEvent]:
        """Return the ends of subgraphs that nothing told of."""
        if self._lives is None:
            return []
        return [_named("lifecycle", *life) for life in self._lives.close(event, error)]

    def _encode_message(self, payload: tuple[BaseMessage, dict[str, Any]]) -> list[StreamEvent]:
        message, metadata = payload
        if "messages-tuple" in self._asked:
            return [StreamEvent("messages", to_json([message, metadata]))]
        if "messages" not in self._asked or message.id is None:
            return []
        events = []
        if message.id not in self._messages:
            data = {message.id: {"metadata": metadata}}
            events.append(StreamEvent("messages/metadata", to_json(data)))
            self._messages[message.id] = message
        elif isinstance(message, BaseMessageChunk):
            known = self._messages[message.id]
            self._messages[message.id] = cast("BaseMessage", known + message)
        else:
            self._messages[message.id] = message
        whole = self._messages[message.id]
        if isinstance(message, BaseMessageChunk) and isinstance(whole, BaseMessageChunk):
            partial = [message_chunk_to_message(whole)]
            events.append(StreamEvent("messages/partial", to_json(partial)))
        else:
            events.append(StreamEvent("messages/complete", to_json([whole])))
        return events


async def _plain_chunks(
    graph: Pregel[Any, Any, Any, Any],
    value: Any,
    config: RunnableConfig,
    arguments: dict[str, Any],
    encoder: _Encoder,
) -> AsyncGenerator[Chunk | StreamEvent]:
    stream = graph.astream(
        value,
        config,
        stream_mode=cast("Any", encoder.graph_modes),
        subgraphs=encoder.subgraphs,
        **arguments,
    )
    async for part in stream:
        yield part if encoder.subgraphs else ((), *part)


async def _event_chunks(
    graph: Pregel[Any, Any, Any, Any],
    value: Any,
    config: RunnableConfig,
    arguments: dict[str, Any],
    encoder: _Encoder,
    run_id: str,
) -> AsyncGenerator[Chunk | StreamEvent]:
    """Yield LangChain's callback events; the root's stream events carry the other modes' chunks."""
    stream = graph.astream_events(
        value,
        {**config, "run_id": cast("Any", run_id)},
        version="v2",
        stream_mode=encoder.graph_modes,
        subgraphs=encoder.subgraphs,
        **arguments,
    )
    async for event in stream:
        if HIDDEN_TAG in event.get("tags", ()):
            continue
        if event["event"] == "on_chain_stream" and str(event["run_id"]) == run_id:
            part = event["data"]["chunk"]
            yield part if encoder.subgraphs else ((), *part)
            continue
        yield StreamEvent("events", to_json(event))


def _named(mode: str, namespace: tuple[str, ...], payload: Any) -> StreamEvent:
    return StreamEvent(NAMESPACE_SEPARATOR.join((mode, *namespace)), to_json(payload))


def _observe(outcome: Outcome, chunk: Chunk) -> None:
    namespace, mode, payload = chunk
    if mode != "values" or namespace:
        return
    if isinstance(payload, dict) and INTERRUPT_KEY in payload:
        rest = {key: value for key, value in payload.items() if key != INTERRUPT_KEY}
        outcome.asked(payload[INTERRUPT_KEY])
        outcome.values = rest or outcome.values
        return
    outcome.values = payload


def _with_checkpoint(payload: dict[str, Any]) -> dict[str, Any]:
    """Add to a debug event what clients need to fork from it: the checkpoints by their ids."""
    if payload.get("type") != "checkpoint":
        return payload
    body = dict(payload["payload"])
    body["checkpoint"] = _checkpoint(body.get("config"))
    body["parent_checkpoint"] = _checkpoint(body.get("parent_config"))
    return {**payload, "payload": body}


def _checkpoint(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not config:
        return None
    names = ("thread_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map")
    configurable = config.get("configurable", {})
    return {name: configurable[name] for name in names if name in configurable}


def _goto(goto: Any) -> Any:
    if isinstance(goto, Mapping):
        return Send(str(goto["node"]), goto.get("input"))
    if isinstance(goto, Sequence) and not isinstance(goto, str):
        return [_goto(item) for item in goto]
    return goto if goto is not None else ()


def _nodes(value: Any) -> Literal["*"] | tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, str):
        return "*" if value == "*" else (value,)
    return tuple(value)


def _as_list(nodes: Literal["*"] | tuple[str, ...] | None) -> Literal["*"] | list[str] | None:
    return list(nodes) if isinstance(nodes, tuple) else nodes
