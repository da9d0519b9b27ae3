"""Crons as clients send and see them."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, ConfigDict, Field, StrictBool

from api.schemas.common import (
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
from api.schemas.runs import ApiStreamMode, Nodes, RunConfig
from engine.crons import Cron, CronChange
from engine.runs.run import MultitaskStrategy

CronSort = Literal[
    "cron_id",
    "assistant_id",
    "thread_id",
    "created_at",
    "updated_at",
    "next_run_date",
    "end_time",
]
CronField = Literal[
    "cron_id",
    "assistant_id",
    "thread_id",
    "end_time",
    "schedule",
    "timezone",
    "created_at",
    "updated_at",
    "user_id",
    "payload",
    "next_run_date",
    "metadata",
    "now",
    "on_run_completed",
    "enabled",
]
OnRunCompleted = Literal["delete", "keep"]
Schedule = Annotated[str, Field(min_length=1, max_length=200)]
TimeZone = Annotated[str, Field(min_length=1, max_length=100, examples=["Europe/Berlin"])]

# How a body's fields are called in the run's request.
_RUN_FIELDS = (
    "input",
    "config",
    "context",
    "metadata",
    "webhook",
    "interrupt_before",
    "interrupt_after",
    "multitask_strategy",
    "stream_mode",
    "stream_subgraphs",
    "stream_resumable",
)


class CronPatch(Strict):
    """What to change of a schedule or of its runs."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"enabled": False}]})

    schedule: Schedule | None = Field(None, description="Cron expression; seconds may come last.")
    timezone: TimeZone | None = Field(None, description="IANA name; UTC.")
    end_time: AwareDatetime | None = Field(None, description="No run starts after it.")
    enabled: StrictBool | None = None
    on_run_completed: OnRunCompleted | None = Field(
        None, description="What becomes of the thread that a run made; `delete`."
    )
    input: Any = None
    config: RunConfig | None = None
    context: dict[str, Any] | None = None
    metadata: Metadata | None = Field(None, description="Of the schedule and of its runs.")
    webhook: str | None = None
    interrupt_before: Nodes | None = None
    interrupt_after: Nodes | None = None
    stream_mode: ApiStreamMode | list[ApiStreamMode] | None = None
    stream_subgraphs: StrictBool | None = None
    stream_resumable: StrictBool | None = None
    durability: Literal["sync", "async", "exit"] | None = Field(
        None, description="Accepted; every run is as durable as `sync`."
    )
    multitask_strategy: MultitaskStrategy | None = None

    def payload(self) -> dict[str, Any]:
        """Return the run's fields that were given, as the engine calls them."""
        given = self.model_dump(include=set(_RUN_FIELDS), exclude_none=True)
        if isinstance(given.get("stream_mode"), str):
            given["stream_mode"] = [given["stream_mode"]]
        return given

    def change(self, *, trusted: bool) -> CronChange:
        """Return the change for the engine; an explicit null takes the end time away."""
        return CronChange(
            schedule=self.schedule,
            timezone=self.timezone,
            end_time=self.end_time,
            clear_end_time="end_time" in self.model_fields_set and self.end_time is None,
            enabled=self.enabled,
            on_run_completed=self.on_run_completed,
            payload=self.payload(),
            metadata=self.metadata,
            trusted=trusted,
        )


class CronCreate(CronPatch):
    """A new schedule."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "assistant_id": "agent",
                    "schedule": "0 9 * * 1-5",
                    "timezone": "Europe/Berlin",
                    "input": {"text": "good morning"},
                }
            ]
        },
    )

    assistant_id: Name
    schedule: Schedule = Field(description="Cron expression; seconds may come last.")
    if_not_exists: Literal["create", "reject"] | None = Field(
        None, description="Accepted for a schedule without thread, whose runs make their own."
    )
    checkpoint_during: StrictBool | None = Field(
        None, description="Deprecated; accepted, checkpoints are always written during a run."
    )


class CronCount(Strict):
    """Which schedules to count."""

    model_config = examples({"enabled": True})

    assistant_id: Name | None = None
    thread_id: Uuid | None = None
    enabled: StrictBool | None = None
    metadata: Metadata | None = None


class CronSearch(CronCount):
    """Which schedules to list."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"enabled": True, "limit": 10}]}
    )

    limit: Limit = 10
    offset: Offset = 0
    sort_by: CronSort | None = None
    sort_order: SortOrder | None = None
    select: list[CronField] | None = None


class CronView(View):
    """A schedule."""

    cron_id: str
    assistant_id: str
    thread_id: str | None
    schedule: str
    timezone: str | None
    end_time: datetime | None
    enabled: bool
    on_run_completed: OnRunCompleted | None
    payload: dict[str, Any] = Field(description="The run it starts.")
    metadata: Metadata
    user_id: str | None
    next_run_date: datetime | None = Field(description="Null when it will not fire any more.")
    created_at: datetime
    updated_at: datetime
    now: datetime | None = Field(None, description="The server's clock.")

    @classmethod
    def of(cls, cron: Cron, *, now: datetime | None = None) -> Self:
        """Return a schedule as clients see it."""
        names = [name for name in cls.model_fields if name != "now"]
        values = {name: getattr(cron, name) for name in names}
        values["payload"] = {**cron.payload, "assistant_id": cron.assistant_id}
        if cron.thread_id is not None:
            values["on_run_completed"] = None
        return cls.model_validate({**values, "now": now})
