"""One thread, as a row beside LangGraph's checkpoints."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

ThreadStatus = Literal["idle", "busy", "interrupted", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ttl:
    """How long a thread lives after its last change.

    Attributes:
        minutes: time to live.
        strategy: `delete` the thread then, or `keep_latest` of its checkpoints.
    """

    minutes: float
    strategy: Literal["delete", "keep_latest"] = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """One thread.

    Attributes:
        status: `interrupted` waits at a question, `error` after a run that failed.
        values: the head's state; None before the first run, or when not asked for.
        interrupts: what the head waits for, by task id.
        config: of the newest run.
        context: of the newest run.
        expires_at: when its time to live ends, if it has one and is left alone.
    """

    thread_id: str
    graph_id: str | None
    assistant_id: str | None
    status: ThreadStatus
    metadata: Mapping[str, Any]
    values: Any
    interrupts: Mapping[str, Any]
    error: Any
    ttl_minutes: float | None
    ttl_strategy: str | None
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    state_updated_at: datetime
    config: Mapping[str, Any]
    context: Mapping[str, Any]
