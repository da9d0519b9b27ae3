"""The state of threads: read at any checkpoint, listed, changed from outside."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from api.access import AccessDependency
from api.dependencies import ActorDependency, EngineDependency
from api.idempotency import OnceDependency
from api.schemas.common import Name, PathName, PathUuid, problems, selectable, selectable_list
from api.schemas.threads import (
    CheckpointBody,
    HistoryRead,
    StateField,
    StatePatch,
    StateRead,
    StateUpdate,
    StateUpdated,
    StateView,
)
from engine.database import Connection
from engine.errors import InvalidValueError
from engine.state_wire import selected
from engine.thread_state import MAX_HISTORY, Place

router = APIRouter(tags=["state"])

Select = Annotated[
    list[StateField] | None,
    Query(description="Fields of the state; `values.<key>` for one key of the values."),
]
STATE: dict[int | str, dict[str, Any]] = {
    **problems(404, 409),
    200: {"model": selectable(StateView)},
}
STATES: dict[int | str, dict[str, Any]] = {
    **problems(404, 409),
    200: {"model": selectable_list(StateView)},
}


@router.get("/threads/{thread_id}/state", response_model=None, responses=STATE)
async def get_state(
    thread_id: PathUuid,
    engine: EngineDependency,
    access: AccessDependency,
    subgraphs: Annotated[bool, Query(description="With the states of subgraphs.")] = False,
    select: Select = None,
    checkpoint_ns: Annotated[str, Query(pattern=r"^[^\x00]*$")] = "",
) -> dict[str, Any]:
    """Return a thread's newest state."""
    state = await engine.states.get(
        thread_id, Place(checkpoint_ns=checkpoint_ns), subgraphs=subgraphs, scope=access.scope
    )
    return selected(state, select)


@router.post("/threads/{thread_id}/state/checkpoint", response_model=None, responses=STATE)
async def read_state(
    thread_id: PathUuid, body: StateRead, engine: EngineDependency, access: AccessDependency
) -> dict[str, Any]:
    """Return the state at a checkpoint, of the graph or of a subgraph."""
    _check_thread(thread_id, body.checkpoint)
    state = await engine.states.get(
        thread_id, body.checkpoint.place(), subgraphs=body.subgraphs, scope=access.scope
    )
    return selected(state, body.select)


@router.get("/threads/{thread_id}/state/{checkpoint_id}", response_model=None, responses=STATE)
async def get_state_at(
    thread_id: PathUuid,
    checkpoint_id: PathName,
    engine: EngineDependency,
    access: AccessDependency,
    subgraphs: Annotated[bool, Query(description="With the states of subgraphs.")] = False,
    select: Select = None,
) -> dict[str, Any]:
    """Return a thread's state at a checkpoint."""
    state = await engine.states.get(
        thread_id, Place(checkpoint_id=checkpoint_id), subgraphs=subgraphs, scope=access.scope
    )
    return selected(state, select)


@router.post("/threads/{thread_id}/state", responses=problems(404, 409))
async def update_state(
    thread_id: PathUuid,
    body: StateUpdate,
    engine: EngineDependency,
    access: AccessDependency,
    actor: ActorDependency,
    once: OnceDependency,
) -> StateUpdated:
    """Write to a thread's state, as a new checkpoint.

    Open questions of the thread are withdrawn and the audit log keeps who did it; a node that has
    asked people there cannot be written for.
    """
    if body.checkpoint is not None:
        _check_thread(thread_id, body.checkpoint)

    async def write(connection: Connection) -> StateUpdated:
        written = await engine.states.write(
            connection,
            thread_id,
            body.values,
            as_node=body.as_node,
            place=body.place(),
            actor=actor,
            trusted=access.trusted,
            scope=access.scope,
        )
        return StateUpdated.model_validate(written)

    return await once(write, StateUpdated)


@router.patch("/threads/{thread_id}/state", status_code=204, responses=problems(404))
async def patch_state(
    thread_id: PathUuid, body: StatePatch, engine: EngineDependency, access: AccessDependency
) -> None:
    """Merge metadata into the thread's; its state stays (`patchState` of the JavaScript SDK)."""
    await engine.threads.update(
        thread_id, metadata=access.metadata(body.metadata), scope=access.scope
    )


@router.get("/threads/{thread_id}/history", response_model=None, responses=STATES)
async def get_history(
    thread_id: PathUuid,
    engine: EngineDependency,
    access: AccessDependency,
    limit: Annotated[int, Query(ge=1, le=MAX_HISTORY)] = 10,
    before: Annotated[Name | None, Query(description="Only states older than it.")] = None,
    select: Select = None,
) -> list[dict[str, Any]]:
    """List a thread's states, newest first."""
    states = await engine.states.history(
        thread_id,
        limit=limit,
        before=None if before is None else Place(checkpoint_id=before),
        scope=access.scope,
    )
    return [selected(state, select) for state in states]


@router.post("/threads/{thread_id}/history", response_model=None, responses=STATES)
async def read_history(
    thread_id: PathUuid,
    engine: EngineDependency,
    access: AccessDependency,
    body: Annotated[HistoryRead | None, Body()] = None,
) -> list[dict[str, Any]]:
    """List a thread's states, newest first, of the graph or of a subgraph."""
    wanted = body or HistoryRead()
    if wanted.checkpoint is not None:
        _check_thread(thread_id, wanted.checkpoint)
    match wanted.before:
        case None:
            before = None
        case str(checkpoint_id):
            before = Place(checkpoint_id=checkpoint_id)
        case checkpoint:
            before = checkpoint.place()
    states = await engine.states.history(
        thread_id,
        limit=wanted.limit,
        before=before if before and before.checkpoint_id else None,
        metadata=wanted.metadata,
        checkpoint_ns=(wanted.checkpoint and wanted.checkpoint.checkpoint_ns) or "",
        scope=access.scope,
    )
    return [selected(state, wanted.select) for state in states]


def _check_thread(thread_id: str, checkpoint: CheckpointBody) -> None:
    if checkpoint.thread_id not in (None, thread_id):
        raise InvalidValueError(
            "/checkpoint/thread_id", "the thread of the path", checkpoint.thread_id
        )
