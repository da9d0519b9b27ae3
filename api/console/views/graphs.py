"""Graphs: the drawing, where threads are in it, how each node does and what it did."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from langgraph.types import RetryPolicy

from api.access import AccessDependency
from api.console.places import Watch, states_of
from api.console.render import page, took
from api.console.timeline import Usage, executions, steps, trimmed
from api.console.views.problems import ConsoleRoute, refused
from api.dependencies import EngineDependency
from api.streams import event_stream
from engine.assistants import system_assistant_id
from engine.errors import EngineError, NotFoundError
from engine.inspection import NodeRecord
from engine.runtime import Engine

router = APIRouter(prefix="/console/graphs", include_in_schema=False, route_class=ConsoleRoute)

ENDS = {"__start__": "start", "__end__": "end"}
HANDLER = "__error_handler__"
HISTORY = 100  # steps of a thread in which a node's work is looked for
RUNS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a node is, as its graph says.

    Attributes:
        place: module and name of its function.
        rules: retries, time limits and the like, in words.
    """

    about: str
    place: str
    rules: Sequence[str]


@router.get("")
async def graphs(request: Request, engine: EngineDependency, access: AccessDependency) -> Response:
    """Show the first graph."""
    for graph_id in engine.registry.graph_ids:
        return await graph(request, graph_id, engine, access)
    return page(request, "graph.html", screen="graphs", graph_id=None, **_around(engine))


@router.get("/{graph_id}")
async def graph(
    request: Request, graph_id: str, engine: EngineDependency, access: AccessDependency
) -> Response:
    """Draw a graph."""
    try:
        _require(engine, graph_id)
        positions = await Watch(engine=engine, graph_id=graph_id, scope=access.scope).positions()
        records = await engine.inspection.nodes(graph_id, scope=access.scope)
        notes = {name: note_of(record) for name, record in records.items()}
        drawing = await drawing_of(engine, graph_id, places=states_of(positions), notes=notes)
    except EngineError as error:
        return refused(request, "graphs", error)
    assistant = await engine.assistants.get(system_assistant_id(graph_id))
    return page(
        request,
        "graph.html",
        screen="graphs",
        graph_id=graph_id,
        about=assistant.description,
        drawing=drawing,
        threads=positions,
        records=records,
        **_around(engine),
    )


@router.get("/{graph_id}/events")
async def events(
    request: Request,
    graph_id: str,
    engine: EngineDependency,
    access: AccessDependency,
    thread: str | None = None,
) -> Response:
    """Stream where threads are, or where one is, for a page that is open."""
    try:
        _require(engine, graph_id)
    except EngineError as error:
        return refused(request, "graphs", error)
    watch = Watch(engine=engine, graph_id=graph_id, thread_id=thread, scope=access.scope)
    return event_stream(watch.stream())


@router.get("/{graph_id}/nodes/{node}")
async def node(
    request: Request,
    graph_id: str,
    node: str,
    engine: EngineDependency,
    access: AccessDependency,
    thread: str | None = None,
) -> Response:
    """Show what a node is and how it does; for a thread, what it did there last."""
    try:
        _require(engine, graph_id)
        definition = await _definition(engine, graph_id, node)
        records = await engine.inspection.nodes(graph_id, scope=access.scope)
        work = [] if thread is None else await _work(engine, thread, node, access.scope)
    except EngineError as error:
        return refused(request, "graphs", error)
    last = work[0] if work else None
    known = [one.step for one in work if one.step]
    return page(
        request,
        "node.html",
        screen="graphs",
        graph_id=graph_id,
        node=node,
        title=title_of(node),
        definition=definition,
        record=records.get(node),
        thread_id=thread,
        times=len(work),
        last=last,
        took_seconds=sum(step.took_seconds or 0 for step in known) if known else None,
        usage=sum((step.usage for step in known), Usage()),
        given=trimmed(last.before) if last else None,
        results=[trimmed(result) for result in last.results] if last else [],
    )


