"""Threads: make, find, change, copy, thin out, remove."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from api.access import AccessDependency
from api.dependencies import ActorDependency, EngineDependency
from api.extracts import check_paths, extract
from api.idempotency import OnceDependency
from api.pages import paged, shown
from api.schemas.common import PathUuid, page_headers, problems, selectable_list
from api.schemas.threads import (
    ChannelSize,
    ChannelsSize,
    Pruned,
    SectionSize,
    ThreadCount,
    ThreadCreate,
    ThreadPatch,
    ThreadPrune,
    ThreadSearch,
    ThreadStorage,
    ThreadView,
    engine_ttl,
)
from engine.database import Connection
from engine.errors import InvalidValueError

router = APIRouter(tags=["threads"])

RETURN_MINIMAL = "return=minimal"


@router.post("/threads", responses=problems(404, 409))
async def create_thread(
    body: ThreadCreate, engine: EngineDependency, access: AccessDependency, once: OnceDependency
) -> ThreadView:
    """Make a thread."""

    async def make(connection: Connection) -> ThreadView:
        thread, made = await engine.threads.create(
            connection,
            thread_id=body.thread_id,
            metadata=access.owned(body.metadata),
            ttl=engine_ttl(body.ttl),
            if_exists=body.if_exists or "raise",
            scope=access.scope,
        )
        if made and body.supersteps:
            await engine.states.apply_supersteps(
                connection,
                thread,
                [step.model_dump() for step in body.supersteps],
                trusted=access.trusted,
            )
            thread = await engine.threads.read(connection, thread.thread_id)
        return ThreadView.of(thread)

    return await once(make, ThreadView)


@router.post(
    "/threads/search",
    response_model=None,
    responses={
        **problems(),
        200: {"model": selectable_list(ThreadView), "headers": page_headers()},
    },
)
async def search_threads(
    body: ThreadSearch, response: Response, engine: EngineDependency, access: AccessDependency
) -> list[Any]:
    """List threads, the newest first unless asked otherwise."""
    paths = body.extract or {}
    check_paths(paths)
    with_values = (
        body.select is None
        or "values" in body.select
        or any(path.startswith("values") for path in paths.values())
    )
    page = await engine.threads.search(
        ids=body.ids,
        metadata=body.metadata,
        values=body.values,
        status=body.status,
        limit=body.limit,
        offset=body.offset,
        sort_by=body.sort_by or "created_at",
        sort_order=body.sort_order or "desc",
        with_values=with_values,
        scope=access.scope,
    )
    threads: list[Any] = []
    for thread in paged(response, page):
        view = ThreadView.of(thread)
        item = dict(shown(view, body.select))
        if body.select is None:
            del item["extracted"], item["ttl"]
        if paths:
            whole = view.model_dump(mode="json")
            item["extracted"] = {name: extract(whole, path) for name, path in paths.items()}
        threads.append(item)
    return threads


@router.post("/threads/count", responses=problems())
async def count_threads(
    body: ThreadCount, engine: EngineDependency, access: AccessDependency
) -> int:
    """Count threads."""
    return await engine.threads.count(
        metadata=body.metadata, values=body.values, status=body.status, scope=access.scope
    )


@router.post("/threads/prune", responses=problems(404, 409))
async def prune_threads(
    body: ThreadPrune,
    engine: EngineDependency,
    access: AccessDependency,
    actor: ActorDependency,
    once: OnceDependency,
) -> Pruned:
    """Remove threads, or their older checkpoints.

    What an open question, a run or a later resume needs stays in any case. Answered with 409 while
    pruning is paused, except for a dry run.
    """

    async def prune(_: Connection) -> Pruned:
        if not body.dry_run:
            await engine.pruning.check_not_paused()
        thread_ids = await engine.threads.known(body.thread_ids, scope=access.scope)
        if body.strategy == "delete":
            if not body.dry_run:
                for thread_id in thread_ids:
                    await engine.threads.delete(thread_id, actor=actor)
            return Pruned(pruned_count=len(thread_ids))
        keep = 1 if body.strategy == "keep_latest" else body.keep or 20
        report = await engine.pruning.thin(
            thread_ids, keep=keep, dry_run=body.dry_run, trigger="api"
        )
        return Pruned(pruned_count=report["threads_pruned"], report=report)

    return await once(prune, Pruned, lasting=True)


@router.get("/threads/{thread_id}", response_model_exclude_none=False, responses=problems(404))
async def get_thread(
    thread_id: PathUuid,
    engine: EngineDependency,
    access: AccessDependency,
    include: Annotated[
        str | None,
        Query(
            description="`ttl` adds the time to live.",
            json_schema_extra={"pattern": "^( *ttl *(,|$))*$"},
        ),
    ] = None,
) -> ThreadView:
    """Return a thread."""
    wanted = {part.strip() for part in (include or "").split(",") if part.strip()}
    if wanted - {"ttl"}:
        raise InvalidValueError("/query/include", "ttl", include)
    return ThreadView.of(
        await engine.threads.get(thread_id, scope=access.scope), with_ttl="ttl" in wanted
    )


@router.patch(
    "/threads/{thread_id}",
    response_model=None,
    responses={
        **problems(404),
        200: {"model": ThreadView},
        204: {"description": "Done; asked for with `Prefer: return=minimal`."},
    },
)
async def patch_thread(
    thread_id: PathUuid,
    body: ThreadPatch,
    engine: EngineDependency,
    access: AccessDependency,
    prefer: Annotated[str | None, Header()] = None,
) -> ThreadView | Response:
    """Change a thread's metadata or its time to live."""
    thread = await engine.threads.update(
        thread_id,
        metadata=access.metadata(body.metadata),
        ttl=engine_ttl(body.ttl),
        scope=access.scope,
    )
    if prefer is not None and RETURN_MINIMAL in prefer.replace(" ", "").lower():
        return Response(status_code=204, headers={"Preference-Applied": RETURN_MINIMAL})
    return ThreadView.of(thread, with_ttl=body.ttl is not None)


