"""A run's start, its stream, its answer: what threads' and stateless runs have in common."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Self
from uuid import uuid4

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from api.access import Access
from api.headers import configurable_headers
from api.idempotency import REPLAYED_HEADER, idempotent_call
from api.identity import caller
from api.schemas.runs import RunCreate, RunView
from api.streams import LateJson, event_stream, frame
from engine.errors import ConflictError, EngineError, GoneError, InvalidValueError
from engine.event_table import Recorded
from engine.events import Following
from engine.gates.answers import names_questions
from engine.idempotency import Call, Replay
from engine.runs.request import RunRequest
from engine.runs.run import Run
from engine.runtime import Engine
from engine.streaming import NAMESPACE_SEPARATOR
from engine.wire import to_json

REPLAYED = {REPLAYED_HEADER: "true"}
# How long an answer waits for the run that asked to end.
REST_SECONDS = 2.0
ALWAYS_SHOWN = frozenset({"metadata", "error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A run that was accepted now, or by an earlier request with the same idempotency key.

    Attributes:
        view: what a client is told of it, and was told when it was accepted.
        row: None when the run is over and was deleted.
        call: the request's key, if it has one.
        answer: what an earlier request that waited was answered, where the run does not keep it.
    """

    view: RunView
    row: Run | None
    call: Call | None = None
    replayed: bool = False
    answer: Any = None

    @classmethod
    def of(cls, run: Run, call: Call | None = None) -> Self:
        """Return a run that stands as it is."""
        return cls(view=RunView.of(run), row=run, call=call)

    @property
    def run(self) -> Run:
        """Its row.

        Raises:
            GoneError: it was deleted.
        """
        if self.row is None:
            raise GoneError(
                "the run of this idempotency key is over and was deleted", run_id=self.view.run_id
            )
        return self.row

    def headers(self, *, stateless: bool, suffix: str) -> dict[str, str]:
        """Return where the run is and where its stream or answer can be had again."""
        run_path = f"/runs/{self.view.run_id}"
        path = run_path if stateless else f"/threads/{self.view.thread_id}{run_path}"
        headers = {"Content-Location": path, "Location": f"{path}/{suffix}"}
        return {**headers, **REPLAYED} if self.replayed else headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Which of a run's events a client wants to see.

    Attributes:
        modes: stream modes; None shows what the run produces.
        namespaces: subgraphs by namespace, `""` for the root graph; None shows all.
    """

    modes: Collection[str] | None = None
    namespaces: Collection[str] | None = None

    @classmethod
    def of(cls, modes: Collection[str] | None, namespaces: Collection[str] | None) -> Self:
        """Read query parameters; a list may come as one text with commas."""
        flat = {mode for item in modes or () for mode in item.split(",") if mode}
        return cls(modes=flat or None, namespaces=set(namespaces) if namespaces else None)

    def shows(self, recorded: Recorded) -> bool:
        """Tell whether an event is to be sent."""
        name, _, namespace = recorded.event.event.partition(NAMESPACE_SEPARATOR)
        if name in ALWAYS_SHOWN:
            return True
        if name.startswith(("v2/", "thread/")):
            return False
        if self.modes is not None and not self._asked(name):
            return False
        if self.namespaces is None:
            return True
        if name == "messages":
            namespace = _message_namespace(recorded.event.data)
        return namespace in self.namespaces

    def _asked(self, name: str) -> bool:
        modes = self.modes or ()
        if name == "messages":
            return "messages-tuple" in modes or "messages" in modes
        return name in modes or (name.startswith("messages/") and "messages" in modes)


async def start_run(
    request: Request,
    engine: Engine,
    body: RunCreate,
    *,
    thread_id: str | None,
    actor: str,
    access: Access,
    run_id: str | None = None,
    followed_by: str | None = None,
) -> Started:
    """Accept a run: its row is committed when this returns.

    Raises:
        EngineError: see `Runs.submit`.
    """
    wanted = body.to_request(
        thread_id=thread_id,
        run_id=run_id or str(uuid4()),
        actor=actor,
        caller=caller(request),
        metadata=access.metadata(body.metadata),
        thread_metadata=access.ownership,
        trusted=access.trusted,
        followed_by=followed_by,
    )
    wanted = with_headers(wanted, request, engine)
    call = idempotent_call(request, body.model_dump(mode="json", exclude_unset=True), actor)
    try:
        accepted = await submit_once(engine, wanted, call)
    except ConflictError:
        if not await _comes_to_rest(engine, wanted):
            raise
        accepted = await submit_once(engine, wanted, call)
    if isinstance(accepted, Run):
        return Started(view=RunView.accepted(accepted), row=accepted, call=call)
    view = RunView.model_validate(accepted.body["run"])
    found = await engine.runs.list(run_ids=[view.run_id], limit=1)
    return Started(
        view=view,
        row=found[0] if found else None,
        call=call,
        replayed=True,
        answer=accepted.body.get("answer"),
    )


async def submit_once(engine: Engine, wanted: RunRequest, call: Call | None) -> Run | Replay:
    """Write the run, or find what its idempotency key was answered before."""
    if call is None:
        return await engine.runs.create(wanted)
    async with engine.database.transaction() as connection:
        replay = await engine.idempotency.begin(connection, call)
        if replay is not None:
            return replay
        accepted = await engine.runs.submit(connection, wanted)
        await engine.idempotency.finish(
            connection, call, resource_id=accepted.run_id, body=_told(RunView.accepted(accepted))
        )
        return accepted


async def _comes_to_rest(engine: Engine, wanted: RunRequest) -> bool:
    """Wait a little for the run whose question was answered before it was written down.

    A client sees the question in the stream while the run still ends. Only an answer that names
    its question may wait: any other would be taken for whatever is asked next.
    """
    if wanted.thread_id is None or not names_questions((wanted.command or {}).get("resume")):
        return False
    try:
        async with asyncio.timeout(REST_SECONDS):
            for run in await engine.runs.list(wanted.thread_id, statuses=("running",), limit=1):
                await engine.runs.wait(run.run_id)
    except TimeoutError:
        return False
    return True


def with_headers(wanted: RunRequest, request: Request, engine: Engine) -> RunRequest:
    """Return the request with the headers that the project wants in its runs' config."""
    headers = configurable_headers(request.headers, engine.project.http.configurable_headers)
    if not headers:
        return wanted
    # A header that a proxy sets is not for a body to overrule.
    configurable = {**(wanted.config.get("configurable") or {}), **headers}
    return replace(wanted, config={**wanted.config, "configurable": configurable})


