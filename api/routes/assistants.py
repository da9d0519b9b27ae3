"""Assistants: graphs with a configuration of their own, in versions."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response

from api.access import AccessDependency
from api.dependencies import ActorDependency, EngineDependency
from api.idempotency import OnceDependency
from api.pages import paged, shown
from api.schemas.assistants import (
    AssistantCount,
    AssistantCreate,
    AssistantLatest,
    AssistantPatch,
    AssistantSearch,
    AssistantVersionSearch,
    AssistantVersionView,
    AssistantView,
    Drawing,
    GraphSchemas,
)
from api.schemas.common import Name, PathName, page_headers, problems, selectable_list
from engine.assistants import Assistant
from engine.database import Connection

router = APIRouter(tags=["assistants"])


@router.post("/assistants", responses=problems(404, 409))
async def create_assistant(
    body: AssistantCreate, engine: EngineDependency, access: AccessDependency, once: OnceDependency
) -> AssistantView:
    """Make an assistant of a graph."""

    async def make(connection: Connection) -> AssistantView:
        made = await engine.assistants.create(
            connection,
            graph_id=body.graph_id,
            assistant_id=body.assistant_id,
            name=body.name,
            description=body.description,
            config=body.config.model_dump(exclude_none=True) if body.config else None,
            context=body.context,
            metadata=access.owned(body.metadata),
            if_exists=body.if_exists or "raise",
            scope=access.scope,
        )
        return AssistantView.model_validate(made)

    return await once(make, AssistantView)


@router.post(
    "/assistants/search",
    response_model=None,
    responses={
        **problems(),
        200: {"model": selectable_list(AssistantView), "headers": page_headers()},
    },
)
async def search_assistants(
    body: AssistantSearch, response: Response, engine: EngineDependency, access: AccessDependency
) -> list[Any]:
    """List assistants, the newest first unless asked otherwise."""
    page = await engine.assistants.search(
        metadata=body.metadata,
        graph_id=body.graph_id,
        name=body.name,
        limit=body.limit,
        offset=body.offset,
        sort_by=body.sort_by or "created_at",
        sort_order=body.sort_order or "desc",
        scope=access.scope,
    )
    return [
        shown(AssistantView.model_validate(item), body.select) for item in paged(response, page)
    ]


@router.post("/assistants/count", responses=problems())
async def count_assistants(
    body: AssistantCount, engine: EngineDependency, access: AccessDependency
) -> int:
    """Count assistants."""
    return await engine.assistants.count(
        metadata=body.metadata, graph_id=body.graph_id, name=body.name, scope=access.scope
    )


@router.get("/assistants/{assistant_id}", responses=problems(404))
async def get_assistant(
    assistant_id: PathName, engine: EngineDependency, access: AccessDependency
) -> AssistantView:
    """Return an assistant, by its id or by its graph's name."""
    return AssistantView.model_validate(
        await engine.assistants.get(assistant_id, scope=access.scope)
    )


@router.patch("/assistants/{assistant_id}", responses=problems(404))
async def patch_assistant(
    assistant_id: PathName,
    body: AssistantPatch,
    engine: EngineDependency,
    access: AccessDependency,
) -> AssistantView:
    """Change an assistant; every change is a version of its own."""
    changed = await engine.assistants.update(
        assistant_id,
        graph_id=body.graph_id,
        name=body.name,
        description=body.description,
        config=body.config.model_dump(exclude_none=True) if body.config else None,
        context=body.context,
        metadata=access.metadata(body.metadata),
        scope=access.scope,
    )
    return AssistantView.model_validate(changed)


@router.delete("/assistants/{assistant_id}", status_code=204, responses=problems(404, 409))
async def delete_assistant(
    assistant_id: PathName,
    engine: EngineDependency,
    access: AccessDependency,
    actor: ActorDependency,
    delete_threads: Annotated[bool, Query(description="Its threads as well.")] = False,
) -> None:
    """Remove an assistant with its versions and schedules."""
    async with engine.database.transaction() as connection:
        await engine.assistants.delete(connection, assistant_id, scope=access.scope)
    if delete_threads:
        await engine.threads.delete_all(
            metadata={"assistant_id": assistant_id}, actor=actor, scope=access.scope
        )


@router.get("/assistants/{assistant_id}/graph", responses=problems(404))
async def get_graph(
    assistant_id: PathName,
    engine: EngineDependency,
    access: AccessDependency,
    xray: Annotated[
        bool | Annotated[int, Query(ge=0, le=100)],
        Query(description="Open subgraphs: all of them, or to this depth."),
    ] = False,
) -> Drawing:
    """Return the graph's nodes and edges."""
    return Drawing.model_validate(
        await engine.assistants.drawing(assistant_id, xray=xray, scope=access.scope)
    )


@router.get("/assistants/{assistant_id}/schemas", responses=problems(404))
async def get_schemas(
    assistant_id: PathName, engine: EngineDependency, access: AccessDependency
) -> GraphSchemas:
    """Return JSON Schemas of the graph's input, output, state, config and context."""
    return GraphSchemas.model_validate(
        await engine.assistants.schemas(assistant_id, scope=access.scope)
    )


@router.get("/assistants/{assistant_id}/subgraphs", responses=problems(404))
async def get_subgraphs(
    assistant_id: PathName,
    engine: EngineDependency,
    access: AccessDependency,
    recurse: bool = False,
    namespace: Name | None = None,
) -> dict[str, GraphSchemas]:
    """Return the schemas of the graph's subgraphs, by namespace."""
    found = await engine.assistants.subgraphs(
        assistant_id, namespace=namespace, recurse=recurse, scope=access.scope
    )
    return {name: GraphSchemas.model_validate(item) for name, item in found.items()}


@router.get("/assistants/{assistant_id}/subgraphs/{namespace}", responses=problems(404))
async def get_subgraph(
    assistant_id: PathName,
    namespace: PathName,
    engine: EngineDependency,
    access: AccessDependency,
    recurse: bool = False,
) -> dict[str, GraphSchemas]:
    """Return the schemas of one subgraph, and of those inside it if asked to."""
    return await get_subgraphs(assistant_id, engine, access, recurse, namespace)


@router.post("/assistants/{assistant_id}/versions", responses=problems(404))
async def list_versions(
    assistant_id: PathName,
    engine: EngineDependency,
    access: AccessDependency,
    body: Annotated[AssistantVersionSearch | None, Body()] = None,
) -> list[AssistantVersionView]:
    """List an assistant's versions, newest first."""
    wanted = body or AssistantVersionSearch()
    versions: list[Assistant] = list(
        await engine.assistants.versions(
            assistant_id,
            metadata=wanted.metadata,
            limit=wanted.limit,
            offset=wanted.offset,
            scope=access.scope,
        )
    )
    return [AssistantVersionView.model_validate(item) for item in versions]


@router.post("/assistants/{assistant_id}/latest", responses=problems(404))
async def set_latest(
    assistant_id: PathName,
    body: AssistantLatest,
    engine: EngineDependency,
    access: AccessDependency,
) -> AssistantView:
    """Let an earlier version run again."""
    return AssistantView.model_validate(
        await engine.assistants.set_latest(assistant_id, body.version, scope=access.scope)
    )
