"""States as the Agent Server shows them: snapshots in JSON shapes, whole or in part."""

from collections.abc import Mapping, Sequence
from typing import Any

from langgraph.types import Interrupt, PregelTask, StateSnapshot

from engine.errors import InvalidValueError
from engine.wire import to_plain

CHECKPOINT_KEYS = ("thread_id", "checkpoint_ns", "checkpoint_id", "checkpoint_map")

EMPTY_STATE: Mapping[str, Any] = {
    "values": None,
    "next": [],
    "tasks": [],
    "metadata": None,
    "created_at": None,
    "checkpoint": None,
    "parent_checkpoint": None,
    "interrupts": [],
    "checkpoint_id": None,
    "parent_checkpoint_id": None,
}


def state_to_wire(snapshot: StateSnapshot) -> dict[str, Any]:
    """Return a state as the Agent Server shows it, in JSON shapes."""
    checkpoint = address_of(snapshot.config)
    parent = address_of(snapshot.parent_config)
    wire: dict[str, Any] = {
        "values": snapshot.values,
        "next": list(snapshot.next),
        "tasks": [_task(task) for task in snapshot.tasks],
        "metadata": snapshot.metadata,
        "created_at": snapshot.created_at,
        "checkpoint": checkpoint,
        "parent_checkpoint": parent,
        "interrupts": [_interrupt(interrupt) for interrupt in snapshot.interrupts],
        "checkpoint_id": checkpoint and checkpoint.get("checkpoint_id"),
        "parent_checkpoint_id": parent and parent.get("checkpoint_id"),
    }
    plain: dict[str, Any] = to_plain(wire)
    return plain


def interrupts_to_wire(tasks: Sequence[PregelTask]) -> dict[str, list[dict[str, Any]]]:
    """Return what a thread waits for, by task id."""
    return {
        task.id: [_interrupt(interrupt) for interrupt in task.interrupts]
        for task in tasks
        if task.interrupts
    }


def selected(state: Mapping[str, Any], select: Sequence[str] | None) -> dict[str, Any]:
    """Return the asked-for fields of a state; `values.<key>` picks one key.

    Raises:
        InvalidValueError: there is no such field.
    """
    if not select:
        return dict(state)
    result: dict[str, Any] = {}
    for name in select:
        field, dot, key = name.partition(".")
        if field not in EMPTY_STATE or (dot and field != "values"):
            raise InvalidValueError(
                "/select", f"one of {', '.join(EMPTY_STATE)} or values.<key>", name
            )
        if not dot:
            result[field] = state[field]
        elif "values" not in select:
            values = state["values"]
            if isinstance(values, Mapping) and key in values:
                result.setdefault("values", {})[key] = values[key]
            else:
                result.setdefault("values", {})
    return result


def address_of(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return where a config points to: a checkpoint's address, or None without its id."""
    configurable = (config or {}).get("configurable") or {}
    address = {key: configurable[key] for key in CHECKPOINT_KEYS if key in configurable}
    return address if address.get("checkpoint_id") else None


def _task(task: PregelTask) -> dict[str, Any]:
    nested = state_to_wire(task.state) if isinstance(task.state, StateSnapshot) else None
    place = (
        (task.state.get("configurable") or None)
        if isinstance(task.state, Mapping)
        else nested and nested["checkpoint"]
    )
    return {
        "id": task.id,
        "name": task.name,
        "path": task.path,
        "error": None if task.error is None else _error(task.error),
        "interrupts": [_interrupt(interrupt) for interrupt in task.interrupts],
        "checkpoint": place,
        "state": nested,
        "result": task.result,
    }


def _error(error: Any) -> str:
    return f"{type(error).__name__}({error})" if isinstance(error, BaseException) else str(error)


def _interrupt(interrupt: Interrupt) -> dict[str, Any]:
    shown: dict[str, Any] = {"value": interrupt.value, "id": interrupt.id}
    schema = getattr(interrupt, "response_schema", None)
    return shown if schema is None else {**shown, "response_schema": schema}
