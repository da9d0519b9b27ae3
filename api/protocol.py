"""Protocol v2 beneath its transports: commands are done here, events get their wire form here."""

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from fastapi import Request
from fastapi.requests import HTTPConnection
from pydantic import BaseModel, ValidationError

from api.access import access
from api.auth import check_assistant
from api.idempotency import idempotent_call
from api.identity import actor, caller
from api.protocol_state import get_state, get_tree, list_checkpoints
from api.run_streams import submit_once
from api.schemas.protocol import (
    Command,
    ErrorCode,
    GetTree,
    InputRespond,
    ListCheckpoints,
    RunStart,
    StateFork,
    StateGet,
    Subscribe,
)
from api.schemas.runs import RunConfig
from engine.errors import (
    ConflictError,
    EngineError,
    ForbiddenError,
    GoneError,
    InvalidValueError,
    NotFoundError,
)
from engine.event_table import Recorded
from engine.events import RUN_DONE
from engine.runs.request import RunRequest
from engine.runs.run import Run
from engine.runtime import Engine
from engine.thread import Thread
from engine.wire import to_json

# LangGraph takes no message into a run that is under way; start a run with `enqueue` instead.
NOT_SUPPORTED = frozenset({"input.inject"})
MISSING: Mapping[str, ErrorCode] = {
    "run": "no_such_run",
    "subgraph": "no_such_namespace",
    "checkpoint": "no_such_checkpoint",
}
PHASES: Mapping[str, str] = {
    "succeeded": "completed",
    "interrupted": "interrupted",
    "failed": "failed",
    "expired": "failed",
    "cancelled": "failed",
}


Model = TypeVar("Model", bound=BaseModel)