@router.delete("/threads/{thread_id}", status_code=204, responses=problems(404, 409))
async def delete_thread(
    thread_id: PathUuid,
    engine: EngineDependency,
    access: AccessDependency,
    actor: ActorDependency,
) -> None:
    """Cancel a thread's runs and remove everything of it but the audit log."""
    await engine.threads.delete(thread_id, actor=actor, scope=access.scope)


@router.post("/threads/{thread_id}/copy", responses=problems(404, 409))
async def copy_thread(
    thread_id: PathUuid,
    engine: EngineDependency,
    access: AccessDependency,
    actor: ActorDependency,
    once: OnceDependency,
) -> ThreadView:
    """Make a second thread with the same past, values and open questions."""

    async def make(connection: Connection) -> ThreadView:
        copied = await engine.threads.copy(connection, thread_id, actor=actor, scope=access.scope)
        return ThreadView.of(copied)

    return await once(make, ThreadView)


@router.get("/threads/{thread_id}/storage", tags=["storage"], responses=problems(404))
async def get_storage(
    thread_id: PathUuid, engine: EngineDependency, access: AccessDependency
) -> ThreadStorage:
    """Return what a thread takes in the database, by section and channel."""
    storage = await engine.threads.storage(thread_id, scope=access.scope)
    count, size = storage.channel_values
    return ThreadStorage(
        thread_id=thread_id,
        total_bytes=storage.total_bytes,
        checkpoints=SectionSize(count=storage.checkpoints[0], bytes=storage.checkpoints[1]),
        channel_values=ChannelsSize(
            count=count,
            bytes=size,
            by_channel={
                channel: ChannelSize(versions=versions, bytes=channel_bytes)
                for channel, (versions, channel_bytes) in storage.by_channel.items()
            },
        ),
        pending_writes=SectionSize(
            count=storage.pending_writes[0], bytes=storage.pending_writes[1]
        ),
    )
