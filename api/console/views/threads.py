"""Threads: find one, read its past, go on from an earlier step with another state."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from api.access import AccessDependency
from api.auth import Guard
from api.console.forms import FormError, fields, parse
from api.console.places import WORDS as STATES
from api.console.render import going, page, took
from api.console.timeline import Step, Usage, by_run, difference, steps, trimmed
from api.console.views.graphs import drawing_of
from api.console.views.problems import ConsoleRoute, refused, status_of
from api.dependencies import ActorDependency, EngineDependency
from engine.assistants import system_assistant_id
from engine.errors import EngineError, InvalidValueError, NotFoundError
from engine.gates.gate import GateState
from engine.reviews.board import ReviewFilter
from engine.runs.request import RunRequest
from engine.runs.run import Run
from engine.runtime import Engine
from engine.thread_state import Place

router = APIRouter(prefix="/console/threads", include_in_schema=False, route_class=ConsoleRoute)

VIA = "console"
PAGE_SIZE = 50
HISTORY = 100  # steps on one page
EXPORTED = 1_000
RUNS = 200
STATUSES = ("idle", "busy", "interrupted", "error")
WORDS: Mapping[str, str] = {"interrupted": "waiting", "busy": "running", "error": "failed"}
EVERY_STATE = get_args(GateState)


@router.get("")
async def threads(request: Request, engine: EngineDependency, access: AccessDependency) -> Response:
    """List threads."""
    query = request.query_params
    offset = query.get("offset", "")
    start = int(offset) if offset.isdecimal() and len(offset) < 10 else 0
    chosen = {
        "graph": query.get("graph") or None,
        "status": query.get("status") if query.get("status") in STATUSES else None,
        "search": (query.get("search") or "").strip()[:200] or None,
    }
    found = await engine.inspection.threads(
        graph_id=chosen["graph"],
        status=chosen["status"],
        search=chosen["search"],
        scope=access.scope,
        limit=PAGE_SIZE,
        offset=start,
    )
    kept = urlencode({name: value for name, value in chosen.items() if value})
    return page(
        request,
        "threads.html",
        screen="threads",
        chosen=chosen,
        kept=f"{kept}&" if kept else "",
        found=found,
        first=start + 1 if found.items else 0,
        before=max(0, start - PAGE_SIZE) if start else None,
        statuses=STATUSES,
        words=WORDS,
        graphs=engine.registry.graph_ids,
    )


@router.get("/{thread_id}")
async def thread(request: Request, thread_id: str, engine: EngineDependency) -> Response:
    """Show a thread's past, the newest step first."""
    before = request.query_params.get("before") or None
    node = request.query_params.get("node") or None
    try:
        found = await engine.threads.get(thread_id)
        history = await engine.states.history(
            thread_id,
            limit=HISTORY,
            before=None if before is None else Place(checkpoint_id=before),
        )
    except EngineError as error:
        return refused(request, "threads", error)
    runs = await engine.runs.list(thread_id, limit=RUNS)
    rows = steps(history, runs, engine.project.holdfast.prices)
    reviews = await engine.reviews.list(
        ReviewFilter(
            states=EVERY_STATE, thread_id=thread_id, with_snoozed=True, with_signals=True, limit=100
        )
    )
    return page(
        request,
        "thread.html",
        screen="threads",
        thread=found,
        rows=rows,
        shown_rows=[row for row in rows if node is None or node in row.nodes],
        nodes=sorted({name for row in rows for name in row.nodes}),
        node=node,
        restarted=_restarted(rows, runs),
        before=before,
        older=rows[-1].checkpoint_id if len(rows) == HISTORY else None,
        runs={run.run_id: run for run in runs},
        error=next((run.error for run in runs if run.error), None)
        if found.status == "error"
        else None,
        work=sum(row.took_seconds or 0 for row in rows),
        waited=sum(row.waited_seconds or 0 for row in rows),
        usage=sum((row.usage for row in rows), Usage()),
        used=by_run(rows),
        pruned=sum(row.pruned or 0 for row in rows),
        gaps=any(row.gap for row in rows),
        effects=await engine.inspection.effects(thread_id),
        reviews={review.gate_id.partition(".")[0]: review for review in reviews.items},
        storage=await engine.threads.storage(thread_id),
        drawing=await _drawing(engine, found.graph_id, rows, found.status),
        keep=engine.options.prune_keep_last,
    )


@router.get("/{thread_id}/history.json")
async def export(thread_id: str, engine: EngineDependency) -> Response:
    """Return the whole past as one JSON document."""
    try:
        history = await engine.states.history(thread_id, limit=EXPORTED)
    except EngineError as error:
        return JSONResponse({"detail": str(error)}, status_of(error))
    return JSONResponse(
        history, headers={"Content-Disposition": 'attachment; filename="history.json"'}
    )


@router.get("/{thread_id}/steps/{checkpoint_id}")
async def step(
    request: Request, thread_id: str, checkpoint_id: str, engine: EngineDependency
) -> Response:
    """Show one step: its state, what it changed, and the way on from it."""
    try:
        return await _step(request, engine, thread_id, checkpoint_id)
    except EngineError as error:
        return refused(request, "threads", error)


