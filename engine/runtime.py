"""The engine as one thing: what is opened at a start, in order, and closed in reverse."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How one process runs the engine.

    Attributes:
        database_url: libpq connection string or URI of the database.
        config_path: the `langgraph.json` that names the graphs.
        run_worker: whether this process executes runs.
        concurrency: runs executed at once in this process; each holds a connection of its own.
        heartbeat_seconds: how often a worker says that it is alive.
        hung_after_seconds: silence after which a worker's connections are ended by the others.
        sweep_seconds: pause between two looks for lost tickets and due timers.
        drain_seconds: how long a stopping worker waits for nodes to end before it cancels them.
        max_queue_depth: queued runs beyond which new input is refused (429).
        max_queue_age_seconds: age of the oldest due run beyond which new input is refused (503).
        run_timeout_seconds: the longest a run may take when its request names no limit.
        undo_seconds: how long a console decision can be taken back; 0 makes decisions final at once.
        max_body_bytes: the largest request body.
        max_state_bytes: the largest value a node may write, encoded.
        max_depth: the deepest nesting of a JSON value.
    """

    database_url: str
    config_path: Path
    run_worker: bool = True
    concurrency: int = 10
    heartbeat_seconds: float = 2.0
    hung_after_seconds: float = 10.0
    sweep_seconds: float = 0.5
    drain_seconds: float = 25.0
    max_queue_depth: int = 10_000
    max_queue_age_seconds: float = 600.0
    run_timeout_seconds: float = 3600.0
    undo_seconds: float = 5.0
    max_body_bytes: int = 1_048_576
    max_state_bytes: int = 8 * 1_048_576
    max_depth: int = 64
