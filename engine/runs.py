"""The ledger of accepted work: a row here is the promise, everything else is a hint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, Self

RunStatus = Literal[
    "queued", "running", "interrupted", "succeeded", "failed", "cancelled", "expired"
]
RunKind = Literal["input", "resume", "cron"]
MultitaskStrategy = Literal["enqueue", "reject", "interrupt", "rollback"]
CancelAction = Literal["interrupt", "rollback"]

# Higher first: somebody waits for a resume, a program for input, nobody for a cron.
PRIORITY: Mapping[RunKind, int] = {"resume": 20, "input": 10, "cron": 0}

# Every change of a run's status passes through `Runs`; nothing else may be reached from here.
TRANSITIONS: Mapping[RunStatus, frozenset[RunStatus]] = {
    "queued": frozenset({"running", "cancelled", "expired"}),
    "running": frozenset(
        {"queued", "running", "interrupted", "succeeded", "failed", "cancelled", "expired"}
    ),
    "interrupted": frozenset(),
    "succeeded": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
    "expired": frozenset(),
}
FINISHED: frozenset[RunStatus] = frozenset(
    status for status, successors in TRANSITIONS.items() if not successors
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingInterrupt:
    """A question that a graph stopped at.

    Attributes:
        interrupt_id: LangGraph's id; the only name under which it can be answered.
        value: what the graph passed to `interrupt()`.
        response_schema: JSON Schema of the answer, if the graph gave one.
        node: the node that asked; for a subgraph, the innermost one that is known.
        task_id: LangGraph's task of that node.
        checkpoint_ns: namespace of the checkpoint that holds the question; empty for the root.
        checkpoint_id: the checkpoint that holds it.
    """

    interrupt_id: str
    value: Any
    response_schema: Mapping[str, Any] | None = None
    node: str
    task_id: str
    checkpoint_ns: str = ""
    checkpoint_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a caller asks for: the fields of the Agent Server's create-run body.

    Attributes:
        assistant_id: an assistant's id, or a graph's name (its system assistant).
        thread_id: the thread to run on; None makes a thread of its own (a stateless run).
        run_id: the id of the run to be; None makes one.
        input: the graph's input; None continues the thread.
        command: `{"resume": …}`, `{"update": …, "goto": …}`; wins over `input`.
        config: merged over the assistant's config.
        context: merged over the assistant's context.
        metadata: kept with the run and written into its checkpoints.
        checkpoint_id: start from this checkpoint instead of the head (a fork).
        checkpoint: the same as an object, `{"checkpoint_id", "checkpoint_ns", …}`.
        interrupt_before: nodes to stop before, or `"*"`.
        interrupt_after: nodes to stop after, or `"*"`.
        stream_mode: modes whose events are produced.
        stream_subgraphs: whether events of subgraphs are produced too.
        stream_resumable: whether events are kept for a client that comes back.
        multitask_strategy: what happens when the thread is at work.
        if_not_exists: `create` makes a missing thread.
        after_seconds: do not start before this many seconds have passed.
        on_completion: `delete` removes the thread of a stateless run when it is over.
        on_disconnect: `cancel` cancels the run when its streaming client leaves.
        timeout_seconds: the longest one attempt may take; None takes the server's limit.
        webhook: URL that is told when the run is over.
        webhook_headers: sent with it.
        followed_by: `process_id` of the bus where the creator's client waits for the first event.
        protocol: `v2` produces the events of the thread protocol (commands and channels).
        kind: `cron` for runs of a schedule; a command with `resume` makes it `resume`.
        priority: higher first; None takes the kind's own.
        actor: who asks, for the audit log.
        via: by which way, for the audit log.
    """

    assistant_id: str
    thread_id: str | None = None
    run_id: str | None = None
    input: Any = None
    command: Mapping[str, Any] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    checkpoint_id: str | None = None
    checkpoint: Mapping[str, Any] | None = None
    interrupt_before: Sequence[str] | Literal["*"] | None = None
    interrupt_after: Sequence[str] | Literal["*"] | None = None
    stream_mode: Sequence[str] = ("values",)
    stream_subgraphs: bool = False
    stream_resumable: bool = False
    multitask_strategy: MultitaskStrategy = "enqueue"
    if_not_exists: Literal["reject", "create"] = "reject"
    after_seconds: float | None = None
    on_completion: Literal["keep", "delete"] = "keep"
    on_disconnect: Literal["continue", "cancel"] = "continue"
    timeout_seconds: float | None = None
    webhook: str | None = None
    webhook_headers: Mapping[str, str] = field(default_factory=dict)
    followed_by: str | None = None
    protocol: Literal["v1", "v2"] = "v1"
    kind: RunKind = "input"
    priority: int | None = None
    actor: str = "system"
    via: str = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One row of `holdfast.runs`.

    Attributes:
        payload: `{"input": …}`, `{"resume": {interrupt_id: value}}` or `{"command": …}`.
        kwargs: how to run it: `config`, `context`, `stream_mode`, `stream_subgraphs`,
            `stream_resumable`, `interrupt_before`, `interrupt_after`, `checkpoint`,
            `followed_by`, `protocol`.
        attempts: starts so far, without those that ended by a drain or a lost connection.
        attempt_log: `{attempt, worker_id, started_at, ended}` of every start.
        error: `{"error": class, "message": text}` of a run that failed or expired.
        output: the thread's values at the end.
    """

    run_id: str
    seq: int
    tenant: str
    thread_id: str
    assistant_id: str
    graph_id: str
    kind: RunKind
    status: RunStatus
    payload: Mapping[str, Any]
    kwargs: Mapping[str, Any]
    metadata: Mapping[str, Any]
    multitask_strategy: MultitaskStrategy
    priority: int
    not_before: datetime
    attempts: int
    max_attempts: int
    attempt_log: Sequence[Mapping[str, Any]]
    timeout_seconds: float | None
    cancel_action: CancelAction | None
    on_completion: Literal["keep", "delete"]
    on_disconnect: Literal["continue", "cancel"]
    webhook: Mapping[str, Any] | None
    gate_ids: Sequence[str]
    base_checkpoint_id: str | None
    worker_id: str | None
    error: Mapping[str, Any] | None
    output: Any
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Return the run of a database row; columns of joins beside it are ignored."""
        return cls(**{column.name: row[column.name] for column in fields(cls)})

    @property
    def finished(self) -> bool:
        """Whether the run is over. Stopping at a gate ends it: the answer is a run of its own."""
        return self.status in FINISHED
