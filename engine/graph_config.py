"""What a run's graph is invoked with: the caller's config under what only the engine may say."""

from collections.abc import Sequence
from typing import cast

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableConfig

from engine.claims import Claim
from engine.runs.run import AUTH_PREFIX, Run

# Ours to set: a caller's config may not name another thread or reach into LangGraph.
RESERVED_KEYS = frozenset(
    {"thread_id", "run_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map"}
)
# LangGraph's own second line behind the gates: an answer to a question that is not pending
# raises, before anything is written.
STRICT_RESUME_KEY = "__pregel_strict_resume"


def graph_config(claim: Claim, *, callbacks: Sequence[BaseCallbackHandler] = ()) -> RunnableConfig:
    """Return the config that a claimed run's graph is invoked with.

    The same `metadata.run_id` in every attempt is what makes LangGraph go on instead of applying
    the input again.
    """
    run = claim.run
    config = dict(run.kwargs.get("config") or {})
    configurable = {
        key: value
        for key, value in (config.get("configurable") or {}).items()
        if key not in RESERVED_KEYS and not key.startswith(("__", AUTH_PREFIX))
    }
    identity = {
        "run_id": run.run_id,
        "thread_id": run.thread_id,
        "assistant_id": run.assistant_id,
        "graph_id": run.graph_id,
    }
    configurable |= {**identity, "checkpoint_ns": "", STRICT_RESUME_KEY: True}
    caller = run.kwargs.get("caller")
    if caller is not None:
        configurable |= {
            f"{AUTH_PREFIX}user": caller,
            f"{AUTH_PREFIX}user_id": caller["identity"],
            f"{AUTH_PREFIX}permissions": caller.get("permissions") or [],
        }
    checkpoint_id = run.kwargs.get("checkpoint_id")
    if checkpoint_id and not claim.continuing:
        configurable["checkpoint_id"] = checkpoint_id
    config["configurable"] = configurable
    config["metadata"] = {**(config.get("metadata") or {}), **run.metadata, **identity}
    if callbacks:
        config["callbacks"] = list(callbacks)
    return cast("RunnableConfig", config)


def thread_config(run: Run) -> RunnableConfig:
    """Return the config that names a run's thread and nothing else."""
    return {"configurable": {"thread_id": run.thread_id, "checkpoint_ns": ""}}