@router.post("/{thread_id}/steps/{checkpoint_id}")
async def go_on(
    request: Request,
    thread_id: str,
    checkpoint_id: str,
    engine: EngineDependency,
    actor: ActorDependency,
) -> Response:
    """Run on from a step, with changed state if some was typed; on a copy unless told otherwise."""
    posted = await request.form()
    form = {name: value for name, value in posted.items() if isinstance(value, str)}
    place = Place(checkpoint_id=checkpoint_id)
    try:
        state = await engine.states.get(thread_id, place)
        changed = await _changed(engine, thread_id, state["values"] or {}, form)
        if changed:  # more than to run on
            guard: Guard = request.app.state.guard
            scope = await guard.scope_of(request, "threads", "update")
            await engine.threads.get(thread_id, scope=scope)
        run = await _continue(
            engine, thread_id, place, changed, here=form.get("where") == "here", actor=actor
        )
    except FormError as error:
        return await _step(
            request, engine, thread_id, checkpoint_id, form=form,
            errors={error.pointer: error.message}, status=422,
        )  # fmt: skip
    except EngineError as error:
        return await _step(
            request, engine, thread_id, checkpoint_id, form=form, trouble=str(error),
            status=status_of(error),
        )  # fmt: skip
    what = f"with changed {', '.join(changed)}" if changed else "unchanged"
    where = "on this thread" if run.thread_id == thread_id else "as a new thread"
    return going(f"/console/threads/{run.thread_id}", said=f"Runs on {where}, {what}")


async def _continue(
    engine: Engine,
    thread_id: str,
    place: Place,
    changed: Mapping[str, Any],
    *,
    here: bool,
    actor: str,
) -> Run:
    async with engine.database.transaction() as connection:
        target = thread_id
        if not here:
            copied = await engine.threads.copy(connection, thread_id, actor=actor, via=VIA)
            target = copied.thread_id
        source = await engine.threads.read(connection, thread_id, with_values=False)
        # A new input waits behind open questions; going on from before them ends them.
        await engine.gates.cancel_open(
            connection, target, reason="run again from an earlier step", actor=actor, via=VIA
        )
        if changed:
            await engine.states.write(
                connection, target, dict(changed), place=place, actor=actor, via=VIA
            )
        return await engine.runs.submit(
            connection,
            RunRequest(
                assistant_id=source.assistant_id or source.graph_id or "",
                thread_id=target,
                checkpoint_id=None if changed else place.checkpoint_id,
                metadata={"from_thread_id": thread_id, "from_checkpoint_id": place.checkpoint_id},
                multitask_strategy="reject",
                actor=actor,
                via=VIA,
            ),
        )


async def _changed(
    engine: Engine, thread_id: str, values: Mapping[str, Any], form: Mapping[str, str]
) -> dict[str, Any]:
    text = form.get("json", "").strip()
    if text:
        try:
            told = json.loads(text)
        except ValueError as error:
            raise InvalidValueError("/json", f"JSON ({error})") from error
        if not isinstance(told, dict):
            raise InvalidValueError("/json", "an object with the fields to change")
        return told
    typed = {name: text for name, text in form.items() if name.startswith(("/", "@"))}
    if not typed:
        return {}
    parsed = parse(await _schema(engine, thread_id), typed, dict(values))
    return {name: value for name, value in parsed.items() if value != values.get(name)}


async def _schema(engine: Engine, thread_id: str) -> dict[str, Any]:
    thread = await engine.threads.get(thread_id)
    if thread.graph_id is None:
        return {}
    schemas = await engine.assistants.schemas(system_assistant_id(thread.graph_id))
    return schemas.get("state_schema") or {}


async def _step(
    request: Request,
    engine: Engine,
    thread_id: str,
    checkpoint_id: str,
    *,
    form: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    trouble: str | None = None,
    status: int = 200,
) -> Response:
    found = await engine.threads.get(thread_id)
    state = await engine.states.get(thread_id, Place(checkpoint_id=checkpoint_id))
    parent: Mapping[str, Any] | None = None
    if state["parent_checkpoint_id"]:
        try:
            place = Place(checkpoint_id=state["parent_checkpoint_id"])
            parent = await engine.states.get(thread_id, place)
        except NotFoundError:
            parent = None
    runs = await engine.runs.list(thread_id, limit=RUNS)
    row = steps([state, *([parent] if parent else [])], runs)[0]
    values = state["values"] or {}
    schema = await _schema(engine, thread_id)
    shown = fields(schema, values) if schema.get("properties") else ()
    return page(
        request,
        "step.html",
        screen="threads",
        status=status,
        thread=found,
        row=row,
        state=state,
        values=trimmed(values),
        changes=difference(parent["values"], values) if parent else [],
        writes=[
            {"node": task["name"], "result": trimmed(task.get("result"))}
            for task in (parent["tasks"] if parent else ())
        ],
        forms=shown,
        effects=await engine.inspection.effects(thread_id),
        form=form or {},
        errors=errors or {},
        trouble=trouble,
    )


def _restarted(rows: Sequence[Step], runs: Sequence[Run]) -> dict[str, Step]:
    """Return the first step of each run that was started more than once."""
    again = {run.run_id for run in runs if run.attempts > 1}
    return {row.run_id: row for row in rows if row.run_id in again}


async def _drawing(
    engine: Engine, graph_id: str | None, rows: Sequence[Step], status: str
) -> Mapping[str, Any] | None:
    if graph_id is None or graph_id not in engine.registry.graph_ids or not rows:
        return None
    places = dict.fromkeys((name for row in rows for name in row.nodes), "done")
    if status in STATES:
        places |= dict.fromkeys(rows[0].next, STATES[status])
    notes = {name: _note([row for row in rows if name in row.nodes]) for name in places}
    return await drawing_of(engine, graph_id, places=places, notes=notes)


def _note(rows: Sequence[Step]) -> str:
    """Return what a node did on a thread, in a few words."""
    if not rows:
        return ""
    said = [took(sum(row.took_seconds or 0 for row in rows))]
    if len(rows) > 1:
        said.insert(0, f"{len(rows)} times")
    used = sum((row.usage for row in rows if len(row.nodes) == 1), Usage())
    if used.tokens:
        said.append(f"{used.tokens:,} tokens")
    if any(row.retried for row in rows):
        said.append("retried")
    return ", ".join(said)
