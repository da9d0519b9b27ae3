"""So many calls to a model provider at once, in all processes, by any chat model of any graph."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult

from engine.limits import Permits

PROVIDER_KEY = "ls_provider"


class ProviderLimits(AsyncCallbackHandler):
    """Lets the model calls of one attempt begin when their provider has a free place.

    Attributes:
        limits: calls at once by provider, as LangChain names it (`openai`, `anthropic`, ...); a
            provider that is not listed has no limit.
    """

    raise_error = True  # a call whose place is unknown does not begin
    run_inline = True

    def __init__(self, *, permits: Permits, limits: Mapping[str, int]) -> None:
        self.limits = limits
        self._permits = permits
        self._held: dict[UUID, AbstractAsyncContextManager[None]] = {}

    async def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        metadata: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Wait for a place."""
        provider = str((metadata or {}).get(PROVIDER_KEY, ""))
        places = self.limits.get(provider)
        if places is None:
            return
        place = self._permits.hold(f"llm:{provider}", places=places)
        await place.__aenter__()
        self._held[run_id] = place

    async def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """Give the place free."""
        await self._release(run_id)

    async def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """Give the place free."""
        await self._release(run_id)

    async def release_all(self) -> None:
        """Give back what is still held: a call that was cancelled says nothing at its end."""
        for run_id in list(self._held):
            await self._release(run_id)

    async def _release(self, run_id: UUID) -> None:
        place = self._held.pop(run_id, None)
        if place is not None:
            await place.__aexit__(None, None, None)
