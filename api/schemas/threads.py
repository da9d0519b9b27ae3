"""Threads and their state as clients send and see them."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    field_validator,
    model_validator,
)

from api.schemas.common import (
    NULL,
    THREAD_ID,
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
from api.schemas.runs import Command
from engine.thread import Thread, Ttl
from engine.thread_state import MAX_HISTORY, MAX_SUPERSTEPS, Place

ThreadStatus = Literal["idle", "busy", "interrupted", "error"]
ThreadSort = Literal["thread_id", "status", "created_at", "updated_at", "state_updated_at"]
ThreadField = Literal[
    "thread_id",
    "created_at",
    "updated_at",
    "state_updated_at",
    "metadata",
    "config",
    "context",
    "status",
    "values",
    "interrupts",
    "error",
]
MAX_EXTRACTS = 10
MAX_TTL_MINUTES = 10 * 366 * 24 * 60
MAX_PRUNED_THREADS = 1_000
Minutes = Annotated[float, Field(gt=0, le=MAX_TTL_MINUTES)]


StateField = Annotated[
    str,
    StringConstraints(
        pattern=r"^(values(\..+)?|next|tasks|metadata|created_at|checkpoint|parent_checkpoint"
        r"|interrupts|checkpoint_id|parent_checkpoint_id)$"
    ),
]


class TtlBody(Strict):
    """How long the thread lives after its last change."""

    ttl: Minutes = Field(description="Minutes.")
    strategy: Literal["delete", "keep_latest"] = "delete"


AnyTtl = TtlBody | Minutes | None


def engine_ttl(ttl: AnyTtl) -> Ttl | None:
    """Return a body's time to live for the engine; a bare number means minutes."""
    if ttl is None:
        return None
    if isinstance(ttl, TtlBody):
        return Ttl(minutes=ttl.ttl, strategy=ttl.strategy)
    return Ttl(minutes=ttl)


class TtlView(View):
    """A thread's time to live."""

    strategy: str
    ttl: float = Field(description="Minutes.")
    ttl_minutes: float
    expires_at: datetime | None = Field(description="When it ends, if the thread is left alone.")


class InterruptView(View):
    """A question of a graph."""

    model_config = ConfigDict(extra="allow")

    id: str
    value: Any


class ThreadView(View):
    """A thread."""

    thread_id: str
    created_at: datetime
    updated_at: datetime
    state_updated_at: datetime
    metadata: Metadata
    config: dict[str, Any] = Field(description="Of the newest run.")
    context: dict[str, Any] = Field(description="Of the newest run.")
    status: ThreadStatus
    values: Any = Field(description="The newest state; null before the first run.")
    interrupts: dict[str, list[InterruptView]] = Field(
        description="What the thread waits for, by task."
    )
    error: Any = None
    extracted: dict[str, Any] | None = None
    ttl: TtlView | None = None

    @classmethod
    def of(cls, thread: Thread, *, with_ttl: bool = False) -> Self:
        """Return a thread as clients see it."""
        ttl = None
        if with_ttl and thread.ttl_minutes is not None:
            ttl = TtlView(
                strategy=thread.ttl_strategy or "delete",
                ttl=thread.ttl_minutes,
                ttl_minutes=thread.ttl_minutes,
                expires_at=thread.expires_at,
            )
        names = ThreadField.__args__  # type: ignore[attr-defined]  # a Literal's names
        return cls.model_validate({**{name: getattr(thread, name) for name in names}, "ttl": ttl})


class Update(Strict):
    """One write of a superstep, as if a node had made it."""

    values: Any = None
    command: Command | None = None
    as_node: Name | None = None


class Superstep(Strict):
    """Writes that happen at once."""

    updates: Annotated[list[Update], Field(min_length=1)]


class ThreadCreate(Strict):
    """A new thread."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"metadata": {"customer": "c-17"}}]}
    )

    thread_id: Uuid | None = Field(None, description="Its id; absent, one is made.")
    metadata: Metadata | None = None
    if_exists: Literal["raise", "do_nothing"] | None = Field(
        None, description="What happens when the id is taken; `raise`."
    )
    ttl: AnyTtl = None
    supersteps: Annotated[list[Superstep], Field(max_length=MAX_SUPERSTEPS)] | None = Field(
        None, description="Updates that build its past; metadata.graph_id names the graph."
    )


class ThreadPatch(Strict):
    """What to change."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"metadata": {"seen": True}}]}
    )

    metadata: Metadata | None = Field(None, description="Merged into the metadata.")
    ttl: AnyTtl = Field(None, description="Starts anew.")


class ThreadCount(Strict):
    """Which threads to count."""

    model_config = examples({"status": "interrupted"})

    metadata: Metadata | None = Field(None, description="Their metadata contains this.")
    values: dict[str, Any] | None = Field(None, description="Their state contains this.")
    status: ThreadStatus | None = None


