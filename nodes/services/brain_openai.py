"""The Brain that is a model behind an OpenAI-compatible API.

The schema travels in `extra_body`, past the client's own parsing: that raises away the text, the
usage and the reason when an answer is cut off or refused, and lets half a JSON object pass.
"""

import asyncio
import importlib
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from nodes.services import Task
from nodes.services.brain import answer_format, question, read_proposal, system_prompt, unusable
from nodes.services.errors import BrainUnavailableError
from nodes.services.settings import ProcessSettings
from state.order_messages import Proposal

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

OPENAI_URL = "https://api.openai.com/v1"
# Servers without keys still want the header.
NO_KEY = "none"
MAX_ANSWER_CHARACTERS = 20_000
MAX_REASON = 200


class OpenAiBrain:
    """Asks a model. The client is loaded when it is first needed: its import takes seconds."""

    def __init__(self, settings: ProcessSettings) -> None:
        self._settings = settings
        self._asked: Runnable[Any, Any] | None = None
        self._connections: Any = None

    async def propose(self, task: Task) -> Proposal:
        """Return the model's proposal; see `Brain.propose`."""
        messages = [SystemMessage(system_prompt()), HumanMessage(question(task))]
        try:
            asked = await self._ready()
            async with asyncio.timeout(self._settings.brain_seconds):
                answer = await asked.ainvoke(messages)
        except Exception as error:
            # Besides its own errors the client raises whatever HTML, `null` or cut JSON make of it.
            reason = f"{type(error).__name__}: {str(error)[:MAX_REASON]}"
            raise BrainUnavailableError(reason) from error
        return _read(answer)

    async def close(self) -> None:
        """Close the connections."""
        if self._connections is not None:
            await self._connections.aclose()

    async def _ready(self) -> "Runnable[Any, Any]":
        if self._asked is None:
            library = await asyncio.to_thread(importlib.import_module, "langchain_openai")
            http = await asyncio.to_thread(importlib.import_module, "httpx2")
            key = self._settings.openai_api_key
            # The client's own connections would be kept for the process and die with its loop.
            self._connections = http.AsyncClient(timeout=self._settings.openai_timeout_seconds)
            model = library.ChatOpenAI(
                model=self._settings.openai_model,
                # Both are always given: what the environment says elsewhere must not redirect it.
                api_key=NO_KEY if key is None else key.get_secret_value(),
                base_url=self._settings.openai_base_url or OPENAI_URL,
                timeout=self._settings.openai_timeout_seconds,
                max_retries=self._settings.openai_max_retries,
                http_async_client=self._connections,
                use_responses_api=False,
                temperature=0,
            )
            self._asked = model.bind(extra_body={"response_format": answer_format()})
        return self._asked


def _read(answer: AIMessage) -> Proposal:
    refusal = answer.additional_kwargs.get("refusal")
    if refusal:
        raise unusable("refusal", f"you refused: {str(refusal)[:MAX_REASON]}")
    finish = answer.response_metadata.get("finish_reason")
    if finish != "stop":
        raise unusable("unfinished", f"the answer ended early (finish_reason {finish})")
    text = answer.text
    if len(text) > MAX_ANSWER_CHARACTERS:
        raise unusable("too_long", f"the answer has {len(text):,} characters")
    return read_proposal(text)
