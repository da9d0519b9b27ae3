"""Graphs: the drawing, where threads are in it, and how each node does."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from api.console.render import page, took
from api.console.views.problems import refused
from api.dependencies import EngineDependency
from engine.assistants import system_assistant_id
from engine.errors import EngineError, NotFoundError
from engine.runtime import Engine

router = APIRouter(prefix="/console/graphs", include_in_schema=False)

WATCHED = 20  # threads whose place is looked up
WORDS = {"busy": "live", "interrupted": "waiting", "error": "failed"}
ENDS = {"__start__": "start", "__end__": "end"}
HANDLER = "__error_handler__"


@router.get("")
async def graphs(request: Request, engine: EngineDependency) -> Response:
    """Show the first graph."""
    for graph_id in engine.registry.graph_ids:
        return await graph(request, graph_id, engine)
    return page(request, "graph.html", screen="graphs", graph_id=None, **_around(engine))


@router.get("/{graph_id}")
async def graph(request: Request, graph_id: str, engine: EngineDependency) -> Response:
    """Draw a graph."""
    try:
        if graph_id not in engine.registry.graph_ids:
            raise NotFoundError("graph", graph_id)
        places, threads = await _places(engine, graph_id)
        drawing = await drawing_of(engine, graph_id, places=places)
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
        threads=threads,
        records=await engine.inspection.nodes(graph_id),
        **_around(engine),
    )


@router.get("/{graph_id}/places")
async def places(graph_id: str, engine: EngineDependency) -> Response:
    """Return where threads are now, for a page that is open."""
    if graph_id not in engine.registry.graph_ids:
        return JSONResponse({}, 404)
    found, _ = await _places(engine, graph_id)
    return JSONResponse(found, headers={"Cache-Control": "no-store"})


async def drawing_of(engine: Engine, graph_id: str, *, places: Mapping[str, str]) -> dict[str, Any]:
    """Return nodes and edges for the page's script, each with its words, and Mermaid text."""
    async with engine.registry.graph(graph_id, access="assistants.read") as compiled:
        drawable = await compiled.aget_graph()
        mermaid = drawable.draw_mermaid()
        told = drawable.to_json()
    records = await engine.inspection.nodes(graph_id)
    return {
        "graph_id": graph_id,
        "mermaid": mermaid,
        "nodes": [
            {
                "id": node["id"],
                "title": title_of(str(node["id"])),
                "state": places.get(str(node["id"]), ""),
                "note": _note(records.get(str(node["id"]))),
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


async def _places(engine: Engine, graph_id: str) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Return the state of each node that threads are at, and those threads."""
    threads = []
    order = ("failed", "waiting", "live")  # the last one wins where several threads are
    counted: set[tuple[str, str]] = set()
    for thread_id, status in await engine.inspection.places(graph_id, limit=WATCHED):
        state = await engine.states.get(thread_id)
        for node in dict.fromkeys(state["next"]):
            counted.add((node, WORDS[status]))
            threads.append({"thread_id": thread_id, "node": node, "state": WORDS[status]})
    ranked = sorted(counted, key=lambda one: order.index(one[1]))
    return dict(ranked), threads


def _note(record: Any) -> str:
    if record is None:
        return ""
    said = f"{record.runs} runs"
    if record.median_seconds is not None:
        said += f", {took(record.median_seconds)}"
    return f"{said}, {record.failures} failed" if record.failures else said


def _around(engine: Engine) -> dict[str, Any]:
    return {
        "graphs": engine.registry.graph_ids,
        "failures": {name: str(why) for name, why in engine.registry.failures.items()},
    }
