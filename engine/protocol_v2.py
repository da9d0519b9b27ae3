"""Protocol v2: LangGraph's own v3 event stream, brought into the shapes that clients read.

    values updates messages tools custom lifecycle input.requested tasks checkpoints

A transformer of our own makes the graph produce every channel, whatever transformers it was
compiled with; the channel of a graph's own transformer arrives as `custom` with its name.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Any, cast

from langchain_core._api import suppress_langchain_beta_warning
from langchain_core.language_models._compat_bridge import message_to_events
from langchain_core.messages import BaseMessage, BaseMessageChunk
from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel
from langgraph.stream import ProtocolEvent, StreamChannel, StreamTransformer
from langgraph.types import Interrupt

CHANNELS = frozenset(
    {
        "values",
        "updates",
        "messages",
        "tools",
        "custom",
        "lifecycle",
        "input",
        "tasks",
        "checkpoints",
    }
)
CUSTOM_PREFIX = "custom:"
TASKS = "holdfast.tasks"

WireEvent = tuple[str, dict[str, Any]]  # method, params


class ChannelsTransformer(StreamTransformer):
    """Asks the graph for every mode; passes on the tasks, which LangGraph keeps to itself."""

    required_stream_modes = ("updates", "custom", "tools", "tasks", "checkpoints")

    def __init__(self, scope: tuple[str, ...] = ()) -> None:
        super().__init__(scope)
        self._tasks: StreamChannel[dict[str, Any]] = StreamChannel(TASKS)

    def init(self) -> dict[str, Any]:
        """Return the projection under a name that no other transformer uses."""
        return {TASKS: self._tasks}

    def process(self, event: ProtocolEvent) -> bool:
        """Let every event through."""
        if event["method"] == "tasks" and not self.scope:
            params = event["params"]
            self._tasks.push({"namespace": params["namespace"], "data": params["data"]})
        return True


async def stream_protocol_events(
    graph: Pregel[Any, Any, Any, Any],
    value: Any,
    config: RunnableConfig,
    arguments: dict[str, Any],
) -> AsyncGenerator[WireEvent]:
    """Run the graph and yield `(method, params)` of each event.

    `params` of `values` has `interrupts`, for the run's outcome: it is not sent.
    """
    translator = _Translator()
    with suppress_langchain_beta_warning():  # nothing is awaited in there
        stream = await graph.astream_events(
            value, config, version="v3", transformers=[ChannelsTransformer], **arguments
        )
    async for event in stream:
        for item in translator.translate(event["method"], cast("Any", event["params"])):
            yield item


class _Translator:
    """Turns LangGraph's events into the protocol's; remembers open messages and questions."""

    def __init__(self) -> None:
        self._message_ids: dict[str, str] = {}
        self._asked: set[str] = set()

    def translate(self, method: str, params: Mapping[str, Any]) -> Iterator[WireEvent]:
        namespace, data = list(params["namespace"]), params["data"]
        at = {"namespace": namespace, "timestamp": params["timestamp"]}
        match method:
            case "messages":
                for item in self._message(data):
                    yield "messages", {**at, "data": item}
            case "values":
                interrupts = tuple(params.get("interrupts", ()))
                yield "values", {**at, "data": data, "interrupts": interrupts}
                yield from self._questions(at, interrupts)
            case "lifecycle":
                # It names the subgraph in its data; on the wire that is the event's own place.
                rest = {key: item for key, item in data.items() if key != "namespace"}
                yield "lifecycle", {**at, "namespace": data["namespace"], "data": rest}
            case "checkpoints":
                yield "checkpoints", {**at, "data": {**data, **_envelope(data)}}
            case _ if method == f"{CUSTOM_PREFIX}{TASKS}":
                yield "tasks", {**at, **data}
            case _ if method.startswith(CUSTOM_PREFIX):
                name = method.removeprefix(CUSTOM_PREFIX)
                yield "custom", {**at, "data": {"name": name, "payload": data}}
            case "updates" | "custom" | "tools":
                yield method, {**at, "data": data}
            case _:
                pass  # debug and what later versions bring: no channel of the protocol

    def _message(self, data: Any) -> Iterator[dict[str, Any]]:
        payload, metadata = data
        if isinstance(payload, BaseMessage):
            if not isinstance(payload, BaseMessageChunk):
                for event in message_to_events(payload, message_id=payload.id):
                    yield self._with_id(dict(event), metadata)
            return
        yield self._with_id(dict(payload), metadata)

    def _with_id(self, event: dict[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Name the message in each of its events: two may grow at once."""
        run_id = str(metadata.get("run_id", ""))
        if event["event"] == "message-start":
            identifier = str(event.get("id") or event.get("message_id") or run_id)
            self._message_ids[run_id] = identifier
            event["metadata"] = {**_concise(metadata), **(event.get("metadata") or {})}
        identifier = self._message_ids.get(run_id, "")
        if event["event"] in ("message-finish", "error"):
            self._message_ids.pop(run_id, None)
        return {**event, "id": identifier} if identifier else event

    def _questions(
        self, at: Mapping[str, Any], interrupts: tuple[Interrupt, ...]
    ) -> Iterator[WireEvent]:
        for interrupt in interrupts:
            if interrupt.id in self._asked:
                continue
            self._asked.add(interrupt.id)
            question = {
                "interrupt_id": interrupt.id,
                "payload": interrupt.value,
                "value": interrupt.value,  # the Python SDK's name for it
                "response_schema": interrupt.response_schema,
            }
            yield "input.requested", {**at, "data": question}


def _envelope(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the short form of a checkpoint beside LangGraph's own."""
    metadata = data.get("metadata") or {}
    configurable = (data.get("config") or {}).get("configurable", {})
    parent = (data.get("parent_config") or {}).get("configurable", {})
    short = {"id": configurable.get("checkpoint_id"), "parent_id": parent.get("checkpoint_id")}
    short |= {"step": metadata.get("step"), "source": metadata.get("source")}
    return {key: value for key, value in short.items() if value is not None}


def _concise(metadata: Mapping[str, Any]) -> dict[str, Any]:
    names = {
        "run_id": "run_id",
        "thread_id": "thread_id",
        "langgraph_node": "langgraph_node",
        "ls_provider": "provider",
        "ls_model_name": "model",
        "ls_model_type": "model_type",
    }
    return {names[key]: value for key, value in metadata.items() if key in names}
