"""Protocol v2: LangGraph's own v3 event stream, cut into the channels that clients subscribe to."""

import time
from collections.abc import AsyncGenerator
from typing import Any, cast

from langchain_core._api import suppress_langchain_beta_warning
from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel
from langgraph.stream.transformers import (
    CheckpointsTransformer,
    CustomTransformer,
    TasksTransformer,
    UpdatesTransformer,
)

# What LangGraph adds by itself (values, messages, lifecycle, subgraphs) is not listed.
CHANNEL_TRANSFORMERS = (
    UpdatesTransformer,
    CustomTransformer,
    TasksTransformer,
    CheckpointsTransformer,
)

ProtocolEvent = tuple[str, dict[str, Any]]  # method, params


async def stream_protocol_events(
    graph: Pregel[Any, Any, Any, Any],
    value: Any,
    config: RunnableConfig,
    arguments: dict[str, Any],
) -> AsyncGenerator[ProtocolEvent]:
    """Run the graph and yield `(method, params)` of each protocol event."""
    own = {getattr(factory, "__name__", "") for factory in graph.stream_transformers}
    missing = [item for item in CHANNEL_TRANSFORMERS if item.__name__ not in own]
    with suppress_langchain_beta_warning():  # nothing is awaited in there
        stream = await graph.astream_events(
            value, config, version="v3", transformers=missing, **arguments
        )
    async for event in stream:
        yield event["method"], cast("dict[str, Any]", event["params"])


def now_milliseconds() -> int:
    """Return the timestamp that protocol events carry."""
    return int(time.time() * 1000)
