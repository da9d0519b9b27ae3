"""What the integration tests share: a room with open questions and everything that answers them."""

import json
import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from langgraph_sdk.client import LangGraphClient

from api.app import create_app
from api.settings import load_settings
from engine.assistants import Assistants
from engine.audit import Audit
from engine.bus import Bus, open_bus
from engine.database import Database, open_database
from engine.dispatch.procrastinate import open_dispatcher
from engine.gates.book import Gates
from engine.gates.gate import Gate
from engine.limits import QueueGuard
from engine.registry import load_registry
from engine.reviews.ballots import Ballot
from engine.reviews.decision import Decision
from engine.reviews.people import People
from engine.reviews.service import Reviews
from engine.runs.ledger import Runs
from engine.runs.request import RunRequest
from engine.runs.run import PendingInterrupt, Run
from engine.runtime import Engine
from engine.signals import Signals
from engine.timers import Timers
from tests.lifespan import running

GRAPHS = Path(__file__).resolve().parents[1] / "graphs"


@dataclass(kw_only=True)
class ReviewRoom:
    """Real services over a real database; only the worker is missing."""

    database: Database
    bus: Bus
    audit: Audit
    runs: Runs
    gates: Gates
    people: People
    reviews: Reviews
    timers: Timers
    signals: Signals

    @staticmethod
    def hitl(name: str = "pay", args: Any = None, **review: Any) -> dict[str, Any]:
        """Return the envelope of `state.review.gate`, with these `review` fields."""
        allowed = ["approve", "edit", "reject", "respond"]
        return {
            "action_requests": [{"name": name, "args": {"amount": 10.5} if args is None else args}],
            "review_configs": [{"action_name": name, "allowed_decisions": allowed}],
            "review": review,
        }

    @staticmethod
    def approve(**more: Any) -> Ballot:
        return Ballot(decisions=[Decision(type="approve")], **more)

    @staticmethod
    def reject(message: str = "no", **more: Any) -> Ballot:
        return Ballot(decisions=[Decision(type="reject", message=message)], **more)

    async def interrupted_run(self, thread_id: str | None = None) -> Run:
        """Return a run that has stopped at a question."""
        request = RunRequest(
            assistant_id="echo",
            thread_id=thread_id or str(uuid.uuid4()),
            if_not_exists="create",
            multitask_strategy="enqueue",
        )
        run = await self.runs.create(request)
        await self.execute(
            "UPDATE holdfast.runs SET status = 'running' WHERE run_id = %s", run.run_id
        )
        await self.execute(
            "UPDATE holdfast.runs SET status = 'interrupted', finished_at = clock_timestamp()"
            " WHERE run_id = %s",
            run.run_id,
        )
        return run

    async def ask(self, *values: Any, run: Run | None = None, **options: Any) -> list[Gate]:
        """Let a run end at these questions, and return the gates that are open then."""
        run = run or await self.interrupted_run()
        pending = [self.interrupt(value, **options) for value in values]
        await self.record(run, pending)
        return [gate for gate in await self.of_thread(run.thread_id) if gate.state == "open"]

    def interrupt(
        self,
        value: Any,
        *,
        interrupt_id: str | None = None,
        response_schema: Mapping[str, Any] | None = None,
        node: str = "ask",
        checkpoint_id: str = "c1",
    ) -> PendingInterrupt:
        return PendingInterrupt(
            interrupt_id=interrupt_id or uuid.uuid4().hex,
            value=value,
            response_schema=response_schema,
            node=node,
            task_id="t1",
            checkpoint_id=checkpoint_id,
        )

    async def record(self, run: Run, pending: list[PendingInterrupt]) -> list[str]:
        async with self.database.transaction() as connection:
            return await self.gates.record_pending(connection, run, pending)

    async def of_thread(self, thread_id: str) -> list[Gate]:
        rows = await self.rows(
            "SELECT gate_id FROM holdfast.gates WHERE thread_id = %s ORDER BY created_at", thread_id
        )
        async with self.database.pool.connection() as connection:
            return [await self.gates.get(connection, row["gate_id"]) for row in rows]

    async def gate(self, gate_id: str) -> Gate:
        async with self.database.pool.connection() as connection:
            return await self.gates.get(connection, gate_id)

    async def decide(
        self, gate_id: str, ballot: Ballot, *, actor: str = "ana", via: str = "api"
    ) -> Gate:
        async with self.database.transaction() as connection:
            return await self.reviews.decide(connection, gate_id, ballot, actor=actor, via=via)

    async def call(self, method: Any, *positional: Any, **named: Any) -> Any:
        """Call a method that joins a transaction in one of its own."""
        async with self.database.transaction() as connection:
            return await method(connection, *positional, **named)

    async def resume_runs(self, thread_id: str) -> list[Run]:
        return [run for run in await self.runs.list(thread_id, limit=100) if run.kind == "resume"]

    async def actions(self, gate_id: str) -> list[str]:
        """Return what the audit log says of a gate, oldest first."""
        return [entry.action for entry in await self.audit.list(gate_id=gate_id)][::-1]

    async def rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(query, parameters)  # type: ignore[arg-type]
            return await cursor.fetchall()

    async def execute(self, query: str, *parameters: Any) -> None:
        async with self.database.pool.connection() as connection:
            await connection.execute(query, parameters)  # type: ignore[arg-type]

    async def pass_time(self, gate_id: str, seconds: float) -> None:
        """Move every moment of a gate into the past, as if so much time had passed."""
        await self.execute(
            """
            UPDATE holdfast.gates AS gate SET
                created_at = gate.created_at - past.time,
                due_at = due_at - past.time,
                remind_at = remind_at - past.time,
                escalate_at = escalate_at - past.time,
                expires_at = expires_at - past.time,
                claim_until = claim_until - past.time,
                snoozed_until = snoozed_until - past.time,
                effective_at = effective_at - past.time
            FROM (SELECT make_interval(secs => %s) AS time) AS past
            WHERE gate_id = %s
            """,
            seconds,
            gate_id,
        )


