"""A2A: every assistant is an agent with a card and a JSON-RPC address (the extra `a2a`).

A task is a thread. A question of the graph is the task's input-required state; the answer is the
next message of the task, and one that does not fit leaves the question open. A message sent twice
finds its task: the thread's id follows from the message's.
"""

from a2a.auth.user import User
from a2a.server.context import ServerCallContext
from a2a.server.request_handlers.response_helpers import agent_card_to_dict
from a2a.server.routes.common import DefaultServerCallContextBuilder
from a2a.server.routes.jsonrpc_dispatcher import JsonRpcDispatcher
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from api.a2a_tasks import Tasks
from api.a2a_updates import STREAM_MODES
from api.access import Access, AccessDependency, access
from api.auth import check_assistant
from api.delegation import Delegation
from api.dependencies import EngineDependency
from api.identity import actor, caller
from api.schemas.common import PathName
from engine.assistants import Assistant
from engine.runtime import Engine

PROTOCOL_VERSION = "1.0"
CARD_PATH = "/.well-known/agent-card.json"

router = APIRouter(tags=["a2a"])


@router.get(CARD_PATH, include_in_schema=False)
async def read_card(
    request: Request,
    engine: EngineDependency,
    access: AccessDependency,
    assistant_id: str = Query(),
) -> JSONResponse:
    """Return the card of an assistant."""
    assistant = await engine.assistants.get(assistant_id, scope=access.scope)
    base = str(request.base_url).rstrip("/")
    return JSONResponse(agent_card_to_dict(_card(assistant, base)))


@router.post("/a2a/{assistant_id}", include_in_schema=False)
async def call(request: Request, assistant_id: PathName, engine: EngineDependency) -> Response:
    """Take one JSON-RPC message for an assistant."""
    await check_assistant(request, assistant_id)
    assistant = await engine.assistants.get(assistant_id)
    dispatcher = JsonRpcDispatcher(
        request_handler=Tasks(engine, assistant, lambda context: _errands(engine, context)),
        context_builder=_Contexts(),
        enable_v0_3_compat=True,
    )
    response: Response = await dispatcher.handle_requests(request)
    return response


class _Caller(User):
    """Who calls, as the server knows it."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def user_name(self) -> str:
        return self._name


class _Contexts(DefaultServerCallContextBuilder):
    """Hands on who calls, and what the project's own authorisation lets them see."""

    def build(self, request: Request) -> ServerCallContext:
        context = super().build(request)
        context.state.update(access=access(request), caller=caller(request))
        return context

    def build_user(self, request: Request) -> User:
        return _Caller(actor(request))


def _errands(engine: Engine, context: ServerCallContext) -> Delegation:
    allowed: Access = context.state["access"]
    return Delegation(
        engine=engine,
        via="a2a",
        actor=context.user.user_name,
        caller=context.state["caller"],
        trusted=allowed.trusted,
        scope=allowed.scope,
        metadata=allowed.ownership,
        stream_modes=STREAM_MODES,
    )


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
