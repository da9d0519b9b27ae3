"""Assistants as clients send and see them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from api.schemas.common import (
    WHOLE,
    Limit,
    Metadata,
    Name,
    Offset,
    SortOrder,
    Strict,
    Uuid,
    View,
    examples,
)
from api.schemas.runs import RunConfig

AssistantField = Literal[
    "assistant_id",
    "graph_id",
    "name",
    "description",
    "config",
    "context",
    "created_at",
    "updated_at",
    "metadata",
    "version",
]
AssistantSort = Literal["assistant_id", "graph_id", "name", "created_at", "updated_at"]
Description = Annotated[str, Field(max_length=10_000)]


class AssistantVersionView(View):
    """An assistant as it is, or was, in one version."""

    assistant_id: str
    graph_id: str
    config: dict[str, Any] = Field(description="Merged under the config of each run.")
    context: dict[str, Any] = Field(description="Merged under the context of each run.")
    metadata: Metadata
    name: str
    description: str | None
    version: int
    created_at: datetime


class AssistantView(AssistantVersionView):
    """An assistant."""

    updated_at: datetime


class AssistantCreate(Strict):
    """A new assistant."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"graph_id": "agent", "name": "A careful one"}]},
    )

    graph_id: Name
    assistant_id: Uuid | None = Field(None, description="Its id; absent, one is made.")
    config: RunConfig | None = None
    context: dict[str, Any] | None = None
    metadata: Metadata | None = None
    if_exists: Literal["raise", "do_nothing"] | None = Field(
        None, description="What happens when the id is taken; `raise`."
    )
    name: Name | None = None
    description: Description | None = None


class AssistantPatch(Strict):
    """What to change; it becomes a new version."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"metadata": {"team": "billing"}}]}
    )

    graph_id: Name | None = None
    config: RunConfig | None = Field(None, description="Replaces the config.")
    context: dict[str, Any] | None = Field(None, description="Replaces the context.")
    metadata: Metadata | None = Field(None, description="Merged into the metadata.")
    name: Name | None = None
    description: Description | None = None


class AssistantCount(Strict):
    """Which assistants to count."""

    model_config = examples({"metadata": {"team": "billing"}})

    metadata: Metadata | None = Field(None, description="Their metadata contains this.")
    graph_id: Name | None = None
    name: Name | None = Field(None, description="Their name contains this, whatever the case.")


class AssistantSearch(AssistantCount):
    """Which assistants to list."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"metadata": {"created_by": "system"}, "limit": 10}]},
    )

    limit: Limit = 10
    offset: Offset = 0
    sort_by: AssistantSort | None = None
    sort_order: SortOrder | None = None
    select: list[AssistantField] | None = None


class AssistantVersionSearch(Strict):
    """Which versions to list."""

    model_config = examples({"limit": 10})

    metadata: Metadata | None = None
    limit: Limit = 10
    offset: Offset = 0


class AssistantLatest(Strict):
    """The version that is to run."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"version": 1}]})

    version: Annotated[int, Field(strict=True, ge=1, le=2**31 - 1), WHOLE]


class GraphSchemas(View):
    """JSON Schemas of a graph; null where a type has none."""

    graph_id: str
    input_schema: dict[str, Any] | None
    output_schema: dict[str, Any] | None
    state_schema: dict[str, Any] | None
    config_schema: dict[str, Any] | None
    context_schema: dict[str, Any] | None


class Drawing(View):
    """A graph's nodes and edges."""

    nodes: list[dict[str, Any]]
    edges: list[dict[str, Any]]
