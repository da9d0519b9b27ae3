"""The audit log: read, check, export."""

import csv
import io
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from api.console.render import page
from api.console.views.problems import ConsoleRoute
from api.dependencies import EngineDependency
from engine.audit import AuditEntry, AuditFilter
from engine.runtime import Engine

router = APIRouter(prefix="/console/audit", include_in_schema=False, route_class=ConsoleRoute)

PAGE_SIZE = 100
BATCH = 1_000
COLUMNS = (
    "seq",
    "at",
    "actor",
    "via",
    "action",
    "thread_id",
    "run_id",
    "gate_id",
    "details",
    "hash",
)
ACTIONS = (
    "gate.opened", "gate.reproposed", "gate.claimed", "gate.claim_lapsed", "gate.released",
    "gate.delegated", "gate.commented", "gate.snoozed", "gate.woken", "gate.extended",
    "gate.reminded", "gate.overdue", "gate.voted", "gate.scheduled", "gate.undone",
    "gate.decided", "gate.expired", "gate.escalated", "gate.cancelled", "gate.superseded",
    "gate.repaired", "signal.received", "signal.refused", "state.updated", "thread.copied",
    "thread.deleted", "run.failed", "run.cancelled", "cron.fired", "cron.failed",
    "absence.set", "absence.ended", "pruning.paused", "pruning.resumed",
)  # fmt: skip
# A cell that begins like a formula must stay a text when a spreadsheet opens it.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@router.get("")
async def audit(request: Request, engine: EngineDependency) -> Response:
    """List entries, newest first."""
    chosen = _filter(request)
    before = request.query_params.get("before", "")
    chain = await engine.audit.verify() if request.query_params.get("check") else None
    entries = await engine.audit.list(
        **chosen, before_seq=int(before) if before.isdecimal() else None, limit=PAGE_SIZE
    )
    given = {name: _written(value) for name, value in chosen.items() if value}
    kept = urlencode(given)
    return page(
        request,
        "audit.html",
        screen="audit",
        entries=entries,
        chosen=given,
        kept=f"{kept}&" if kept else "",
        actions=ACTIONS,
        older=entries[-1].seq if len(entries) == PAGE_SIZE else None,
        chain=chain,
        vouched=await engine.audit.count(before_seq=chain.broken_at, **chosen)
        if chain and given
        else None,
    )


@router.get("/export.{form}")
async def export(request: Request, form: str, engine: EngineDependency) -> Response:
    """Return the entries of the filter as CSV, or as JSON lines."""
    entries = _all(engine, _filter(request))
    if form == "csv":
        return _download(_csv(entries), "text/csv; charset=utf-8", "audit.csv")
    return _download(_lines(entries), "application/x-ndjson", "audit.jsonl")


def _filter(request: Request) -> AuditFilter:
    def told(name: str) -> str | None:
        return (request.query_params.get(name) or "").strip() or None

    return AuditFilter(
        action=told("action"),
        actor=told("actor"),
        thread_id=told("thread_id"),
        run_id=told("run_id"),
        gate_id=told("gate_id"),
        since=_instant(told("since")),
        until=_instant(told("until")),
    )


def _instant(text: str | None) -> datetime | None:
    """Return an instant as a form writes it, in UTC unless it says otherwise."""
    if text is None:
        return None
    with suppress(ValueError):
        given = datetime.fromisoformat(text)
        return given.replace(tzinfo=UTC) if given.tzinfo is None else given
    return None


def _written(value: object) -> str:
    """Return a filter's value as its field shows it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")
    return str(value)


async def _all(engine: Engine, chosen: AuditFilter) -> AsyncIterator[AuditEntry]:
    before: int | None = None
    while True:
        entries = await engine.audit.list(**chosen, before_seq=before, limit=BATCH)
        for entry in entries:
            yield entry
        if len(entries) < BATCH:
            return
        before = entries[-1].seq


async def _csv(entries: AsyncIterator[AuditEntry]) -> AsyncIterator[str]:
    yield _row(COLUMNS)
    async for entry in entries:
        told = _told(entry)
        told["details"] = json.dumps(told["details"], ensure_ascii=False)
        yield _row([_cell(told[name]) for name in COLUMNS])


async def _lines(entries: AsyncIterator[AuditEntry]) -> AsyncIterator[str]:
    async for entry in entries:
        yield json.dumps(_told(entry), ensure_ascii=False) + "\n"


def _told(entry: AuditEntry) -> dict[str, Any]:
    told = {name: getattr(entry, name) for name in COLUMNS}
    return {**told, "at": entry.at.isoformat()}


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _row(cells: Any) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()


def _download(content: AsyncIterator[str], media_type: str, name: str) -> Response:
    return StreamingResponse(
        content,
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
