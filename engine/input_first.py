"""The nodes of a functional graph begin once its input is saved.

LangGraph starts the body of an `@entrypoint` while the input's checkpoint is still on its way, in
every durability. The keys of its effects hang on that checkpoint's id: would it never arrive, the
next attempt would do the same things under other keys.
"""

import asyncio
from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler
from langgraph.constants import START
from langgraph.pregel import Pregel

from engine.saver import RunSaver

STEP_KEY = "langgraph_step"


def begins_at_once(graph: Pregel[Any, Any, Any, Any]) -> bool:
    """Tell whether it is a functional graph, or one that a node of it is seen to call is."""
    unseen, seen = [graph], set[int]()
    while unseen:
        looked_at = unseen.pop()
        if [*looked_at.trigger_to_nodes.get(START, ())] != [START]:
            return True
        seen.add(id(looked_at))  # a graph may call itself
        called = [found for node in looked_at.nodes.values() for found in node.subgraphs]
        unseen += [each for each in called if isinstance(each, Pregel) and id(each) not in seen]
    return False


class InputFirst(AsyncCallbackHandler):
    """Holds every node back until what was handed to the saver before is committed."""

    raise_error = True  # nothing begins on an input that could not be saved
    run_inline = True

    def __init__(self, saver: RunSaver) -> None:
        self._saver = saver

    async def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: dict[str, Any],
        *,
        metadata: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Wait."""
        if STEP_KEY not in (metadata or {}):
            return
        saved = self._saver.caught_up()
        if asyncio.get_running_loop() is self._saver.loop:
            await saved
        else:  # a graph that a synchronous node calls starts its nodes from a thread
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(saved, self._saver.loop))
