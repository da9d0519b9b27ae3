"""A2A: every assistant is an agent with a card and a JSON-RPC address (the extra `a2a`).

A task is a thread. A question of the graph is the task's input-required state; the answer is the
next message of the task, and one that does not fit leaves the question open. A message sent twice
finds its task: the thread's id follows from the message's.
"""

from collections.abc import Mapping
from typing import Any

from a2a.helpers import new_data_part, new_text_message
from a2a.helpers.proto_helpers import get_data_parts, get_text_parts, new_task
from a2a.server.agent_execution import (
    AgentExecutor,
    RequestContext,
    SimpleRequestContextBuilder,
)
from a2a.server.context import ServerCallContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandlerV2
from a2a.server.request_handlers.response_helpers import agent_card_to_dict
from a2a.server.routes.jsonrpc_dispatcher import JsonRpcDispatcher
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    Message,
    SendMessageRequest,
    Task,
    TaskState,
)
from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from api.delegation import Delegation, Errand, answer_of
from api.dependencies import EngineDependency
from api.schemas.common import PathName
from engine.assistants import Assistant
from engine.errors import EngineError, NotFoundError
from engine.runtime import Engine
from engine.wire import to_plain

PROTOCOL_VERSION = "1.0"
CARD_PATH = "/.well-known/agent-card.json"
TEXT_FIELDS = ("text", "input", "request", "question", "topic")

router = APIRouter(tags=["a2a"])


@router.get(CARD_PATH, include_in_schema=False)
async def read_card(
    request: Request, engine: EngineDependency, assistant_id: str = Query()
) -> JSONResponse:
    """Return the card of an assistant."""
    assistant = await _resolve(engine, assistant_id)
    base = str(request.base_url).rstrip("/")
    return JSONResponse(agent_card_to_dict(_card(assistant, base)))


@router.post("/a2a/{assistant_id}", include_in_schema=False)
async def call(request: Request, assistant_id: PathName, engine: EngineDependency) -> Response:
    """Take one JSON-RPC message for an assistant."""
    assistant = await _resolve(engine, assistant_id)
    agents: dict[str, JsonRpcDispatcher] = request.app.state.__dict__.setdefault("a2a", {})
    if assistant.assistant_id not in agents:
        agents[assistant.assistant_id] = _dispatcher(engine, assistant)
    response: Response = await agents[assistant.assistant_id].handle_requests(request)
    return response


def _dispatcher(engine: Engine, assistant: Assistant) -> JsonRpcDispatcher:
    handler = DefaultRequestHandlerV2(
        agent_executor=_Agent(engine, assistant),
        task_store=_Tasks(engine),
        agent_card=_card(assistant, ""),
        request_context_builder=_Contexts(engine, assistant),
    )
    return JsonRpcDispatcher(request_handler=handler, enable_v0_3_compat=True)


class _Agent(AgentExecutor):
    """Does the work of one assistant: a task's first message begins it, the next ones answer."""

    def __init__(self, engine: Engine, assistant: Assistant) -> None:
        self._engine = engine
        self._assistant = assistant

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Bring the task to its end or to its next question."""
        message, task_id = context.message, str(context.task_id)
        context_id = str(context.context_id)
        delegation = Delegation(
            engine=self._engine, via="a2a", metadata={"a2a_context_id": context_id}
        )
        updater = TaskUpdater(event_queue, task_id, context_id)
        if context.current_task is None:
            await event_queue.enqueue_event(
                new_task(
                    task_id,
                    context_id,
                    TaskState.TASK_STATE_SUBMITTED,
                    history=[message] if message else [],
                )
            )
        await updater.start_work()
        try:
            errand = await self._pursue(delegation, task_id, message)
        except EngineError as error:
            if context.current_task is None:
                await updater.failed(new_text_message(str(error)))
                return
            # The question is still open, whatever was wrong with the answer.
            await updater.requires_input(new_text_message(str(error)))
            return
        await _report(updater, errand)

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Cancel what the task is doing."""
        task_id = str(context.task_id)
        await self._engine.runs.cancel_many(thread_id=task_id, actor="a2a", via="a2a")
        await TaskUpdater(event_queue, task_id, str(context.context_id)).cancel()

    async def _pursue(
        self, delegation: Delegation, task_id: str, message: Message | None
    ) -> Errand:
        parts = list(message.parts) if message else []
        data = next((_whole(item) for item in get_data_parts(parts)), None)
        text = "\n".join(get_text_parts(parts))
        try:
            errand = await delegation.look(task_id)
        except NotFoundError:
            graph_input = data if isinstance(data, dict) else await self._input_of(text)
            return await delegation.begin(
                thread_id=task_id,
                assistant_id=self._assistant.assistant_id,
                graph_input=graph_input,
                actor="a2a",
            )
        if not errand.questions:
            return errand
        answers = _answers(errand, data, text)
        return await delegation.answer(thread_id=task_id, answers=answers, actor="a2a")

    async def _input_of(self, text: str) -> dict[str, Any]:
        """Put a text where the graph takes one: its messages, or a field that looks like it."""
        schemas = await self._engine.assistants.schemas(self._assistant.assistant_id)
        fields = (schemas["input_schema"] or {}).get("properties", {})
        if "messages" in fields:
            return {"messages": [{"type": "human", "content": text}]}
        return {next((name for name in TEXT_FIELDS if name in fields), "text"): text}