async def stream_new_run(
    request: Request,
    engine: Engine,
    body: RunCreate,
    *,
    thread_id: str | None,
    actor: str,
    access: Access,
    shown: Shown,
) -> StreamingResponse:
    """Accept a run and stream it from its first event."""
    run_id = str(uuid4())
    following = engine.events.follow_run(run_id, fresh=True)
    try:
        started = await start_run(
            request,
            engine,
            body,
            thread_id=thread_id,
            actor=actor,
            access=access,
            run_id=run_id,
            followed_by=engine.bus.process_id,
        )
    except BaseException:
        following.close()
        raise
    if started.replayed:
        following.close()
        following = engine.events.follow_run(started.run.run_id, after=-1)
    return stream_run(
        engine,
        started.run,
        following,
        shown=shown,
        headers=started.headers(stateless=thread_id is None, suffix="stream"),
        cancel_on_disconnect=started.run.on_disconnect == "cancel" and not started.replayed,
    )


def stream_run(
    engine: Engine,
    run: Run,
    following: Following,
    *,
    shown: Shown,
    headers: Mapping[str, str],
    cancel_on_disconnect: bool,
) -> StreamingResponse:
    """Return a run's events as a response; ids only where a client may come back with them."""
    resumable = bool(run.kwargs.get("stream_resumable"))

    async def frames() -> AsyncIterator[bytes]:
        async for recorded in following:
            if shown.shows(recorded):
                if recorded.event.event == "error":
                    # A client goes on at once, without the stream's end: the run has to be over.
                    await engine.runs.wait(run.run_id)
                event_id = recorded.seq if resumable else None
                yield frame(recorded.event.event, recorded.event.data, event_id)

    return event_stream(
        frames(),
        headers=headers,
        on_disconnect=canceller(engine, run) if cancel_on_disconnect else None,
    )


def wait_for_run(
    engine: Engine, started: Started, *, headers: Mapping[str, str], cancel_on_disconnect: bool
) -> Response:
    """Return what a run says at its end, once it has ended.

    Where the run is deleted after its end, a request with an idempotency key keeps its answer.
    """
    if started.answer is not None:
        return Response(to_json(started.answer), media_type="application/json", headers=headers)
    run = started.run

    async def document() -> bytes:
        finished = await engine.runs.wait(run.run_id)
        if finished is None:
            return b"null"
        answer = answer_of(finished)
        if started.call is not None and run.on_completion == "delete":
            async with engine.database.transaction() as connection:
                kept = _told(started.view, answer)
                await engine.idempotency.finish(connection, started.call, body=kept)
        return to_json(answer).encode()

    return LateJson(
        document(),
        headers=headers,
        on_disconnect=canceller(engine, run) if cancel_on_disconnect else None,
    )


def _told(view: RunView, answer: Any = None) -> dict[str, Any]:
    """Return what is kept with an idempotency key, so that its repetitions hear the same."""
    return {"run": view.model_dump(mode="json"), "answer": answer}


def answer_of(run: Run) -> Any:
    """Return what a client that waited is told: the values, or the error."""
    if run.status in ("failed", "expired"):
        return {"__error__": run.error or {"error": run.status, "message": ""}}
    return run.output


def canceller(engine: Engine, run: Run) -> Callable[[], Awaitable[None]]:
    """Return what cancels a run whose client left; a run that carries an answer goes on."""

    async def cancel() -> None:
        if run.kind == "resume":
            return
        with suppress(EngineError):  # it is over
            await engine.runs.cancel(run.run_id, actor="system", via="disconnect")

    return cancel


def check_start(run: Run, checkpoint_id: str | None) -> None:
    """Check that a client that comes back means this run.

    Raises:
        InvalidValueError: the run was started from another checkpoint than the client says.
    """
    started_from = run.kwargs.get("checkpoint_id")
    if checkpoint_id is not None and started_from not in (None, checkpoint_id):
        raise InvalidValueError(
            "/query/checkpoint_id", f"{started_from!r}, where the run started", checkpoint_id
        )


def last_event_id(header: str | None) -> int | None:
    """Read `Last-Event-ID`: -1 for everything, None for what happens from now on."""
    if header is None:
        return None
    text = header.strip().partition("-")[0] if not header.strip().startswith("-") else "-1"
    return int(text) if text.lstrip("-").isdecimal() and len(text) <= 18 else -1


def _message_namespace(data: str) -> str:
    """Return the subgraph that a message tuple comes from; tuples themselves carry no namespace."""
    metadata = json.loads(data)[1]
    path = str(metadata.get("langgraph_checkpoint_ns", ""))
    return path.rpartition(NAMESPACE_SEPARATOR)[0]
