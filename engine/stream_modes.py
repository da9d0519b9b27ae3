"""Two stream modes that LangGraph words differently than clients read them: tools and lifecycle."""

from collections.abc import Iterator, Mapping
from typing import Any

from engine.wire import error_payload

Namespace = tuple[str, ...]
Life = tuple[Namespace, dict[str, Any]]  # a subgraph and what happened to it

TOOL_EVENTS = {
    "tool-started": ("on_tool_start", "input", "input"),
    "tool-output-delta": ("on_tool_event", "data", "delta"),
    "tool-finished": ("on_tool_end", "output", "output"),
    "tool-error": ("on_tool_error", "error", "message"),
}


class ToolWords:
    """Rewords the events of tool calls; only the first one names the tool."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def reword(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Return an event as the clients' `tools` mode has it."""
        call_id = str(payload.get("tool_call_id"))
        self._names.setdefault(call_id, str(payload.get("tool_name", "")))
        event, target, source = TOOL_EVENTS[payload["event"]]
        named = {"event": event, "toolCallId": call_id, "name": self._names[call_id]}
        return {**named, target: payload.get(source)}


class SubgraphLives:
    """Tells when each subgraph starts and ends, from the tasks of the graphs."""

    def __init__(self) -> None:
        self._open: dict[Namespace, None] = {}
        self._seen: set[Namespace] = set()
        self._tool_calls: dict[str, str] = {}

    def observe(self, namespace: Namespace, task: Mapping[str, Any]) -> Iterator[Life]:
        """Yield what a task's beginning or end says about subgraphs."""
        for depth in range(1, len(namespace) + 1):
            yield from self._start(namespace[:depth])
        if "result" not in task:
            call_id = _tool_call_id(task.get("input"))
            if call_id is not None:
                self._tool_calls[str(task["id"])] = call_id
            return
        child = (*namespace, f"{task['name']}:{task['id']}")
        if task.get("interrupts"):
            yield from self._end(child, "interrupted")
        elif task.get("error"):
            yield from self._end(child, "failed", task["error"])
        else:
            yield from self._end(child, "completed")

    def close(self, event: str, error: Any = None) -> Iterator[Life]:
        """Yield the end of every subgraph whose task did not tell of it, innermost first."""
        for namespace in reversed(list(self._open)):
            yield from self._end(namespace, event, error)

    def _start(self, namespace: Namespace) -> Iterator[Life]:
        if namespace in self._seen:
            return
        self._seen.add(namespace)
        self._open[namespace] = None
        data: dict[str, Any] = {"event": "started", "namespace": list(namespace)}
        call_id = self._tool_calls.get(namespace[-1].partition(":")[2])
        if call_id is not None:
            data["tool_call_id"] = call_id
        yield namespace, data

    def _end(self, namespace: Namespace, event: str, error: Any = None) -> Iterator[Life]:
        if namespace not in self._open:
            return
        del self._open[namespace]
        data: dict[str, Any] = {"event": event, "namespace": list(namespace)}
        if isinstance(error, BaseException):
            data["error"] = error_payload(error)
        elif error is not None:
            data["error"] = {"error": "Error", "message": str(error)}
        yield namespace, data


def _tool_call_id(task_input: Any) -> str | None:
    call = task_input.get("tool_call") if isinstance(task_input, Mapping) else None
    call_id = call.get("id") if isinstance(call, Mapping) else None
    return call_id if isinstance(call_id, str) else None
