"""What a graph leaves behind when it stops: its questions, and whether it said all it knows."""

from typing import Any

from langgraph.channels.untracked_value import UntrackedValue
from langgraph.pregel import Pregel
from langgraph.types import StateSnapshot

from engine.runs.run import PendingInterrupt
from engine.values import storable_copy


def tells_all(graph: Pregel[Any, Any, Any, Any]) -> bool:
    """Tell whether a graph's output is the whole state that its checkpoints hold."""
    if any(isinstance(channel, UntrackedValue) for channel in graph.channels.values()):
        return False
    output, state = graph.output_channels, graph.stream_channels_asis
    return output == state or (
        not isinstance(output, str) and not isinstance(state, str) and set(output) == set(state)
    )


def questions_of(
    snapshot: StateSnapshot,
) -> tuple[list[PendingInterrupt], dict[str, list[dict[str, Any]]]]:
    """Return the questions that a head waits at, and how a thread's row shows them."""
    configurable = snapshot.config.get("configurable", {})
    pending: list[PendingInterrupt] = []
    shown: dict[str, list[dict[str, Any]]] = {}
    for task in snapshot.tasks:
        for interrupt in task.interrupts:
            value = storable_copy(interrupt.value)
            schema = interrupt.response_schema
            pending.append(
                PendingInterrupt(
                    interrupt_id=interrupt.id,
                    value=value,
                    response_schema=storable_copy(schema) if isinstance(schema, dict) else None,
                    node=task.name,
                    task_id=task.id,
                    checkpoint_ns=str(configurable.get("checkpoint_ns", "")),
                    checkpoint_id=str(configurable.get("checkpoint_id", "")),
                )
            )
            shown.setdefault(task.id, []).append({"id": interrupt.id, "value": value})
    return pending, shown
