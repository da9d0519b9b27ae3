"""A rolling window over LangGraph's Postgres checkpoints.

Stands alone: imports psycopg and nothing else, works on any database that
langgraph-checkpoint-postgres has set up. `sweep()` is the whole of it; `Policy` says what stays.
"""

from checkpoint_pruner.batch import Protection
from checkpoint_pruner.delta import Boundary, DeltaSnapshotter
from checkpoint_pruner.errors import (
    AlreadyRunningError,
    CheckpointPrunedError,
    PolicyError,
    PrunerError,
    SchemaDriftError,
    SweepStoppedError,
)
from checkpoint_pruner.policy import Pin, Policy
from checkpoint_pruner.report import Report, Watermark
from checkpoint_pruner.session import Options
from checkpoint_pruner.sweep import Progress, Pruner, sweep
from checkpoint_pruner.throttle import Throttle

__version__ = "0.1.0"

__all__ = [
    "AlreadyRunningError",
    "Boundary",
    "CheckpointPrunedError",
    "DeltaSnapshotter",
    "Options",
    "Pin",
    "Policy",
    "PolicyError",
    "Progress",
    "Protection",
    "Pruner",
    "PrunerError",
    "Report",
    "SchemaDriftError",
    "SweepStoppedError",
    "Throttle",
    "Watermark",
    "__version__",
    "sweep",
]
