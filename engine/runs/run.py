"""A run: one row of accepted work, and which status may follow on which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
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

# What may follow on what; the statements that change a status name the one they start from.
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
# LangGraph's names for who asked, in `configurable`; only the server knows that.
AUTH_PREFIX = "langgraph_auth_"

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
class Run:
    """One row of `holdfast.runs`.

    Attributes:
        payload: `{"input": …}`, `{"resume": {interrupt_id: value}}` or `{"command": …}`.
        kwargs: how to run it: `config`, `context`, `stream_mode`, `stream_subgraphs`,
            `stream_resumable`, `interrupt_before`, `interrupt_after`, `checkpoint`,
            `followed_by`, `protocol`, `author` and `caller` (who asked for it).
        attempts: starts since the run last got further, without those that ended by a drain or a
            lost connection.
        attempt_log: `{worker_id, started_at, head}` of every start; `head` is the thread's
            checkpoint then.
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
