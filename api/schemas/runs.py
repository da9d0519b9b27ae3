"""Runs as clients of the Agent Server ask for them and see them."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from api.schemas.common import NULL, STATED, THREAD_ID, WHOLE, Name, Strict, Uuid
from engine.errors import InvalidValueError
from engine.runs.request import RunRequest
from engine.runs.run import AUTH_PREFIX, MultitaskStrategy, Run, RunStatus

ApiRunStatus = Literal["pending", "running", "error", "success", "timeout", "interrupted"]
ApiStreamMode = Literal[
    "values",
    "messages",
    "messages-tuple",
    "updates",
    "events",
    "debug",
    "tasks",
    "checkpoints",
    "custom",
    "tools",
    "lifecycle",
]
Nodes = Literal["*"] | list[str]

MAX_AFTER_SECONDS = 365 * 86_400
MAX_RECURSION_LIMIT = 10_000
MAX_CONCURRENCY = 10_000

# A run that stopped at a gate has done its work: its answer is a run of its own. The API's
# "interrupted" is a run that somebody cancelled.
API_STATUS: Mapping[RunStatus, ApiRunStatus] = {
    "queued": "pending",
    "running": "running",
    "interrupted": "success",
    "succeeded": "success",
    "failed": "error",
    "cancelled": "interrupted",
    "expired": "timeout",
}


class RunConfig(Strict):
    """`config`: how the graph is called.

    `configurable` may not carry LangGraph's internal keys, nor say who calls; the thread is named
    by the path.
    """

    tags: list[str] | None = None
    recursion_limit: (
        Annotated[int, Field(strict=True, ge=1, le=MAX_RECURSION_LIMIT), WHOLE] | None
    ) = None
    configurable: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    run_name: str | None = None
    max_concurrency: Annotated[int, Field(strict=True, ge=1, le=MAX_CONCURRENCY), WHOLE] | None = (
        None
    )

    @model_validator(mode="after")
    def _no_internal_keys(self) -> Self:
        for key in self.configurable or {}:
            if key.startswith(("__", AUTH_PREFIX)):
                raise ValueError(f"configurable key {key!r} is the server's own; leave it out")
        return self


class SendCommand(Strict):
    """A node and the input it gets."""

    node: str
    input: Any = None


class Command(Strict):
    """`command`: answer a question, change the state, go to a node.

    `resume` is either a map from interrupt id to answer, or one answer when one question is open.
    """

    resume: Any = None
    update: dict[str, Any] | list[tuple[str, Any]] | None = None
    goto: str | SendCommand | list[str | SendCommand] | None = None
    graph: None = None  # RemoteGraph sends it; a command always addresses the graph itself

    def as_payload(self) -> dict[str, Any] | None:
        """Return what was asked for, without the fields that ask for nothing."""
        asked = self.model_dump(exclude={"graph"}, exclude_none=True)
        if asked.get("goto") == []:
            del asked["goto"]
        return asked or None


class Checkpoint(Strict):
    """A checkpoint of the thread to start from."""

    thread_id: Uuid | None = None
    checkpoint_id: str | None = None
    checkpoint_ns: str | None = None
    checkpoint_map: dict[str, Any] | None = None


class RunCreate(Strict):
    """The body of every request that starts a run.

    Names are snake_case; the camelCase that the JavaScript SDK lets through in a batch is read
    as well.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"assistant_id": "purchase_order", "input": {"request": "40 boxes of screws"}},
                {"assistant_id": "purchase_order", "command": {"resume": {"type": "approve"}}},
            ]
        },
    )

    assistant_id: Name = Field(description="An assistant's id, or the name of a graph.")
    input: Any = Field(None, description="The graph's input; absent, the thread goes on.")
    command: Command | None = Field(None, description="Wins over `input`.")
    config: RunConfig | None = None
    context: dict[str, Any] | None = Field(None, description="The graph's static context.")
    metadata: dict[str, Any] | None = None
    checkpoint: Checkpoint | None = None
    checkpoint_id: str | None = Field(None, description="Start from it instead of the head.")
    webhook: str | None = Field(None, description="URL that is told when the run is over.")
    interrupt_before: Nodes | None = None
    interrupt_after: Nodes | None = None
    stream_mode: ApiStreamMode | list[ApiStreamMode] | None = None
    stream_subgraphs: StrictBool | None = None
    stream_resumable: StrictBool | None = Field(
        None, description="Keep the events for a client that comes back."
    )
    on_disconnect: Literal["cancel", "continue"] | None = Field(
        None, description="`continue` unless asked otherwise; a resume always continues."
    )
    on_completion: Literal["delete", "keep"] | None = Field(
        None, description="What becomes of the thread that a stateless run made; `delete`."
    )
    multitask_strategy: MultitaskStrategy | None = Field(
        None, description="What happens when the thread is at work; `enqueue`."
    )
    if_not_exists: Literal["create", "reject"] | None = Field(
        None, description="What happens when the thread is unknown; `reject`."
    )
    after_seconds: Annotated[float, Field(ge=0, le=MAX_AFTER_SECONDS)] | None = None
    durability: Literal["sync", "async", "exit"] | None = Field(
        None, description="Accepted; every run is as durable as `sync`."
    )
    checkpoint_during: StrictBool | None = Field(
        None, description="Deprecated; accepted, checkpoints are always written during a run."
    )
    strict_resume: Literal[True] | None = Field(
        None, description="Resumes are always strict: an answer without its question is refused."
    )
    feedback_keys: Annotated[list[str], Field(max_length=0)] | None = Field(
        None, description="LangSmith's; only an empty list is accepted."
    )
    langsmith_tracer: None = Field(None, description="LangSmith's; refused.")

    @model_validator(mode="before")
    @classmethod
    def _snake_case(cls, body: Any) -> Any:
        return snake_case(body)

    def to_request(
        self,
        *,
        thread_id: str | None,
        run_id: str,
        actor: str,
        caller: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        thread_metadata: Mapping[str, Any] | None = None,
        followed_by: str | None = None,
        trusted: bool = True,
    ) -> RunRequest:
        """Return the request to the engine; `metadata` takes the place of the body's.

        Raises:
            InvalidValueError: fields contradict each other or the path.
        """
        self._check(thread_id)
        command = self.command.as_payload() if self.command else None
        resumes = command is not None and "resume" in command
        modes = [self.stream_mode] if isinstance(self.stream_mode, str) else self.stream_mode
        checkpoint = self.checkpoint.model_dump(exclude_none=True) if self.checkpoint else None
        return RunRequest(
            assistant_id=self.assistant_id,
            thread_id=thread_id,
            run_id=run_id,
            input=self.input,
            command=command,
            config=self.config.model_dump(exclude_none=True) if self.config else {},
            context=self.context or {},
            metadata=metadata or self.metadata or {},
            thread_metadata=thread_metadata or {},
            checkpoint_id=self.checkpoint_id,
            checkpoint=checkpoint or None,
            interrupt_before=self.interrupt_before,
            interrupt_after=self.interrupt_after,
            stream_mode=tuple(modes or ("values",)),
            stream_subgraphs=bool(self.stream_subgraphs),
            stream_resumable=bool(self.stream_resumable),
            multitask_strategy=self.multitask_strategy or "enqueue",
            if_not_exists=self.if_not_exists or "reject",
            after_seconds=self.after_seconds,
            on_completion=self.on_completion or ("keep" if thread_id else "delete"),
            on_disconnect="continue" if resumes else self.on_disconnect or "continue",
            webhook=self.webhook,
            followed_by=followed_by,
            trusted=trusted,
            actor=actor,
            caller=caller,
            via="api",
        )

    def _check(self, thread_id: str | None) -> None:
        if self.on_completion == "delete" and thread_id is not None:
            raise InvalidValueError(
                "/on_completion", "keep for a run on a thread of yours", self.on_completion
            )
        named = self.checkpoint.thread_id if self.checkpoint else None
        if named is not None and named != thread_id:
            raise InvalidValueError("/checkpoint/thread_id", "the thread of the path", named)
        for place in ("interrupt_before", "interrupt_after"):
            nodes = getattr(self, place)
            if isinstance(nodes, list) and "" in nodes:
                raise InvalidValueError(f"/{place}", "names of nodes", nodes)


