"""The nodes of a functional graph begin once its input is saved.

LangGraph starts the body of an `@entrypoint` while the input's checkpoint is still on its way, in
every durability. The keys of its effects hang on that checkpoint's id: would it never arrive, the
next attempt would do the same things under other keys.
"""

from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler

from engine.saver import RunSaver

STEP_KEY = "langgraph_step"


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
        if STEP_KEY in (metadata or {}):
            await self._saver.caught_up()
