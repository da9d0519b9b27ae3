"""Crons: runs that a calendar starts."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Response

from api.access import AccessDependency
from api.dependencies import ActorDependency, EngineDependency
from api.idempotency import OnceDependency
from api.pages import paged, shown
from api.schemas.common import PathUuid, page_headers, problems, selectable_list
from api.schemas.crons import CronCount, CronCreate, CronPatch, CronSearch, CronView
from engine.database import Connection
from engine.errors import InvalidValueError

router = APIRouter(tags=["crons"])


@router.post("/runs/crons", responses=problems(404, 409))
async def create_cron(
    body: CronCreate,
    engine: EngineDependency,
    access: AccessDependency,
    actor: ActorDependency,
    once: OnceDependency,
) -> CronView:
    """Make a schedule whose runs have threads of their own; nothing runs before its time."""

    async def make(connection: Connection) -> CronView:
        return await _create(connection, engine, access, body, None, actor)

    return await once(make, CronView)


@router.post("/threads/{thread_id}/runs/crons", responses=problems(404, 409))
async def create_thread_cron(
    thread_id: PathUuid,
    body: CronCreate,
    engine: EngineDependency,
    access: AccessDependency,
    actor: ActorDependency,
    once: OnceDependency,
) -> CronView:
    """Make a schedule whose runs go to one thread."""
    if body.on_run_completed is not None:
        raise InvalidValueError(
            "/on_run_completed",
            "absent, for the runs keep the thread they go to",
            body.on_run_completed,
        )

    async def make(connection: Connection) -> CronView:
        return await _create(connection, engine, access, body, thread_id, actor)

    return await once(make, CronView)


@router.post(
    "/runs/crons/search",
    response_model=None,
    responses={**problems(), 200: {"model": selectable_list(CronView), "headers": page_headers()}},
)
async def search_crons(
    body: CronSearch, response: Response, engine: EngineDependency, access: AccessDependency
) -> list[Any]:
    """List schedules, the newest first unless asked otherwise."""
    page = await engine.crons.search(
        assistant_id=body.assistant_id,
        thread_id=body.thread_id,
        enabled=body.enabled,
        metadata=body.metadata,
        limit=body.limit,
        offset=body.offset,
        sort_by=body.sort_by or "created_at",
        sort_order=body.sort_order or "desc",
        scope=access.scope,
    )
    now = datetime.now(UTC)
    return [shown(CronView.of(cron, now=now), body.select) for cron in paged(response, page)]


@router.post("/runs/crons/count", responses=problems())
async def count_crons(body: CronCount, engine: EngineDependency, access: AccessDependency) -> int:
    """Count schedules."""
    return await engine.crons.count(**body.model_dump(), scope=access.scope)


@router.get("/runs/crons/{cron_id}", responses=problems(404))
async def get_cron(
    cron_id: PathUuid, engine: EngineDependency, access: AccessDependency
) -> CronView:
    """Return a schedule."""
    return CronView.of(await engine.crons.get(cron_id, scope=access.scope))


@router.patch("/runs/crons/{cron_id}", responses=problems(404))
async def patch_cron(
    cron_id: PathUuid, body: CronPatch, engine: EngineDependency, access: AccessDependency
) -> CronView:
    """Change a schedule; its next time is reckoned anew."""
    if body.webhook is not None:
        engine.outbox.sender.policy.check_url(body.webhook)
    change = body.change(trusted=access.trusted)
    return CronView.of(await engine.crons.update(cron_id, change, scope=access.scope))


@router.delete("/runs/crons/{cron_id}", status_code=204, responses=problems(404))
async def delete_cron(
    cron_id: PathUuid, engine: EngineDependency, access: AccessDependency
) -> None:
    """Remove a schedule; runs it has started go on."""
    await engine.crons.delete(cron_id, scope=access.scope)


async def _create(
    connection: Connection,
    engine: EngineDependency,
    access: AccessDependency,
    body: CronCreate,
    thread_id: str | None,
    actor: str,
) -> CronView:
    if body.webhook is not None:
        engine.outbox.sender.policy.check_url(body.webhook)
    cron = await engine.crons.create(
        connection,
        assistant_id=body.assistant_id,
        thread_id=thread_id,
        schedule=body.schedule,
        timezone=body.timezone,
        end_time=body.end_time,
        enabled=body.enabled is not False,
        on_run_completed=body.on_run_completed or "delete",
        payload=body.payload(),
        metadata=access.owned(body.metadata),
        user_id=actor,
        trusted=access.trusted,
    )
    return CronView.of(cron)
