"""Runs on a thread: start, watch, wait, cancel."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import WithJsonSchema

from api.dependencies import ActorDependency, EngineDependency
from api.idempotency import OnceDependency
from api.run_requests import RunRequestsDependency, join, rejoin
from api.run_streams import Shown, check_start, last_event_id
from api.schemas.common import PathUuid, QueryLimit, QueryOffset, problems
from api.schemas.runs import ApiRunStatus, Cancelled, RunCreate, RunView, engine_statuses
from engine.database import Connection
from engine.errors import ConflictError, InvalidValueError, NotFoundError
from engine.runs.run import CancelAction

router = APIRouter(tags=["runs"])

STARTS = problems(404, 409, 410, 429, 503)
SSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `metadata` first, then the modes asked for.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}

# What the run's `cancel_reason` says; clients look at what stands before the colon.
CANCEL_REASONS = {"taken": "taken: another run has taken its input over"}

ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": 'The thread\'s values, or `{"__error__": {"error", "message"}}`.',
        "content": {"application/json": {"schema": {}}},
    }
}

RunField = Annotated[str, WithJsonSchema({"type": "string", "enum": sorted(RunView.model_fields)})]
Namespaces = Annotated[
    list[str] | None,
    Query(description='Show only these subgraphs; "" is the root graph.'),
]
StreamModes = Annotated[
    list[str] | None, Query(description="Show only these of the modes that the run produces.")
]
StartedFrom = Annotated[
    str | None,
    Query(description="The checkpoint that the run was started from, if the client knows it."),
]


@router.post("/threads/{thread_id}/runs", responses=STARTS)
async def create_run(
    thread_id: PathUuid, body: RunCreate, response: Response, runs: RunRequestsDependency
) -> RunView:
    """Start a run in the background; it is accepted for good when the answer is here."""
    return await runs.create(body, response, thread_id=thread_id)


@router.post(
    "/threads/{thread_id}/runs/stream",
    response_class=StreamingResponse,
    responses={**SSE, **STARTS},
)
async def stream_new(
    thread_id: PathUuid,
    body: RunCreate,
    runs: RunRequestsDependency,
    namespace: Namespaces = None,
) -> StreamingResponse:
    """Start a run and stream its events."""
    return await runs.stream(body, namespace, thread_id=thread_id)


@router.post("/threads/{thread_id}/runs/wait", response_model=None, responses={**ANSWER, **STARTS})
async def wait_for_new(
    thread_id: PathUuid, body: RunCreate, runs: RunRequestsDependency
) -> Response:
    """Start a run and answer with the thread's values when it has ended."""
    return await runs.wait(body, thread_id=thread_id)


@router.get("/threads/{thread_id}/runs", responses=problems(404))
async def list_runs(
    thread_id: PathUuid,
    engine: EngineDependency,
    limit: QueryLimit = 10,
    offset: QueryOffset = 0,
    status: ApiRunStatus | None = None,
    select: Annotated[list[RunField] | None, Query(description="Fields to answer with.")] = None,
) -> list[dict[str, Any]]:
    """List the runs of a thread, newest first."""
    await engine.threads.get(thread_id)
    unknown = sorted(set(select or ()) - set(RunView.model_fields))
    if unknown:
        raise InvalidValueError("/query/select", "fields of a run", unknown[0])
    runs = await engine.runs.list(
        thread_id, statuses=engine_statuses(status), limit=limit, offset=offset
    )
    fields = set(select) if select else None
    return [RunView.of(run).model_dump(mode="json", include=fields) for run in runs]


@router.get("/threads/{thread_id}/runs/{run_id}", responses=problems(404))
async def get_run(thread_id: PathUuid, run_id: PathUuid, engine: EngineDependency) -> RunView:
    """Return a run."""
    return RunView.of(await engine.runs.get(run_id, thread_id=thread_id))


@router.get(
    "/threads/{thread_id}/runs/{run_id}/join",
    response_model=None,
    responses={**ANSWER, **problems(404)},
)
async def join_run(
    thread_id: PathUuid,
    run_id: PathUuid,
    engine: EngineDependency,
    cancel_on_disconnect: bool = False,
) -> Response:
    """Answer with the thread's values when the run has ended, at once if it has."""
    run = await engine.runs.get(run_id, thread_id=thread_id)
    return join(engine, run, stateless=False, cancel_on_disconnect=cancel_on_disconnect)


@router.get(
    "/threads/{thread_id}/runs/{run_id}/stream",
    response_class=StreamingResponse,
    responses={**SSE, **problems(404)},
)
async def join_stream(
    thread_id: PathUuid,
    run_id: PathUuid,
    engine: EngineDependency,
    stream_mode: StreamModes = None,
    namespace: Namespaces = None,
    cancel_on_disconnect: bool = False,
    checkpoint_id: StartedFrom = None,
    last_event: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> StreamingResponse:
    """Stream a run that was started before.

    Without `Last-Event-ID` it shows what happens from now on. With it, a resumable run's events
    after that one come first; `-1` asks for all, also when the run has ended.
    """
    run = await engine.runs.get(run_id, thread_id=thread_id)
    check_start(run, checkpoint_id)
    return rejoin(
        engine,
        run,
        engine.events.follow_run(run_id, after=last_event_id(last_event)),
        stateless=False,
        shown=Shown.of(stream_mode, namespace),
        cancel_on_disconnect=cancel_on_disconnect,
    )


@router.post(
    "/threads/{thread_id}/runs/{run_id}/cancel",
    status_code=202,
    responses={204: {"description": "The run has stopped (`wait`)."}, **problems(404)},
)
async def cancel_run(
    thread_id: PathUuid,
    run_id: PathUuid,
    response: Response,
    engine: EngineDependency,
    actor: ActorDependency,
    once: OnceDependency,
    wait: bool = False,
    action: CancelAction = "interrupt",
    reason: Annotated[
        Literal["taken"] | None,
        Query(description="`taken`: another run has taken the input over; only interrupts."),
    ] = None,
) -> Response:
    """Ask a run to stop; with `rollback` it and what it saved are deleted."""
    if reason is not None and action != "interrupt":
        raise InvalidValueError("/query/reason", "absent, or the action `interrupt`", reason)

    async def stop(connection: Connection) -> Cancelled:
        try:
            run = await engine.runs.stop(
                connection,
                run_id,
                action=action,
                thread_id=thread_id,
                reason=None if reason is None else CANCEL_REASONS[reason],
                actor=actor,
            )
        except ConflictError as error:
            # Clients take 404 for "nothing to cancel any more".
            raise NotFoundError("active run", run_id) from error
        return Cancelled(stopping=None if run is None else run.run_id)

    cancelled = await once(stop, Cancelled)
    if wait and cancelled.stopping is not None:
        await engine.runs.wait(cancelled.stopping)
    return Response(status_code=204 if wait else 202, headers=dict(response.headers))


@router.delete("/threads/{thread_id}/runs/{run_id}", status_code=204, responses=problems(404, 409))
async def delete_run(thread_id: PathUuid, run_id: PathUuid, engine: EngineDependency) -> None:
    """Forget a run that is over; the thread keeps what it did."""
    await engine.runs.delete(run_id, thread_id=thread_id)
