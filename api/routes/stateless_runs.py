"""Runs without a thread of the caller's: each makes one and, unless told otherwise, removes it."""

from collections.abc import Iterator, Sequence
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Body, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from api.access import AccessDependency
from api.dependencies import ActorDependency, EngineDependency
from api.idempotency import IdempotencyKey, OnceDependency, idempotent_call
from api.identity import caller
from api.routes.runs import ANSWER, SSE, STARTS, Namespaces, StartedFrom, StreamModes
from api.run_requests import RunRequestsDependency, join, rejoin
from api.run_streams import REPLAYED, Shown, check_start, last_event_id
from api.schemas.common import PathUuid, problems
from api.schemas.runs import BatchItem, Cancelled, CancelMany, RunCreate, RunView
from engine.database import Connection
from engine.runs.run import CancelAction, RunStatus
from engine.runtime import Engine

router = APIRouter(tags=["stateless runs"])

MAX_BATCH = 500
CHUNK = 500  # runs listed or cancelled at once
ACTIVE: tuple[RunStatus, ...] = ("queued", "running")


@router.post("/runs", responses=STARTS)
async def create_stateless_run(
    body: RunCreate, response: Response, runs: RunRequestsDependency
) -> RunView:
    """Start a run on a thread of its own."""
    return await runs.create(body, response)


@router.post("/runs/stream", response_class=StreamingResponse, responses={**SSE, **STARTS})
async def stream_stateless_run(
    body: RunCreate, runs: RunRequestsDependency, namespace: Namespaces = None
) -> StreamingResponse:
    """Start a run on a thread of its own and stream its events."""
    return await runs.stream(body, namespace)


@router.post("/runs/wait", response_model=None, responses={**ANSWER, **STARTS})
async def wait_for_stateless_run(body: RunCreate, runs: RunRequestsDependency) -> Response:
    """Start a run on a thread of its own and answer with its values when it has ended."""
    return await runs.wait(body)


@router.post("/runs/batch", responses=STARTS)
async def create_batch(
    bodies: Annotated[list[BatchItem], Body(min_length=1, max_length=MAX_BATCH)],
    request: Request,
    response: Response,
    engine: EngineDependency,
    actor: ActorDependency,
    access: AccessDependency,
    _key: IdempotencyKey = None,
) -> list[RunView]:
    """Start many runs: all of them are accepted, or none."""
    call = idempotent_call(
        request, [body.model_dump(mode="json", exclude_unset=True) for body in bodies], actor
    )
    wanted = [
        body.to_request(
            thread_id=body.thread_id,
            run_id=str(uuid4()),
            actor=actor,
            caller=caller(request),
            metadata=access.metadata(body.metadata),
            thread_metadata=access.ownership,
            trusted=access.trusted,
        )
        for body in bodies
    ]
    async with engine.database.transaction() as connection:
        replay = await engine.idempotency.begin(connection, call) if call else None
        if replay is None:
            runs = [await engine.runs.submit(connection, item) for item in wanted]
            views = [RunView.of(run) for run in runs]
            if call is not None:
                answer = [view.model_dump(mode="json") for view in views]
                await engine.idempotency.finish(connection, call, status=200, body=answer)
            return views
    response.headers.update(REPLAYED)
    return [RunView.model_validate(view) for view in replay.body]


@router.post("/runs/cancel", status_code=204, responses=problems(404))
async def cancel_many(
    body: CancelMany,
    engine: EngineDependency,
    actor: ActorDependency,
    once: OnceDependency,
    action: CancelAction = "interrupt",
) -> None:
    """Cancel the named runs of a thread, or all of a status.

    404 when one of the named runs does not exist; runs that are over stay as they are.
    """
    statuses: tuple[RunStatus, ...] = ACTIVE
    if body.status in ("pending", "running"):
        statuses = ("queued",) if body.status == "pending" else ("running",)

    async def cancel(_: Connection) -> Cancelled:
        run_ids = body.run_ids
        if run_ids is None:
            run_ids = await _list_ids(engine, body.thread_id, statuses)
        else:
            for run_id in run_ids:
                await engine.runs.get(run_id, thread_id=body.thread_id)
        for chunk in _batched(run_ids, CHUNK):
            await engine.runs.cancel_many(
                thread_id=body.thread_id,
                run_ids=chunk,
                statuses=statuses,
                action=action,
                actor=actor,
            )
        return Cancelled()

    await once(cancel, Cancelled, status=204, lasting=True)


@router.get("/runs/{run_id}/join", response_model=None, responses={**ANSWER, **problems(404)})
async def join_stateless_run(
    run_id: PathUuid, engine: EngineDependency, cancel_on_disconnect: bool = False
) -> Response:
    """Answer with a run's values when it has ended."""
    run = await engine.runs.get(run_id)
    return join(engine, run, stateless=True, cancel_on_disconnect=cancel_on_disconnect)


@router.get(
    "/runs/{run_id}/stream",
    response_class=StreamingResponse,
    responses={**SSE, **problems(404)},
)
async def join_stateless_stream(
    run_id: PathUuid,
    engine: EngineDependency,
    stream_mode: StreamModes = None,
    namespace: Namespaces = None,
    cancel_on_disconnect: Annotated[bool, Query()] = False,
    checkpoint_id: StartedFrom = None,
    last_event: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> StreamingResponse:
    """Stream a stateless run that was started before."""
    run = await engine.runs.get(run_id)
    check_start(run, checkpoint_id)
    return rejoin(
        engine,
        run,
        engine.events.follow_run(run_id, after=last_event_id(last_event)),
        stateless=True,
        shown=Shown.of(stream_mode, namespace),
        cancel_on_disconnect=cancel_on_disconnect,
    )


async def _list_ids(
    engine: Engine, thread_id: str | None, statuses: Sequence[RunStatus]
) -> list[str]:
    """Return the runs of a status, all of them: none is left out for being one too many."""
    found: list[str] = []
    while True:
        page = await engine.runs.list(thread_id, statuses=statuses, limit=CHUNK, offset=len(found))
        found += [run.run_id for run in page]
        if len(page) < CHUNK:
            return found


def _batched(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Yield the items in stretches of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