class ThreadSearch(ThreadCount):
    """Which threads to list."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"status": "interrupted", "metadata": {"graph_id": "agent"}}]
        },
    )

    ids: Annotated[list[Uuid], Field(max_length=1_000)] | None = None
    limit: Limit = 10
    offset: Offset = 0
    sort_by: ThreadSort | None = None
    sort_order: SortOrder | None = None
    select: list[ThreadField] | None = None
    extract: Annotated[dict[str, str], Field(max_length=MAX_EXTRACTS)] | None = Field(
        None, description="Names for paths into the thread, such as `values.messages[-1].content`."
    )


class ThreadPrune(Strict):
    """What to remove of threads."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "thread_ids": [THREAD_ID],
                    "strategy": "window",
                    "keep": 5,
                    "dry_run": True,
                }
            ],
            "anyOf": [
                {"required": ["strategy"], "properties": {"strategy": {"const": "window"}}},
                {"properties": {"keep": NULL}},
            ],
        },
    )

    thread_ids: Annotated[list[Uuid], Field(max_length=MAX_PRUNED_THREADS)]
    strategy: Literal["delete", "keep_latest", "window"] = Field(
        "delete",
        description="The whole thread; all but its newest checkpoint; all but its newest `keep`.",
    )
    keep: Annotated[int, Field(strict=True, ge=1, le=100_000), WHOLE] | None = Field(
        None, description="Checkpoints that stay, for `window`; 20."
    )
    dry_run: StrictBool = Field(False, description="Count what would go and remove nothing.")

    @model_validator(mode="after")
    def _keep_belongs_to_window(self) -> Self:
        if self.keep is not None and self.strategy != "window":
            raise ValueError("keep goes with strategy window only")
        return self


class Pruned(View):
    """What was removed."""

    pruned_count: int = Field(description="Threads that lost something.")
    report: dict[str, Any] | None = Field(
        None, description="Rows and bytes, and why the rest stays."
    )


class SectionSize(View):
    """Rows and stored bytes of one kind."""

    count: int
    bytes: int


class ChannelSize(View):
    """Versions and stored bytes of one channel."""

    versions: int
    bytes: int


class ChannelsSize(SectionSize):
    """Rows and stored bytes of all values."""

    by_channel: dict[str, ChannelSize]


class ThreadStorage(View):
    """What a thread takes in the database."""

    thread_id: str
    total_bytes: int
    checkpoints: SectionSize
    channel_values: ChannelsSize
    pending_writes: SectionSize


class CheckpointBody(Strict):
    """The address of a checkpoint."""

    thread_id: Uuid | None = None
    checkpoint_ns: str | None = Field(None, description="A subgraph's namespace.")
    checkpoint_id: Name | None = None
    checkpoint_map: dict[str, Any] | None = None

    def place(self) -> Place:
        """Return the place in the thread."""
        return Place(
            checkpoint_id=self.checkpoint_id or None, checkpoint_ns=self.checkpoint_ns or ""
        )

    @field_validator("checkpoint_ns")
    @classmethod
    def _storable(cls, value: str | None) -> str | None:
        if value is not None and "\0" in value:
            raise ValueError("must not hold NUL")
        return value


class StateRead(Strict):
    """Which state to return."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"checkpoint": {"checkpoint_ns": ""}}]}
    )

    checkpoint: CheckpointBody
    subgraphs: StrictBool = False
    select: list[StateField] | None = None


class StatePatch(Strict):
    """Metadata to merge."""

    model_config = examples({"metadata": {"team": "billing"}})

    metadata: Metadata


class StateUpdate(Strict):
    """A write to the state, as if a node had made it."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"values": {"text": "corrected"}}]}
    )

    values: Any = None
    as_node: Name | None = Field(None, description="`__end__` with null values ends the thread.")
    checkpoint: CheckpointBody | None = None
    checkpoint_id: Name | None = Field(None, description="Fork from it instead of the head.")

    def place(self) -> Place:
        """Return the checkpoint that the update starts from."""
        if self.checkpoint_id is not None:
            return Place(checkpoint_id=self.checkpoint_id)
        return Place() if self.checkpoint is None else self.checkpoint.place()


class HistoryRead(Strict):
    """Which states to list."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"limit": 10}]})

    limit: Annotated[int, Field(strict=True, ge=1, le=MAX_HISTORY), WHOLE] = 10
    before: Name | CheckpointBody | None = Field(None, description="Only older states.")
    metadata: Metadata | None = Field(None, description="Only checkpoints with this metadata.")
    checkpoint: CheckpointBody | None = Field(None, description="A subgraph's namespace.")
    select: list[StateField] | None = None


class Address(View):
    """Where a checkpoint is."""

    model_config = ConfigDict(extra="allow")

    thread_id: str
    checkpoint_ns: str
    checkpoint_id: str | None = None


class TaskView(View):
    """A task of the next step."""

    id: str
    name: str
    path: list[Any] | None = None
    error: str | None = None
    interrupts: list[InterruptView]
    checkpoint: dict[str, Any] | None = None
    state: dict[str, Any] | None = Field(None, description="A subgraph's state, if asked for.")
    result: Any = None


class StateView(View):
    """A thread's state at a checkpoint; all null before the first run."""

    values: Any
    next: list[str]
    tasks: list[TaskView]
    metadata: Metadata | None
    created_at: str | None
    checkpoint: Address | None
    parent_checkpoint: Address | None
    interrupts: list[InterruptView]
    checkpoint_id: str | None
    parent_checkpoint_id: str | None


class StateUpdated(View):
    """The checkpoint that an update made."""

    checkpoint: Address | None
    configurable: dict[str, Any] | None = None
    checkpoint_id: str | None = None
