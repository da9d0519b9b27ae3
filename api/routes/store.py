"""The store: items beside the threads."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.access import AccessDependency
from api.dependencies import EngineDependency
from api.schemas.common import Name, problems
from api.schemas.store import (
    FoundItems,
    FoundNamespaces,
    ItemDelete,
    ItemPut,
    ItemSearch,
    ItemView,
    NamespaceSearch,
    SearchItemView,
)
from engine.errors import InvalidValueError

router = APIRouter(tags=["store"])


@router.put("/store/items", status_code=204, responses=problems())
async def put_item(body: ItemPut, engine: EngineDependency, access: AccessDependency) -> None:
    """Keep an item, in the place of the one that has its key."""
    await engine.items.put(
        access.namespace(body.namespace),
        body.key,
        body.value,
        index=body.index,
        ttl_minutes=body.ttl,
    )


@router.get("/store/items", responses=problems())
async def get_item(
    key: Annotated[Name, Query()],
    engine: EngineDependency,
    access: AccessDependency,
    namespace: Annotated[Name, Query(description="Labels, parted by periods.")],
    refresh_ttl: Annotated[bool | None, Query(description="Whether its time starts anew.")] = None,
) -> ItemView | None:
    """Return an item, or null."""
    labels = namespace.split(".")
    if not all(labels):
        raise InvalidValueError("/query/namespace", "labels parted by periods", namespace)
    item = await engine.items.get(access.namespace(labels), key, refresh_ttl=refresh_ttl)
    return None if item is None else ItemView.model_validate(item.dict())


@router.delete("/store/items", status_code=204, responses=problems())
async def delete_item(body: ItemDelete, engine: EngineDependency, access: AccessDependency) -> None:
    """Remove an item, if it is there."""
    await engine.items.delete(access.namespace(body.namespace), body.key)


@router.post("/store/items/search", responses=problems())
async def search_items(
    body: ItemSearch, engine: EngineDependency, access: AccessDependency
) -> FoundItems:
    """List items below a namespace, nearest to the query first."""
    found = await engine.items.search(
        access.namespace(body.namespace_prefix),
        query=body.query,
        filter=body.filter,
        limit=body.limit,
        offset=body.offset,
        refresh_ttl=body.refresh_ttl,
    )
    return FoundItems(items=[SearchItemView.model_validate(item.dict()) for item in found])


@router.post("/store/namespaces", responses=problems())
async def list_namespaces(
    body: NamespaceSearch, engine: EngineDependency, access: AccessDependency
) -> FoundNamespaces:
    """List namespaces that hold items."""
    found = await engine.items.namespaces(
        prefix=access.namespace(body.prefix or []),
        suffix=body.suffix,
        max_depth=body.max_depth,
        limit=body.limit,
        offset=body.offset,
    )
    return FoundNamespaces(namespaces=[list(labels) for labels in found])
