"""Protocol v2's looks at a thread: its state, its checkpoints, its graphs within graphs."""

from collections.abc import Mapping, Sequence
from typing import Any

from api.schemas.protocol import GetTree, ListCheckpoints, StateGet
from engine.runtime import Engine
from engine.streaming import NAMESPACE_SEPARATOR
from engine.thread import Thread
from engine.thread_state import Place

STATUSES: Mapping[str, str] = {"busy": "running", "interrupted": "interrupted", "error": "failed"}


async def get_state(engine: Engine, thread_id: str, wanted: StateGet) -> dict[str, Any]:
    """Return the values of a thread, or of a subgraph, and the checkpoint they stand in."""
    namespace = NAMESPACE_SEPARATOR.join(wanted.namespace)
    state = await engine.states.get(thread_id, Place(checkpoint_ns=namespace))
    values = state["values"]
    if wanted.keys is not None and isinstance(values, Mapping):
        values = {key: values[key] for key in wanted.keys if key in values}
    result = {"values": values or {}}
    if state["checkpoint_id"] is None:
        return result
    return {**result, "checkpoint": {"id": state["checkpoint_id"], "ns": namespace}}


async def list_checkpoints(
    engine: Engine, thread_id: str, wanted: ListCheckpoints
) -> dict[str, Any]:
    """Return the checkpoints of a thread, or of a subgraph, newest first."""
    namespace = NAMESPACE_SEPARATOR.join(wanted.namespace)
    before = wanted.before and Place(checkpoint_id=wanted.before, checkpoint_ns=namespace)
    states = await engine.states.history(
        thread_id, limit=wanted.limit, before=before or None, checkpoint_ns=namespace
    )
    return {
        "checkpoints": [
            {
                "id": state["checkpoint_id"],
                "timestamp": state["created_at"],
                "step": state["metadata"].get("step"),
                "metadata": state["metadata"],
            }
            for state in states
        ]
    }


async def get_tree(engine: Engine, thread_id: str, wanted: GetTree) -> dict[str, Any]:
    """Return the thread's graph and, below it, the subgraphs that its head is in."""
    thread = await engine.threads.get(thread_id)
    if wanted.run_id is not None:
        await engine.runs.get(wanted.run_id, thread_id=thread_id)
    state = await engine.states.get(thread_id, subgraphs=True)
    return {
        "tree": {
            "namespace": [],
            "status": _status(thread),
            "graph_name": thread.graph_id or "",
            "children": _children(state["tasks"], _status(thread)),
        }
    }


def _children(tasks: Sequence[Mapping[str, Any]], above: str) -> list[dict[str, Any]]:
    children = []
    for task in tasks:
        namespace = (task["checkpoint"] or {}).get("checkpoint_ns")
        if not namespace:
            continue  # a node that is no graph
        status = "failed" if task["error"] else "interrupted" if task["interrupts"] else above
        inner = (task["state"] or {}).get("tasks") or ()
        children.append(
            {
                "namespace": namespace.split(NAMESPACE_SEPARATOR),
                "status": status,
                "graph_name": task["name"],
                "children": _children(inner, status),
            }
        )
    return children


def _status(thread: Thread) -> str:
    return STATUSES.get(thread.status, "completed")
