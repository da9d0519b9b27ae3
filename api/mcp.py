"""MCP: every assistant is a tool at `/mcp` (the extra `mcp`).

A question of the graph comes back as an input-required result; the answer is the call's next
round. The argument `idempotency_key` names the errand: a client that asks again, after a lost
connection or because it began its conversation anew, finds the same thread.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
from fastapi import APIRouter, Request
from itsdangerous import BadSignature, URLSafeSerializer
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from api.access import access
from api.auth import Guard
from api.delegation import Delegation, Errand, answer_of, form_of
from api.identity import actor, caller
from engine.assistants import SYSTEM, Assistant, system_assistant_id
from engine.errors import EngineError, InvalidValueError, NotFoundError
from engine.keys import signing_key
from engine.runtime import Engine
from engine.wire import to_json

KEY_ARGUMENT = "idempotency_key"
# The argument of a tool whose graph takes something else than an object.
WHOLE_INPUT = "input"
KEY_SCHEMA = {
    "type": "string",
    "description": "Names this errand: the same call with the same key finds its work again.",
}
MAX_TOOLS = 1_000
# The protocol version from which on a result may ask for input.
ROUND_TRIPS = "2026-07-28"

router = APIRouter(tags=["mcp"])

Context = ServerRequestContext[Any, Request]


class _Handover(Response):
    """An answer that the MCP library writes itself."""

    def __init__(self, manager: StreamableHTTPSessionManager, body: bytes) -> None:
        super().__init__()
        self._manager = manager
        # The project's own authorisation may have read it from the connection already.
        self._read: bytes | None = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def replay() -> Message:
            body, self._read = self._read, None
            if body is None:
                return await receive()
            return {"type": "http.request", "body": body, "more_body": False}

        await self._manager.handle_request(scope, replay, send)


@router.post("/mcp", include_in_schema=False)
async def call(request: Request) -> Response:
    """Take one JSON-RPC message (streamable HTTP, stateless)."""
    return _Handover(request.app.state.mcp, await request.body())


@router.get("/mcp", include_in_schema=False)
async def listen() -> Response:
    """Refuse: a stateless server sends nothing of its own accord."""
    return Response(status_code=405, headers={"Allow": "POST"})


@router.delete("/mcp", include_in_schema=False)
async def end_session() -> Response:
    """Refuse: there are no sessions to end."""
    return Response(status_code=404)


@asynccontextmanager
async def open_mcp(engine: Engine) -> AsyncIterator[StreamableHTTPSessionManager]:
    """Yield what handles `/mcp`; belongs to the application's lifespan."""
    key = await signing_key(engine.database, engine.options.secret, name="mcp")
    tools = _Tools(engine, URLSafeSerializer(key, salt="errand"))
    server: Server[Any] = Server(
        "holdfast", on_list_tools=tools.list_tools, on_call_tool=tools.call_tool
    )
    manager = StreamableHTTPSessionManager(
        server,
        json_response=True,
        stateless=True,
        max_request_body_size=engine.options.max_body_bytes,
        # Foreign origins are refused before they come here, whatever name the server goes by.
        security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    async with manager.run():
        yield manager


class _Tools:
    def __init__(self, engine: Engine, seal: URLSafeSerializer) -> None:
        self._engine = engine
        self._seal = seal

    async def list_tools(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        """List one tool per assistant that the caller may see."""
        del params  # all of them are on one page
        tools = []
        for name, assistant in (await self._assistants(context)).items():
            tools.append(
                types.Tool(
                    name=name,
                    title=assistant.name,
                    description=assistant.description,
                    input_schema=_tool_schema(await self._input_schema(assistant)),
                )
            )
        return types.ListToolsResult(tools=tools)

    async def call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        """Run an assistant, or go on with an errand that waited for input."""
        try:
            errand = await self._pursue(context, params)
        except EngineError as error:
            return _failure(str(error))
        if errand.error is not None:
            return _failure(errand.error)
        if not errand.questions:
            return _success(errand)
        if context.protocol_version < ROUND_TRIPS:
            return _waiting(errand)
        return types.InputRequiredResult(
            request_state=self._seal.dumps(errand.thread.thread_id),
            input_requests={
                gate.interrupt_id: types.ElicitRequest(
                    params=types.ElicitRequestFormParams(
                        message=_message(gate.title, gate.value), requested_schema=form_of(gate)
                    )
                )
                for gate in errand.questions
            },
        )

    async def _pursue(self, context: Context, params: types.CallToolRequestParams) -> Errand:
        assistants = await self._assistants(context)
        if params.name not in assistants:
            raise NotFoundError("tool", params.name)
        assistant = assistants[params.name]
        errands = self._errands(context)
        arguments = dict(params.arguments or {})
        named = arguments.pop(KEY_ARGUMENT, None)
        key = None if named is None else str(named)
        if params.request_state is not None:
            thread_id = self._unseal(params.request_state)
        else:
            thread_id = errands.thread_of(assistant.assistant_id, key=key)
            schema = await self._input_schema(assistant)
            await errands.begin(
                thread_id,
                assistant_id=assistant.assistant_id,
                graph_input=arguments if _is_object(schema) else arguments.get(WHOLE_INPUT),
                key=key,
            )
        errand = await errands.look(thread_id)
        answers = _answers(errand, params.input_responses or {})
        if not answers:
            return errand
        await errands.answer(thread_id, lambda: answers)
        return await errands.look(thread_id)

    def _errands(self, context: Context) -> Delegation:
        request = context.request
        if request is None:
            return Delegation(engine=self._engine, via="mcp", actor="mcp")
        allowed = access(request)
        return Delegation(
            engine=self._engine,
            via="mcp",
            actor=actor(request),
            caller=caller(request),
            trusted=allowed.trusted,
            scope=allowed.scope,
            metadata=allowed.ownership,
        )

    async def _input_schema(self, assistant: Assistant) -> Mapping[str, Any]:
        schemas = await self._engine.assistants.schemas(assistant.assistant_id)
        return schemas["input_schema"] or {"type": "object"}

    def _unseal(self, state: str) -> str:
        try:
            return str(self._seal.loads(state))
        except BadSignature as error:
            raise InvalidValueError("/request_state", "what this server gave", state) from error

    async def _assistants(self, context: Context) -> dict[str, Assistant]:
        """Return the assistants of the graphs and the caller's own, by the names of their tools."""
        scope: Mapping[str, Any] = {}
        if context.request is not None:
            guard: Guard = context.request.app.state.guard
            scope = await guard.scope_of(context.request, "assistants", "search")
        found: dict[str, Assistant] = {}
        for metadata, limit_to in ((SYSTEM, {}), ({}, scope)):
            page = await self._engine.assistants.search(
                metadata=metadata,
                scope=limit_to,
                limit=MAX_TOOLS,
                sort_by="created_at",
                sort_order="asc",
            )
            found |= {_tool_name(assistant): assistant for assistant in page.items}
        return found


def _tool_name(assistant: Assistant) -> str:
    if assistant.assistant_id == system_assistant_id(assistant.graph_id):
        return assistant.graph_id
    slug = re.sub(r"[^A-Za-z0-9_-]+", "_", assistant.name).strip("_")[:80] or "assistant"
    return f"{slug}_{assistant.assistant_id[:8]}"


def _is_object(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "object"


def _tool_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a tool's arguments; an input that is no object is one argument."""
    if not _is_object(schema):
        properties = {KEY_ARGUMENT: KEY_SCHEMA, WHOLE_INPUT: dict(schema)}
        return {"type": "object", "properties": properties, "required": [WHOLE_INPUT]}
    properties = {KEY_ARGUMENT: KEY_SCHEMA, **schema.get("properties", {})}
    return {**schema, "properties": properties}


def _answers(errand: Errand, responses: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answers of accepted forms; one that was declined leaves its question open."""
    answers = {}
    for gate in errand.questions:
        response = responses.get(gate.interrupt_id)
        if isinstance(response, types.ElicitResult) and response.action == "accept":
            answers[gate.interrupt_id] = answer_of(gate, response.content or {})
    return answers


def _success(errand: Errand) -> types.CallToolResult:
    text = to_json(errand.values)
    structured = json.loads(text)
    return types.CallToolResult(
        content=[types.TextContent(text=text)],
        structured_content=structured if isinstance(structured, dict) else None,
    )


def _failure(message: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=message)], is_error=True)


def _waiting(errand: Errand) -> types.CallToolResult:
    """Return what a client without input rounds can be told: ask again, with the same key."""
    questions = [_message(gate.title, gate.value) for gate in errand.questions]
    note = (
        "Waiting for a person. Call again with the same arguments and idempotency_key to see the"
        " result.\n" + "\n".join(questions)
    )
    return types.CallToolResult(
        content=[types.TextContent(text=note)],
        structured_content={"status": "input_required", "thread_id": errand.thread.thread_id},
    )


def _message(title: str, value: Any) -> str:
    return f"{title}\n{value if isinstance(value, str) else to_json(value)}"
