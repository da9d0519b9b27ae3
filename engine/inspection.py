"""What operators look at: runs, threads, tables and processes as they are, read only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.database import Database, statement
from engine.listing import Page, Scope, make_page
from engine.runs.run import RunKind, RunStatus
from engine.values import jsonb

MAX_LIMIT = 1_000
NODE_THREADS = 100  # threads whose last runs say how a graph's nodes do
MAX_EFFECTS = 100
MAX_POISONED = 50
PAUSE_SECONDS = 600.0  # a longer gap between two decisions is a break, not a decision
RASH_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """One run in a list.

    Attributes:
        took_seconds: from its start until its end or now; None when it has not started.
    """

    run_id: str
    thread_id: str
    assistant_id: str
    graph_id: str
    kind: RunKind
    status: RunStatus
    attempts: int
    error: Mapping[str, Any] | None
    gate_ids: Sequence[str]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    took_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadLine:
    """One thread in a list.

    Attributes:
        stage: the state's `stage`, where the graph keeps one.
        about: one line that says what it is about, where the graph or its caller gave one.
        runs: how many it had.
        questions: how many of its reviews are not settled.
    """

    thread_id: str
    graph_id: str | None
    status: str
    metadata: Mapping[str, Any]
    error: Any
    stage: str | None
    about: str | None
    created_at: datetime
    updated_at: datetime
    runs: int
    questions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecord:
    """How a node did on the last threads of its graph.

    Attributes:
        median_seconds: of executions that asked nobody; None when there were none.
    """

    node: str
    runs: int
    failures: int
    questions: int
    median_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a thread has come; `checkpoint_id` is its last one, None before the first."""

    thread_id: str
    status: str
    checkpoint_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRecord:
    """A checkpoint table now; row counts are the server's estimates."""

    table_name: str
    live_rows: int
    dead_rows: int
    table_bytes: int
    toast_bytes: int
    index_bytes: int
    vacuumed_at: datetime | None

    @property
    def total_bytes(self) -> int:
        """All the space the table takes."""
        return self.table_bytes + self.toast_bytes + self.index_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What reviewers did since midnight UTC.

    Attributes:
        decided: by everybody, expiries included.
        own: by the person who looks.
        median_seconds: from one own decision to the next, breaks left out.
        rash: own approvals within `RASH_SECONDS` of the decision before.
    """

    decided: int
    own: int
    median_seconds: float | None
    rash: int
    expired: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """Answers operators' questions from the database; changes nothing.

    `scope` in the methods limits them to threads whose metadata contains it.
    """

    database: Database

    async def runs(
        self,
        *,
        graph_id: str | None = None,
        statuses: Sequence[str] | None = None,
        since_seconds: float | None = None,
        search: str | None = None,
        scope: Scope | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Page[RunLine]:
        """Return runs, newest first; `search` takes the start of an id or a part of an error."""
        rows = await self._rows(
            "find_runs",
            graph_id=graph_id,
            statuses=None if statuses is None else list(statuses),
            since_seconds=since_seconds,
            search=search,
            scope=_containment(scope),
            limit=min(limit, MAX_LIMIT),
            offset=offset,
        )
        return _page(RunLine, rows, offset)

    async def count_runs(
        self,
        *,
        graph_id: str | None = None,
        since_seconds: float | None = None,
        scope: Scope | None = None,
    ) -> dict[str, int]:
        """Return how many runs there are, by status."""
        rows = await self._rows(
            "count_runs",
            graph_id=graph_id,
            since_seconds=since_seconds,
            scope=_containment(scope),
        )
        return {row["status"]: row["runs"] for row in rows}

    async def threads(
        self,
        *,
        graph_id: str | None = None,
        status: str | None = None,
        search: str | None = None,
        scope: Scope | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Page[ThreadLine]:
        """Return threads, last touched first."""
        rows = await self._rows(
            "find_threads",
            graph_id=graph_id,
            status=status,
            search=search,
            scope=_containment(scope),
            limit=min(limit, MAX_LIMIT),
            offset=offset,
        )
        return _page(ThreadLine, rows, offset)

    async def nodes(self, graph_id: str, *, scope: Scope | None = None) -> dict[str, NodeRecord]:
        """Return how the nodes of a graph did on its last threads, by node."""
        rows = await self._rows(
            "measure_nodes", graph_id=graph_id, threads=NODE_THREADS, scope=_containment(scope)
        )
        return {row["node"]: NodeRecord(**row) for row in rows}

    async def places(
        self,
        graph_id: str,
        *,
        thread_id: str | None = None,
        scope: Scope | None = None,
        limit: int,
    ) -> list[Place]:
        """Return the threads of a graph that are at work, wait or failed; or one, as it is."""
        rows = await self._rows(
            "list_places",
            graph_id=graph_id,
            thread_id=thread_id,
            scope=_containment(scope),
            limit=limit,
        )
        return [Place(**row) for row in rows]

    async def effects(self, thread_id: str) -> Sequence[Mapping[str, Any]]:
        """Return the once-only side effects of a thread, where the project records them."""
        (known,) = await self._rows("find_effects_table")
        if not known["there"]:
            return []
        return await self._rows("list_effects_of_thread", thread_id=thread_id, limit=MAX_EFFECTS)

    async def tables(self) -> list[TableRecord]:
        """Return the checkpoint tables as they are now."""
        return [TableRecord(**row) for row in await self._rows("measure_tables")]

    async def largest_threads(self, *, limit: int = 10) -> Sequence[Mapping[str, Any]]:
        """Return the threads that take the most space; reads all three tables once."""
        return await self._rows("list_largest_threads", limit=limit)

    async def workers(self) -> Sequence[Mapping[str, Any]]:
        """Return the worker processes that were alive in the last hour."""
        return await self._rows("list_workers")

    async def server(self) -> Mapping[str, Any]:
        """Return what the database server tells of itself."""
        (row,) = await self._rows("describe_database")
        return row

    async def migrations(self) -> Sequence[Mapping[str, Any]]:
        """Return the applied migrations, the last first."""
        return await self._rows("list_migrations")

    async def poisoned(self) -> Sequence[Mapping[str, Any]]:
        """Return reviews whose thread keeps an answer that its node cannot live with."""
        return await self._rows("list_poisoned_gates", limit=MAX_POISONED)

    async def today(self, actor: str) -> Day:
        """Return what reviewers did today."""
        (row,) = await self._rows(
            "count_decisions_today",
            actor=actor,
            longest_seconds=PAUSE_SECONDS,
            rash_seconds=RASH_SECONDS,
        )
        return Day(**row)

    async def _rows(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(
                statement(name), {"tenant": self.database.tenant, **parameters}
            )
            return await cursor.fetchall()


def _containment(scope: Scope | None) -> Any:
    return jsonb(scope) if scope else None


def _page(kind: Any, rows: Sequence[Mapping[str, Any]], offset: int) -> Page[Any]:
    total = rows[0]["total"] if rows else offset
    items = [
        kind(**{name: value for name, value in row.items() if name != "total"}) for row in rows
    ]
    return make_page(items, total=total, offset=offset)