class CommandError(Exception):
    """A command cannot be done; the code is the protocol's."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class WireEvent:
    """One event of the protocol.

    Attributes:
        seq: its number along the thread.
        name: of a custom event of a graph's own channel.
        params: `{"namespace", "timestamp", "data"}` as JSON.
    """

    seq: int
    method: str
    namespace: list[str]
    name: str | None
    params: str

    def as_json(self) -> str:
        """Return the event as it is sent."""
        head = {
            "type": "event",
            "event_id": str(self.seq),
            "seq": self.seq,
            "method": self.method,
        }
        return f'{json.dumps(head, separators=(",", ":"))[:-1]},"params":{self.params}}}'


async def execute(
    engine: Engine, thread_id: str, command: Command, *, connection: HTTPConnection
) -> dict[str, Any]:
    """Do a command and return its answer; an error is an answer too.

    Args:
        engine: does it.
        thread_id: the thread it is for.
        command: what is asked.
        connection: the request or WebSocket that it came by, which says who asks.
    """
    try:
        applied = max(await engine.events.get_thread_seq(thread_id), 0)
        result = await _execute(engine, thread_id, command, connection)
    except CommandError as error:
        return failure(command.id, error.code, str(error))
    except ValidationError as error:
        first = error.errors()[0]
        place = "/".join(str(part) for part in first["loc"])
        return failure(command.id, "invalid_argument", f"params/{place}: {first['msg']}")
    except EngineError as error:
        return failure(command.id, _code(error, command.method), str(error))
    return success(command.id, result, applied_through_seq=applied)


def success(identifier: int, result: Any, **meta: Any) -> dict[str, Any]:
    """Return the answer of a command that was done."""
    answer = {"type": "success", "id": identifier, "result": result}
    return {**answer, "meta": meta} if meta else answer


def failure(identifier: int | None, code: ErrorCode, message: str) -> dict[str, Any]:
    """Return the answer of a command that was not."""
    return {"type": "error", "id": identifier, "error": code, "message": message}


@asynccontextmanager
async def open_events(
    engine: Engine, thread_id: str, subscribe: Subscribe
) -> AsyncIterator[AsyncIterator[WireEvent]]:
    """Yield the events that a subscription asks for; nothing is missed from here on."""
    following = None
    joined = await engine.conversations.join(thread_id)
    after = joined if subscribe.since is None else subscribe.since
    seen = after
    try:
        following = engine.events.follow_thread(thread_id, after=after, numbered=True)

        async def events() -> AsyncGenerator[WireEvent]:
            nonlocal seen
            async for recorded in following:
                seen = max(seen, recorded.seq or 0)
                event = await _wire_event(engine, recorded)
                if event and subscribe.shows(event.method, event.namespace, event.name):
                    yield event

        async with aclosing(events()) as source:
            yield source
    finally:
        if following is not None:
            following.close()
        engine.conversations.leave(thread_id, seen=seen)


async def _execute(
    engine: Engine, thread_id: str, command: Command, connection: HTTPConnection
) -> Any:
    match command.method:
        case "run.start":
            return await _start(engine, thread_id, _params(RunStart, command), command, connection)
        case "input.respond":
            return await _respond(
                engine, thread_id, _params(InputRespond, command), command, connection
            )
        case "agent.getTree":
            return await get_tree(engine, thread_id, _params(GetTree, command))
        case "state.get":
            return await get_state(engine, thread_id, _params(StateGet, command))
        case "state.listCheckpoints":
            return await list_checkpoints(engine, thread_id, _params(ListCheckpoints, command))
        case "state.fork":
            return await _fork(engine, thread_id, _params(StateFork, command), command, connection)
        case _ if command.method in NOT_SUPPORTED:
            raise CommandError(
                "not_supported",
                f"{command.method} is not supported; start a run that waits its turn",
            )
        case _ if command.method.startswith("subscription."):
            raise CommandError(
                "not_supported", f"{command.method} needs a WebSocket; POST stream/events instead"
            )
        case _:
            raise CommandError("unknown_command", f"{command.method!r} is no command")


async def _start(
    engine: Engine, thread_id: str, start: RunStart, command: Command, connection: HTTPConnection
) -> dict[str, Any]:
    await check_assistant(connection, start.assistant_id)
    thread = await _find_thread(engine, thread_id)
    # RemoteGraph and useStream answer a question by starting a run with the answer as input.
    answers = thread is not None and bool(thread.interrupts) and start.input is not None
    config, checkpoint_id = _split_config(start.config)
    run_id = await _run(
        engine,
        connection,
        command,
        RunRequest(
            assistant_id=start.assistant_id,
            thread_id=thread_id,
            input=None if answers else start.input,
            command={"resume": start.input} if answers else None,
            config=config,
            metadata=start.metadata or {},
            checkpoint_id=checkpoint_id,
            multitask_strategy=start.multitask_strategy or "enqueue",
            if_not_exists="create",
        ),
    )
    return {"run_id": run_id}


async def _respond(
    engine: Engine,
    thread_id: str,
    respond: InputRespond,
    command: Command,
    connection: HTTPConnection,
) -> dict[str, Any]:
    thread = await engine.threads.get(thread_id)
    if thread.assistant_id is None:
        raise CommandError("no_such_interrupt", f"thread {thread_id!r} has not run yet")
    said = {"resume": respond.answers, "update": respond.update, "goto": respond.goto}
    config, checkpoint_id = _split_config(respond.config)
    run_id = await _run(
        engine,
        connection,
        command,
        RunRequest(
            assistant_id=thread.assistant_id,
            thread_id=thread_id,
            command={key: value for key, value in said.items() if value is not None},
            config=config,
            metadata=respond.metadata or {},
            checkpoint_id=checkpoint_id,
        ),
    )
    return {"run_id": run_id}


async def _fork(
    engine: Engine, thread_id: str, fork: StateFork, command: Command, connection: HTTPConnection
) -> dict[str, Any]:
    thread = await engine.threads.get(thread_id)
    if thread.assistant_id is None:
        raise NotFoundError("checkpoint", fork.checkpoint_id)
    config, _ = _split_config(fork.config)
    run_id = await _run(
        engine,
        connection,
        command,
        RunRequest(
            assistant_id=thread.assistant_id,
            thread_id=thread_id,
            input=fork.input,
            config=config,
            checkpoint_id=fork.checkpoint_id,
        ),
    )
    return {"run_id": run_id, "thread_id": thread_id}


async def _run(
    engine: Engine, connection: HTTPConnection, command: Command, request: RunRequest
) -> str:
    """Accept a run whose events are the protocol's, for whoever is connected; return its id.

    A request that carries an idempotency key starts one run, however often it comes.
    """
    allowed = access(connection)
    who = actor(connection)
    call = None
    if isinstance(connection, Request):
        call = idempotent_call(connection, command.model_dump(mode="json"), who)
    accepted = await submit_once(
        engine,
        replace(
            request,
            stream_resumable=True,
            protocol="v2",
            thread_metadata=allowed.ownership,
            trusted=allowed.trusted,
            actor=who,
            caller=caller(connection),
        ),
        call,
    )
    return str(accepted.run_id if isinstance(accepted, Run) else accepted.resource_id)


async def _find_thread(engine: Engine, thread_id: str) -> Thread | None:
    try:
        return await engine.threads.get(thread_id)
    except NotFoundError:
        return None


def _split_config(given: RunConfig | None) -> tuple[dict[str, Any], str | None]:
    """Return the config without the checkpoint that a fork begins at, and that checkpoint."""
    config = given.model_dump(exclude_none=True) if given else {}
    configurable = dict(config.get("configurable") or {})
    checkpoint_id = configurable.pop("checkpoint_id", None)
    configurable.pop("thread_id", None)
    if "configurable" in config:
        config["configurable"] = configurable
    if checkpoint_id is not None and not isinstance(checkpoint_id, str):
        raise InvalidValueError("/config/configurable/checkpoint_id", "text", checkpoint_id)
    return config, checkpoint_id


async def _wire_event(engine: Engine, recorded: Recorded) -> WireEvent | None:
    """Return what an event of the engine is in the protocol; None when it is nothing there."""
    if recorded.seq is None:
        return None
    name = recorded.event.event
    if name.startswith("v2/"):
        params = json.loads(recorded.event.data)
        data = params["data"]
        return WireEvent(
            seq=recorded.seq,
            method=name.removeprefix("v2/"),
            namespace=params["namespace"],
            name=data.get("name") if isinstance(data, dict) else None,
            params=recorded.event.data,
        )
    if name == "metadata":
        return _lifecycle(recorded.seq, {"event": "running", "run_id": recorded.run_id})
    if name == RUN_DONE:
        return _lifecycle(recorded.seq, await _end(engine, recorded))
    return None


def _lifecycle(seq: int, data: dict[str, Any]) -> WireEvent:
    params = {"namespace": [], "timestamp": int(time.time() * 1000), "data": data}
    return WireEvent(seq=seq, method="lifecycle", namespace=[], name=None, params=to_json(params))


async def _end(engine: Engine, recorded: Recorded) -> dict[str, Any]:
    status = json.loads(recorded.event.data)["result"]
    phase = PHASES.get(status, "completed")
    data = {"event": phase, "run_id": recorded.run_id}
    if phase != "failed":
        return data
    if status == "cancelled":
        return {**data, "error": "the run was cancelled"}
    try:
        error = (await engine.runs.get(recorded.run_id)).error or {}
    except NotFoundError:
        error = {}
    return {**data, "error": str(error.get("message") or status)}


def _params(model: type[Model], command: Command) -> Model:
    return model.model_validate(command.params)


def _code(error: EngineError, method: str) -> ErrorCode:
    if isinstance(error, ForbiddenError):
        return "permission_denied"
    if method == "input.respond" and isinstance(error, ConflictError | GoneError | NotFoundError):
        return "no_such_interrupt"
    if isinstance(error, NotFoundError):
        return MISSING.get(str(error.values["kind"]), "invalid_argument")
    return "invalid_argument"
