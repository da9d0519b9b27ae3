"""DeltaChannel values rebuilt with the graph at hand, so that their history can be pruned."""

from collections.abc import Callable, Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.pregel import Pregel
from langgraph.pregel._checkpoint import channels_from_checkpoint

from checkpoint_pruner.delta import Boundary

_SEPARATOR = "|"
_TASK = ":"

_Graph = Pregel[Any, Any, Any, Any]
GraphOf = Callable[[str | None, str], _Graph | None]
"""Returns the graph of a thread, given its `metadata.graph_id` and its id; None when unknown."""


class DeltaSnapshots:
    """Rebuilds channels as LangGraph itself would read them, for `checkpoint_pruner.sweep`."""

    def __init__(self, graph_of: GraphOf, saver: BaseCheckpointSaver[str]) -> None:
        """Keep where graphs and checkpoints come from.

        Args:
            graph_of: The graph of a thread, by its graph id and thread id.
            saver: A synchronous saver on the same database, with the application's serializer.
        """
        self._graph_of = graph_of
        self._saver = saver

    def values(self, boundary: Boundary) -> Mapping[str, tuple[str, bytes]]:
        """Return the serialised snapshot of each channel; nothing when the graph is not known."""
        root = self._graph_of(boundary.graph_id, boundary.thread_id)
        graph = None if root is None else _subgraph(root, boundary.checkpoint_ns)
        if graph is None:
            return {}
        config: RunnableConfig = {
            "configurable": {
                "thread_id": boundary.thread_id,
                "checkpoint_ns": boundary.checkpoint_ns,
                "checkpoint_id": boundary.checkpoint_id,
            }
        }
        saved = self._saver.get_tuple(config)
        if saved is None:
            return {}
        channels, _ = channels_from_checkpoint(
            graph.channels, saved.checkpoint, saver=self._saver, config=saved.config
        )
        return {
            name: self._saver.serde.dumps_typed(_DeltaSnapshot(channel.get()))
            for name in boundary.channels
            if isinstance(channel := channels.get(name), DeltaChannel) and channel.is_available()
        }


def _subgraph(root: _Graph, checkpoint_ns: str) -> _Graph | None:
    """Return the graph that writes a namespace: its node names without the tasks' ids."""
    if not checkpoint_ns:
        return root
    path = _SEPARATOR.join(
        part.partition(_TASK)[0]
        for part in checkpoint_ns.split(_SEPARATOR)
        if not part.isdecimal()  # the number of a repeated call inside one task
    )
    found = dict(root.get_subgraphs(namespace=path, recurse=True)).get(path)
    return found if isinstance(found, Pregel) else None