class BatchItem(RunCreate):
    """One run of a batch; unlike the others it may name its thread."""

    thread_id: Uuid | None = None


class RunView(BaseModel):
    """A run as clients see it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    thread_id: str
    assistant_id: str
    created_at: datetime
    updated_at: datetime
    status: ApiRunStatus
    metadata: dict[str, Any]
    kwargs: dict[str, Any]
    multitask_strategy: MultitaskStrategy
    cancel_reason: str | None = None

    @classmethod
    def accepted(cls, run: Run) -> Self:
        """Return what the caller who asked for it is told: `pending`, begun already or not."""
        return cls.of(run).model_copy(update={"status": "pending"})

    @classmethod
    def of(cls, run: Run) -> Self:
        """Return what clients see of a row."""
        hidden = ("followed_by", "protocol", "caller")
        shown = {key: value for key, value in run.kwargs.items() if key not in hidden}
        reason = run.kwargs.get("cancel_reason")
        return cls(
            run_id=run.run_id,
            thread_id=run.thread_id,
            assistant_id=run.assistant_id,
            created_at=run.created_at,
            updated_at=run.updated_at,
            status=API_STATUS[run.status],
            metadata=dict(run.metadata),
            kwargs={**shown, **run.payload},
            multitask_strategy=run.multitask_strategy,
            cancel_reason=reason,
        )


class Cancelled(BaseModel):
    """What became of a request to stop runs.

    Attributes:
        stopping: the run that was asked to stop, unless it is gone already.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stopping: str | None = None


class CancelMany(Strict):
    """Which runs to cancel: those of a status, or the named ones of a thread."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"thread_id": THREAD_ID, "status": "pending"}],
            "oneOf": [
                {"required": ["status"], "properties": {"status": STATED, "run_ids": NULL}},
                {
                    "required": ["thread_id", "run_ids"],
                    "properties": {"thread_id": STATED, "run_ids": STATED, "status": NULL},
                },
            ],
        },
    )

    thread_id: Uuid | None = None
    run_ids: Annotated[list[Uuid], Field(max_length=1000)] | None = None
    status: Literal["pending", "running", "all"] | None = None

    @model_validator(mode="after")
    def _one_way_of_naming(self) -> Self:
        if self.status is not None and self.run_ids is not None:
            raise ValueError("give `status`, or `thread_id` with `run_ids`, not both")
        if self.status is None and (self.thread_id is None or self.run_ids is None):
            raise ValueError("give `status`, or `thread_id` with `run_ids`")
        return self


def engine_statuses(status: ApiRunStatus | None) -> tuple[RunStatus, ...] | None:
    """Return the engine's words for a status of the API; None for no filter."""
    if status is None:
        return None
    return tuple(own for own, shown in API_STATUS.items() if shown == status)


def snake_case(body: Any) -> Any:
    """Return a body as the routes read it, whichever way its names are spelt."""
    if not isinstance(body, dict):
        return body
    snake = {_snake(key): value for key, value in body.items() if _snake(key) not in body}
    same = {key: value for key, value in body.items() if _snake(key) == key}
    return {**snake, **same}


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", lambda match: f"_{match[1].lower()}", name)
