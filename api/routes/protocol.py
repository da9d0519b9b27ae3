"""Protocol v2: commands, the event stream and the WebSocket of a thread."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from api.dependencies import EngineDependency
from api.protocol import execute, failure, open_events, success
from api.routes.runs import SSE
from api.run_streams import last_event_id
from api.schemas.common import PathUuid, problems
from api.schemas.protocol import Command, Subscribe, Unsubscribe
from api.streams import event_stream, frame
from engine.errors import InvalidValueError
from engine.runtime import Engine
from engine.values import decode_json

router = APIRouter(tags=["protocol v2"])

MAX_SUBSCRIPTIONS = 64


@router.post("/threads/{thread_id}/commands", responses=problems())
async def command_thread(
    thread_id: PathUuid, command: Command, engine: EngineDependency, request: Request
) -> dict[str, Any]:
    """Start a run, answer a question, fork, or look at the state, as `method` says.

    `run.start`, `input.respond`, `state.fork`, `state.get`, `state.listCheckpoints`,
    `agent.getTree`.

    The answer is always 200: `{"type": "success", …}` or `{"type": "error", "error": code, …}`.
    """
    return await execute(engine, thread_id, command, connection=request)


@router.post(
    "/threads/{thread_id}/stream/events",
    response_class=StreamingResponse,
    responses={**SSE, **problems(400)},
)
async def stream_events(
    thread_id: PathUuid,
    subscribe: Subscribe,
    engine: EngineDependency,
    last_event: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> StreamingResponse:
    """Stream a thread's events, run after run, until the client leaves.

    `since` replays what came after that number; without it the stream begins with the run that is
    under way.
    """
    if subscribe.unknown_channels:
        raise HTTPException(400, f"unknown channel {subscribe.unknown_channels[0]!r}")
    if subscribe.since is None and last_event is not None:
        subscribe = subscribe.model_copy(update={"since": max(last_event_id(last_event) or 0, 0)})

    async def frames() -> AsyncIterator[bytes]:
        async with open_events(engine, thread_id, subscribe) as events:
            async for event in events:
                yield frame(event.method, event.as_json(), event.seq)

    return event_stream(frames())


@router.websocket("/threads/{thread_id}/stream/events")
async def converse(websocket: WebSocket, thread_id: PathUuid, engine: EngineDependency) -> None:
    """Take commands and send events over one connection, until the client closes it."""
    await websocket.accept()
    try:
        async with asyncio.TaskGroup() as tasks:
            await _Socket(websocket, engine, thread_id, tasks).serve()
            raise _ClosedError
    except* (_ClosedError, WebSocketDisconnect):
        pass


class _ClosedError(Exception):
    """Ends the tasks of a connection whose client has left."""


class _Socket:
    """One connection: its commands in order, its subscriptions side by side."""

    def __init__(
        self,
        websocket: WebSocket,
        engine: Engine,
        thread_id: str,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._websocket = websocket
        self._engine = engine
        self._thread_id = thread_id
        self._tasks = tasks
        self._sending = asyncio.Lock()
        self._subscriptions: dict[str, asyncio.Task[None]] = {}
        self._count = 0

    async def serve(self) -> None:
        while True:
            text = await self._websocket.receive_text()
            try:
                value = decode_json(text.encode("utf-8", "surrogatepass"))
                command = Command.model_validate(value)
            except (InvalidValueError, ValidationError) as error:
                await self._send(failure(None, "invalid_argument", str(error)))
                continue
            await self._send(await self._answer(command))

    async def _answer(self, command: Command) -> dict[str, Any]:
        try:
            if command.method == "subscription.subscribe":
                return await self._subscribe(command)
            if command.method == "subscription.unsubscribe":
                return self._unsubscribe(command)
            if command.method == "subscription.reconnect":
                # They end with their connection; `since` of a new one brings what was missed.
                return success(command.id, {"restored": False})
        except ValidationError as error:
            return failure(command.id, "invalid_argument", str(error))
        return await execute(self._engine, self._thread_id, command, connection=self._websocket)

    async def _subscribe(self, command: Command) -> dict[str, Any]:
        subscribe = Subscribe.model_validate(command.params)
        if subscribe.unknown_channels:
            unknown = f"unknown channel {subscribe.unknown_channels[0]!r}"
            return failure(command.id, "invalid_argument", unknown)
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            return failure(command.id, "invalid_argument", "too many subscriptions")
        self._count += 1
        identifier = str(self._count)
        self._subscriptions[identifier] = self._tasks.create_task(self._pump(subscribe))
        return success(command.id, {"subscription_id": identifier})

    def _unsubscribe(self, command: Command) -> dict[str, Any]:
        identifier = Unsubscribe.model_validate(command.params).subscription_id
        task = self._subscriptions.pop(identifier, None)
        if task is None:
            return failure(command.id, "no_such_subscription", f"no subscription {identifier!r}")
        task.cancel()
        return success(command.id, {})

    async def _pump(self, subscribe: Subscribe) -> None:
        async with open_events(self._engine, self._thread_id, subscribe) as events:
            async for event in events:
                async with self._sending:
                    await self._websocket.send_text(event.as_json())

    async def _send(self, message: dict[str, Any]) -> None:
        async with self._sending:
            await self._websocket.send_text(json.dumps(message))
