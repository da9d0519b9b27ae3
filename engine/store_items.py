"""The store as callers from outside use it: checked names, storable values, honest refusals."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langgraph.store.base import BaseStore, InvalidNamespaceError, Item, NamespacePath, SearchItem

from engine.database import Database
from engine.errors import InvalidValueError
from engine.values import to_storable_json

SWEEP_BATCH = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreItems:
    """Items beside the threads: `{namespace, key} -> value`, some of them with an end.

    Attributes:
        searches_meaning: whether the project has set `store.index`.
    """

    database: Database
    store: BaseStore
    searches_meaning: bool

    async def put(
        self,
        namespace: Sequence[str],
        key: str,
        value: Mapping[str, Any],
        *,
        index: Literal[False] | list[str] | None = None,
        ttl_minutes: float | None = None,
    ) -> None:
        """Keep an item.

        Raises:
            InvalidValueError: the namespace is not allowed, or fields are to be indexed without
                an index.
        """
        if isinstance(index, list) and not self.searches_meaning:
            raise InvalidValueError("/index", "absent, for the project sets no store.index", index)
        options: dict[str, Any] = {} if ttl_minutes is None else {"ttl": ttl_minutes}
        try:
            await self.store.aput(tuple(namespace), key, _storable(value), index=index, **options)
        except InvalidNamespaceError as error:
            raise _bad_namespace(namespace, error) from error

    async def get(
        self, namespace: Sequence[str], key: str, *, refresh_ttl: bool | None = None
    ) -> Item | None:
        """Return an item, or None."""
        return await self.store.aget(tuple(namespace), key, refresh_ttl=refresh_ttl)

    async def delete(self, namespace: Sequence[str], key: str) -> None:
        """Remove an item, if it is there."""
        await self.store.adelete(tuple(namespace), key)

    async def search(
        self,
        prefix: Sequence[str],
        *,
        query: str | None = None,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - LangGraph's name for it
        limit: int = 10,
        offset: int = 0,
        refresh_ttl: bool | None = None,
    ) -> Sequence[SearchItem]:
        """Return items below a namespace.

        Raises:
            InvalidValueError: a query without an index, or a filter with an unknown operator.
        """
        if query is not None and not self.searches_meaning:
            raise InvalidValueError("/query", "absent, for the project sets no store.index", query)
        try:
            return await self.store.asearch(
                tuple(prefix),
                query=query,
                filter=_storable(filter) if filter else None,
                limit=limit,
                offset=offset,
                refresh_ttl=refresh_ttl,
            )
        except ValueError as error:
            raise InvalidValueError("/filter", f"a filter the store knows ({error})") from error

    async def namespaces(
        self,
        *,
        prefix: Sequence[str] | None = None,
        suffix: Sequence[str] | None = None,
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> Sequence[tuple[str, ...]]:
        """Return namespaces that hold items; `*` in prefix and suffix stands for any label."""
        paths: tuple[NamespacePath | None, NamespacePath | None] = (
            tuple(prefix) if prefix else None,
            tuple(suffix) if suffix else None,
        )
        return await self.store.alist_namespaces(
            prefix=paths[0], suffix=paths[1], max_depth=max_depth, limit=limit, offset=offset
        )

    async def sweep(self) -> int:
        """Remove items whose time is over, in batches; returns how many."""
        return await self.database.delete_in_batches("delete_expired_items", {}, limit=SWEEP_BATCH)


def _storable(value: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(to_storable_json(value))
    return plain


def _bad_namespace(namespace: Sequence[str], error: Exception) -> InvalidValueError:
    return InvalidValueError("/namespace", f"a namespace ({error})", list(namespace))