class _Contexts(SimpleRequestContextBuilder):
    """Names a new task after its first message, so that the message sent again names no other."""

    def __init__(self, engine: Engine, assistant: Assistant) -> None:
        super().__init__()
        self._delegation = Delegation(engine=engine, via="a2a")
        self._assistant_id = assistant.assistant_id

    async def build(
        self,
        context: ServerCallContext,
        params: SendMessageRequest | None = None,
        task_id: str | None = None,
        context_id: str | None = None,
        task: Task | None = None,
    ) -> RequestContext:
        """Return the context of a request."""
        if task_id is None and params is not None and params.message.message_id:
            task_id = self._delegation.thread_of(
                actor=context.user.user_name,
                assistant_id=self._assistant_id,
                key=params.message.message_id,
            )
        return await super().build(context, params, task_id, context_id, task)


class _Tasks(InMemoryTaskStore):
    """The tasks of this process; one that it does not know is read from its thread."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine

    async def get(self, task_id: str, context: ServerCallContext) -> Task | None:
        """Return a task, by this process or before."""
        known = await super().get(task_id, context)
        if known is not None:
            return known
        try:
            thread = await self._engine.threads.get(task_id)
        except NotFoundError:
            return None
        if thread.metadata.get("via") != "a2a":
            return None
        states = {
            "idle": TaskState.TASK_STATE_COMPLETED,
            "busy": TaskState.TASK_STATE_WORKING,
            "interrupted": TaskState.TASK_STATE_INPUT_REQUIRED,
            "error": TaskState.TASK_STATE_FAILED,
        }
        context_id = str(thread.metadata.get("a2a_context_id") or task_id)
        return new_task(task_id, context_id, states[thread.status])


async def _report(updater: TaskUpdater, errand: Errand) -> None:
    if errand.error is not None:
        text = f"{errand.error.get('error')}: {errand.error.get('message')}"
        await updater.failed(new_text_message(text))
        return
    if errand.questions:
        asked = [
            {"interrupt_id": gate.interrupt_id, "title": gate.title, "value": gate.value}
            for gate in errand.questions
        ]
        parts = [new_data_part(to_plain({"questions": asked}))]
        await updater.requires_input(updater.new_agent_message(parts))
        return
    await updater.add_artifact([new_data_part(to_plain(errand.values))], name="values")
    await updater.complete()


def _answers(errand: Errand, data: Any, text: str) -> dict[str, Any]:
    """Return answers by interrupt id: as the message names them, or for the only question."""
    by_id = {gate.interrupt_id: gate for gate in errand.questions}
    if isinstance(data, Mapping) and data and set(data) <= set(by_id):
        return {
            name: answer_of(by_id[name], item) if isinstance(item, Mapping) else item
            for name, item in data.items()
        }
    gate = errand.questions[0]
    content = data if isinstance(data, Mapping) else {"answer": text, "decision": text}
    return {gate.interrupt_id: answer_of(gate, content)}


def _whole(value: Any) -> Any:
    """Return numbers as they were meant: the protocol carries every number as a double."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value


async def _resolve(engine: Engine, assistant_id: str) -> Assistant:
    async with engine.database.pool.connection() as connection:
        return await engine.assistants.resolve(connection, assistant_id)


def _card(assistant: Assistant, base: str) -> AgentCard:
    description = assistant.description or f"The graph {assistant.graph_id}."
    return AgentCard(
        name=assistant.name,
        description=description,
        version=str(assistant.version),
        supported_interfaces=[
            AgentInterface(
                url=f"{base}/a2a/{assistant.assistant_id}",
                protocol_binding="JSONRPC",
                protocol_version=PROTOCOL_VERSION,
            )
        ],
        capabilities=AgentCapabilities(streaming=True),
        default_input_modes=["application/json", "text/plain"],
        default_output_modes=["application/json"],
        skills=[
            AgentSkill(
                id=assistant.graph_id,
                name=assistant.name,
                description=description,
                tags=["langgraph"],
            )
        ],
    )