async def drawing_of(
    engine: Engine, graph_id: str, *, places: Mapping[str, str], notes: Mapping[str, str]
) -> dict[str, Any]:
    """Return nodes and edges for the page's script, each with its words, and Mermaid text."""
    async with engine.registry.graph(graph_id, access="assistants.read") as compiled:
        drawable = await compiled.aget_graph()
        mermaid = drawable.draw_mermaid()
        told = drawable.to_json()
    return {
        "graph_id": graph_id,
        "mermaid": mermaid,
        "nodes": [
            {
                "id": node["id"],
                "title": title_of(str(node["id"])),
                "state": places.get(str(node["id"]), ""),
                "note": notes.get(str(node["id"]), ""),
            }
            for node in told["nodes"]
        ],
        "edges": [
            {
                "from": edge["source"],
                "to": edge["target"],
                "label": str(edge.get("data") or ""),
                "conditional": bool(edge.get("conditional")),
            }
            for edge in told["edges"]
        ]
        # LangGraph draws no way to the node that handles another one's error.
        + [
            {"from": name, "to": handler, "label": "failed", "conditional": True}
            for handler in (str(node["id"]) for node in told["nodes"])
            if handler.startswith(HANDLER) and (name := handler.removeprefix(HANDLER))
        ],
    }


def title_of(node: str) -> str:
    """Return a node's name for people."""
    if node.startswith(HANDLER):
        return f"{node.removeprefix(HANDLER)} failed"
    return ENDS.get(node, node)


def note_of(record: NodeRecord) -> str:
    """Return how a node did on the last threads, in a few words."""
    said = "1 run" if record.runs == 1 else f"{record.runs} runs"
    if record.median_seconds is not None:
        said += f", {took(record.median_seconds)}"
    return f"{said}, {record.failures} failed" if record.failures else said


async def _definition(engine: Engine, graph_id: str, node: str) -> Definition:
    async with engine.registry.graph(graph_id, access="assistants.read") as compiled:
        if node not in compiled.nodes:
            raise NotFoundError("node", node)
        spec = getattr(getattr(compiled, "builder", None), "nodes", {}).get(node)
        runnable = getattr(spec, "runnable", compiled.nodes[node])
        function: Any = getattr(runnable, "func", None) or getattr(runnable, "afunc", None)
        while isinstance(function, partial):
            function = function.func
        described = runnable if function is None else function
        return Definition(
            about=(inspect.getdoc(described) or "").partition("\n\n")[0],
            place=f"{getattr(described, '__module__', '')}"
            f".{getattr(described, '__qualname__', type(described).__name__)}",
            rules=_rules(spec),
        )


def _rules(spec: Any) -> list[str]:
    policies = getattr(spec, "retry_policy", None) or ()
    said = [
        f"tried up to {policy.max_attempts} times, again after"
        f" {took(policy.initial_interval)}, then {policy.backoff_factor:g} times as long"
        for policy in ([policies] if isinstance(policies, RetryPolicy) else policies)
    ]
    limit = getattr(getattr(spec, "timeout", None), "run_timeout", None)
    if limit is not None:
        seconds = limit.total_seconds() if hasattr(limit, "total_seconds") else float(limit)
        said.append(f"given up after {took(seconds)}")
    if getattr(spec, "error_handler_node", None):
        said.append("a failure is handled by a node of its own")
    if getattr(spec, "defer", False):
        said.append("waits until everything beside it is done")
    return said


async def _work(
    engine: Engine, thread_id: str, node: str, scope: Mapping[str, Any]
) -> Sequence[Any]:
    await engine.threads.get(thread_id, scope=scope)
    history = await engine.states.history(thread_id, limit=HISTORY)
    rows = steps(history, await engine.runs.list(thread_id, limit=RUNS))
    return executions(history, rows, node)


def _require(engine: Engine, graph_id: str) -> None:
    if graph_id not in engine.registry.graph_ids:
        raise NotFoundError("graph", graph_id)


def _around(engine: Engine) -> dict[str, Any]:
    return {
        "graphs": engine.registry.graph_ids,
        "failures": {name: str(why) for name, why in engine.registry.failures.items()},
    }
