"""Items of the store as clients send and see them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StrictBool, StringConstraints

from api.schemas.common import WHOLE, Limit, Name, Offset, Strict, View
from api.schemas.threads import Minutes

# Periods part the labels in a query.
Label = Annotated[
    str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f.]+$")
]
Namespace = Annotated[list[Label], Field(min_length=1, max_length=50)]
Prefix = Annotated[list[Label], Field(max_length=50)]
Query = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]


class ItemView(View):
    """An item."""

    namespace: list[str]
    key: str
    value: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class SearchItemView(ItemView):
    """An item that was found."""

    score: float | None = Field(None, description="Nearness to the query.")


class FoundItems(View):
    """What a search found."""

    items: list[SearchItemView]


class FoundNamespaces(View):
    """Namespaces that hold items."""

    namespaces: list[list[str]]


class ItemPut(Strict):
    """An item to keep."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"namespace": ["users", "u1"], "key": "likes", "value": {"tea": True}}]
        },
    )

    namespace: Namespace
    key: Name
    value: dict[str, Any]
    index: Literal[False] | list[str] | None = Field(
        None, description="Fields to find it by; false for none. Needs `store.index`."
    )
    ttl: Minutes | None = Field(None, description="Minutes it lives.")


class ItemDelete(Strict):
    """An item to remove."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"namespace": ["users", "u1"], "key": "likes"}]},
    )

    namespace: Namespace
    key: Name


class ItemSearch(Strict):
    """Which items to list."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"namespace_prefix": ["users"]}]}
    )

    namespace_prefix: Prefix = Field(default_factory=list)
    filter: dict[str, Any] | None = Field(
        None, description="Fields of the value; `$eq`, `$ne`, `$gt`, `$gte`, `$lt`, `$lte`."
    )
    limit: Limit = 10
    offset: Offset = 0
    query: Query | None = Field(None, description="Search by meaning. Needs `store.index`.")
    refresh_ttl: StrictBool | None = Field(None, description="Whether their time starts anew.")


class NamespaceSearch(Strict):
    """Which namespaces to list."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"prefix": ["users"], "max_depth": 2}]}
    )

    prefix: Prefix | None = None
    suffix: Prefix | None = None
    max_depth: Annotated[int, Field(strict=True, ge=1, le=50), WHOLE] | None = None
    limit: Limit = 100
    offset: Offset = 0
