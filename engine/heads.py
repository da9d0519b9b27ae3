"""The newest state of a thread, readable also when its last step went wrong."""

from typing import Any, cast

import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.pregel import Pregel
from langgraph.types import StateSnapshot


async def read_head(
    graph: Pregel[Any, Any, Any, Any], config: RunnableConfig, *, subgraphs: bool = False
) -> StateSnapshot:
    """Return a thread's newest state, also when what its tasks wrote last cannot be applied.

    Two of them wrote one value, or a reducer raised: LangGraph raises that once more to whoever
    reads the state. Here it is the state before them then, with the tasks still to do.
    """
    try:
        return await graph.aget_state(config, subgraphs=subgraphs)
    except psycopg.Error:
        raise
    except Exception:
        saver = cast("BaseCheckpointSaver[Any]", graph.checkpointer)
        head = await saver.aget_tuple(config)
        if head is None:
            raise
        return await graph.aget_state(head.config, subgraphs=subgraphs)