@pytest.fixture
async def room(migrated_database: str) -> AsyncIterator[ReviewRoom]:
    async with (
        open_database(migrated_database, max_connections=16) as database,
        open_bus(database) as bus,
        open_dispatcher(database) as dispatcher,
    ):
        audit = Audit(database=database)
        registry = await load_registry(GRAPHS / "langgraph.json")
        assistants = Assistants(database=database, registry=registry)
        await assistants.add_system_assistants()
        gates = Gates(database=database, audit=audit, bus=bus)
        runs = Runs(
            database=database,
            dispatcher=dispatcher,
            bus=bus,
            assistants=assistants,
            gates=gates,
            audit=audit,
            guard=QueueGuard(database=database),
        )
        people = People(
            database=database,
            audit=audit,
            teams={"finance": ["fay", "finn"]},
            emails={"ana": "ana@example.org"},
        )
        reviews = Reviews(
            database=database, gates=gates, runs=runs, people=people, audit=audit, undo_seconds=0
        )
        signals = Signals(database=database, gates=gates, runs=runs, audit=audit)
        gates.listen(signals.on_gate)
        yield ReviewRoom(
            database=database,
            bus=bus,
            audit=audit,
            runs=runs,
            gates=gates,
            people=people,
            reviews=reviews,
            timers=Timers(database=database, gates=gates, reviews=reviews),
            signals=signals,
        )


@dataclass(kw_only=True)
class Api:
    """The whole application in this process: plain HTTP and the official client."""

    app: FastAPI
    http: httpx.AsyncClient
    sdk: LangGraphClient

    @property
    def engine(self) -> Engine:
        opened: Engine = self.app.state.engine
        return opened

    async def work(self) -> None:
        """Let everything that is due be done; the application itself has no worker."""
        await self.engine.run_once()

    async def run(self, thread_id: str, value: Any, graph_id: str = "echo") -> Any:
        """Run a graph to its end or its question."""
        run = await self.sdk.runs.create(thread_id, graph_id, input=value)
        await self.work()
        return await self.sdk.runs.get(thread_id, run["run_id"])


@asynccontextmanager
async def _open_api(database_url: str, config: Path, **settings: Any) -> AsyncIterator[Api]:
    chosen = {"prune_interval_seconds": 0.0, "worker": False, "undo_seconds": 0.0, **settings}
    app = create_app(load_settings(config=config, **chosen), database_url=database_url)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        running(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as http,
    ):
        yield Api(app=app, http=http, sdk=LangGraphClient(http))


@pytest.fixture
def open_api(migrated_database: str) -> Callable[..., AbstractAsyncContextManager[Api]]:
    """Return how to open the application over a fresh database: `config`, settings by name."""

    def opened(config: Path = GRAPHS / "langgraph.json", **settings: Any) -> Any:
        return _open_api(migrated_database, config, **settings)

    return opened


@pytest.fixture
async def api(open_api: Callable[..., AbstractAsyncContextManager[Api]]) -> AsyncIterator[Api]:
    """Return the application with the tests' graphs, in one process and without a worker."""
    async with open_api() as opened:
        yield opened


# What `make compatibility` asks for


@pytest.fixture(scope="session")
def compatibility_record() -> Iterator[dict[str, Any] | None]:
    """Collect what each test had a server in this process do."""
    path = os.environ.get("HOLDFAST_COMPATIBILITY")
    record: dict[str, Any] | None = {"served": {}} if path else None
    yield record
    if path:
        Path(path).write_text(json.dumps(record))


@pytest.fixture(autouse=True)
def operations_served(
    request: pytest.FixtureRequest,
    compatibility_record: dict[str, Any] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    """Note the operations that were answered well during a test that passed."""
    if compatibility_record is None:
        yield
        return
    answered: set[tuple[str, str]] = set()
    handle = APIRoute.handle

    async def noting(route: APIRoute, scope: Any, receive: Any, send: Any) -> None:
        async def noted(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] < 300:
                answered.add((scope["method"], route.path_format))
            await send(message)

        await handle(route, scope, receive, noted)

    monkeypatch.setattr(APIRoute, "handle", noting)
    failures = request.session.testsfailed
    yield
    if request.session.testsfailed == failures:
        compatibility_record["served"][request.node.nodeid] = sorted(answered)
