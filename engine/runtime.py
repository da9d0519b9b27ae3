"""The engine as one thing: what is opened at a start, in order, and closed in reverse."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import psycopg
from langgraph.store.base import BaseStore
from langgraph.store.postgres.aio import AsyncPostgresStore
from langgraph.store.postgres.base import PostgresIndexConfig

from checkpoint_pruner import Policy
from engine.assistants import Assistants
from engine.attempt import Surroundings
from engine.audit import Audit
from engine.bus import Bus, open_bus
from engine.cancelling import end_task
from engine.checks import Checks
from engine.claims import Claims
from engine.conversations import Conversations
from engine.crons import Crons
from engine.database import Database, open_database
from engine.dispatch import Dispatcher
from engine.dispatch.procrastinate import open_dispatcher
from engine.events import Events, open_events
from engine.gates.book import Gates
from engine.idempotency import Idempotency
from engine.inspection import Inspection
from engine.keys import signing_key
from engine.limits import Permits, QueueGuard
from engine.links import Links
from engine.mail import make_mailer
from engine.notifications import NotificationOptions, Notifications
from engine.outbox import Outbox
from engine.project import Project
from engine.pruning import Pruning
from engine.registry import Registry, load_registry
from engine.reviews.feed import Feed
from engine.reviews.people import People
from engine.reviews.repair import Repair
from engine.reviews.service import Reviews
from engine.runs.ledger import Runs
from engine.saver import require_strict_msgpack
from engine.signals import Signals
from engine.store_items import StoreItems
from engine.sweeper import Duty, Sweeper
from engine.thread_state import ThreadStates
from engine.threads import Threads
from engine.timers import Timers
from engine.webhooks import WebhookSender, make_policy
from engine.worker import Worker, new_worker_id

OUTBOX_SECONDS = 1.0
TIDY_SECONDS = 60.0
HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How one process runs the engine.

    Attributes:
        database_url: libpq connection string or URI of the database.
        config_path: the `langgraph.json` that names the graphs.
        run_worker: whether this process executes runs.
        concurrency: runs executed at once in this process; each holds a connection of its own.
        heartbeat_seconds: how often a worker says that it is alive.
        hung_after_seconds: silence after which a worker's connections are ended by the others.
        sweep_seconds: pause between two looks for lost tickets and due timers.
        drain_seconds: how long a stopping worker waits for nodes to end before it cancels them.
        max_queue_depth: queued runs beyond which new input is refused (429).
        max_queue_age_seconds: age of the oldest due run beyond which new input is refused (503).
        run_timeout_seconds: the longest a run may take when its request names no limit.
        undo_seconds: how long a console decision can be taken back; 0 makes it final at once.
        max_body_bytes: the largest request body.
        max_state_bytes: the largest value a node may write, encoded.
        max_depth: the deepest nesting of a JSON value.
        pool_size: connections that requests and upkeep share; each run has one of its own beside.
        secret: signs webhooks and links; None makes a key and keeps it in the database.
        smtp_url: the mail server; None sends no mail.
        notifications: who is told about reviews.
        prune_keep_last: checkpoints per thread that scheduled sweeps keep; None sweeps never.
    """

    database_url: str
    config_path: Path
    run_worker: bool = True
    concurrency: int = 10
    heartbeat_seconds: float = 2.0
    hung_after_seconds: float = 10.0
    sweep_seconds: float = 0.5
    drain_seconds: float = 25.0
    max_queue_depth: int = 10_000
    max_queue_age_seconds: float = 600.0
    run_timeout_seconds: float = 3600.0
    undo_seconds: float = 5.0
    max_body_bytes: int = 1_048_576
    max_state_bytes: int = 8 * 1_048_576
    max_depth: int = 64
    pool_size: int = 10
    secret: str | None = None
    smtp_url: str | None = None
    notifications: NotificationOptions = field(default_factory=NotificationOptions)
    prune_keep_last: int | None = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The open parts; made by `open_engine`."""

    options: EngineOptions
    project: Project
    registry: Registry
    database: Database
    bus: Bus
    events: Events
    conversations: Conversations
    dispatcher: Dispatcher
    store: BaseStore
    audit: Audit
    idempotency: Idempotency
    outbox: Outbox
    assistants: Assistants
    gates: Gates
    runs: Runs
    threads: Threads
    states: ThreadStates
    crons: Crons
    pruning: Pruning
    items: StoreItems
    people: People
    reviews: Reviews
    feed: Feed
    repair: Repair
    inspection: Inspection
    checks: Checks
    signals: Signals
    timers: Timers
    links: Links
    permits: Permits
    worker: Worker
    sweeper: Sweeper

    async def run_once(self) -> None:
        """Do what is due now, runs and duties, and return; for a process without `run_worker`."""
        await self.sweeper.sweep_once()
        await self.worker.run_once()
        await self.sweeper.say_goodbye()


@asynccontextmanager
async def open_engine(options: EngineOptions) -> AsyncIterator[Engine]:
    """Open every part, start the worker if this process has one, and close all in reverse.

    The database must be migrated.

    Raises:
        ConfigurationError: the project cannot be used, or LangGraph would revive any class.
        psycopg_pool.PoolTimeout: the database cannot be reached.
    """
    require_strict_msgpack()
    registry = await load_registry(options.config_path)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            open_database(options.database_url, max_connections=options.pool_size)
        )
        bus = await stack.enter_async_context(open_bus(database))
        events = await stack.enter_async_context(open_events(database=database, bus=bus))
        dispatcher = await stack.enter_async_context(open_dispatcher(database))
        engine = await _assemble(options, registry, database, bus, events, dispatcher)
        stack.push_async_callback(engine.permits.close)
        stack.push_async_callback(_stop_store, engine.store)
        await engine.assistants.add_system_assistants()
        stack.push_async_callback(engine.worker.close)
        stack.callback(engine.pruning.stop)
        if options.run_worker:
            await stack.enter_async_context(_working(engine))
        yield engine


async def _assemble(
    options: EngineOptions,
    registry: Registry,
    database: Database,
    bus: Bus,
    events: Events,
    dispatcher: Dispatcher,
) -> Engine:
    project = registry.project
    own = project.holdfast
    policy = make_policy(
        project.webhooks,
        private_hosts=own.webhook_hosts,
        trusted_targets=[
            url for url in (options.notifications.webhook, options.notifications.slack) if url
        ],
        silent=project.http.disable_webhooks,
    )
    outbox = Outbox(
        database=database,
        sender=WebhookSender(
            policy=policy, key=await signing_key(database, options.secret, name="webhooks")
        ),
        mailer=None if options.smtp_url is None else make_mailer(options.smtp_url),
    )
    audit = Audit(database=database)
    store = AsyncPostgresStore(
        database.pool,
        index=cast("PostgresIndexConfig | None", registry.store_index()),
        ttl=registry.store_ttl(),
    )
    assistants = Assistants(database=database, registry=registry)
    gates = Gates(database=database, audit=audit, bus=bus, defaults=own.gates)
    permits = Permits(database=database, bus=bus)
    worker_id = new_worker_id()
    worker = Worker(
        database=database,
        bus=bus,
        events=events,
        dispatcher=dispatcher,
        claims=Claims(
            tenant=database.tenant,
            worker_id=worker_id,
            dispatcher=dispatcher,
            gates=gates,
            audit=audit,
            outbox=outbox,
        ),
        surroundings=Surroundings(
            database=database,
            registry=registry,
            store=store,
            permits=permits,
            llm_limits=own.llm_limits,
        ),
        worker_id=worker_id,
        concurrency=options.concurrency,
        heartbeat_seconds=options.heartbeat_seconds,
        drain_seconds=options.drain_seconds,
        max_value_bytes=options.max_state_bytes,
    )
    runs = Runs(
        database=database,
        dispatcher=dispatcher,
        bus=bus,
        assistants=assistants,
        gates=gates,
        audit=audit,
        webhooks=policy,
        local=worker if options.run_worker else None,
        guard=QueueGuard(
            database=database,
            max_depth=options.max_queue_depth,
            max_age_seconds=options.max_queue_age_seconds,
        ),
        run_timeout_seconds=options.run_timeout_seconds,
        max_value_bytes=options.max_state_bytes,
    )
    people = People(database=database, audit=audit, teams=own.teams, emails=own.emails)
    reviews = Reviews(
        database=database,
        gates=gates,
        runs=runs,
        people=people,
        audit=audit,
        undo_seconds=options.undo_seconds,
    )
    signals = Signals(database=database, gates=gates, runs=runs, audit=audit)
    links = Links(
        database=database,
        gates=gates,
        reviews=reviews,
        key=await signing_key(database, options.secret, name="links"),
    )
    notifications = Notifications(
        outbox=outbox, people=people, links=links, options=options.notifications
    )
    gates.listen(signals.on_gate)
    gates.listen(notifications.on_gate)
    timers = Timers(database=database, gates=gates, reviews=reviews)
    threads = Threads(
        database=database,
        bus=bus,
        audit=audit,
        runs=runs,
        gates=gates,
        default_ttl=None if project.checkpointer is None else project.checkpointer.ttl,
    )
    states = ThreadStates(threads=threads, registry=registry, store=store)
    idempotency = Idempotency(database=database)
    sweeper = Sweeper(
        database=database,
        dispatcher=dispatcher,
        worker=worker,
        sweep_seconds=options.sweep_seconds,
        heartbeat_seconds=options.heartbeat_seconds,
        hung_after_seconds=options.hung_after_seconds,
        others=[
            Duty(name="timers", every_seconds=options.sweep_seconds, work=timers.fire_due),
            Duty(name="outbox", every_seconds=OUTBOX_SECONDS, work=outbox.deliver_due),
            Duty(name="events", every_seconds=TIDY_SECONDS, work=events.table.tidy),
            Duty(name="keys", every_seconds=HOUR_SECONDS, work=idempotency.tidy),
            Duty(name="messages", every_seconds=HOUR_SECONDS, work=outbox.tidy),
        ],
    )
    return Engine(
        options=options,
        project=project,
        registry=registry,
        database=database,
        bus=bus,
        events=events,
        conversations=Conversations(database=database),
        dispatcher=dispatcher,
        store=store,
        audit=audit,
        idempotency=idempotency,
        outbox=outbox,
        assistants=assistants,
        gates=gates,
        runs=runs,
        threads=threads,
        states=states,
        items=StoreItems(
            database=database,
            store=store,
            searches_meaning=registry.store_index() is not None,
        ),
        crons=Crons(database=database, assistants=assistants, runs=runs, audit=audit),
        pruning=Pruning(
            database=database,
            threads=threads,
            registry=registry,
            audit=audit,
            policy=None
            if options.prune_keep_last is None
            else Policy(keep_last=options.prune_keep_last),
        ),
        people=people,
        reviews=reviews,
        feed=Feed(bus),
        repair=Repair(database=database, gates=gates, people=people, states=states, runs=runs),
        inspection=Inspection(database=database),
        checks=Checks(own.checks, folder=project.folder, database_url=options.database_url),
        signals=signals,
        timers=timers,
        links=links,
        permits=permits,
        worker=worker,
        sweeper=sweeper,
    )


@asynccontextmanager
async def _working(engine: Engine) -> AsyncIterator[None]:
    """Consume tickets and do duties in the background; at the end hand everything back."""
    await engine.sweeper.beat()
    sweeping = asyncio.create_task(engine.sweeper.run(), name="holdfast sweeper")
    consuming = asyncio.create_task(engine.worker.consume(), name="holdfast tickets")
    try:
        yield
    finally:
        consuming.cancel()  # takes no more tickets; those in hand are waited for
        await engine.worker.drain()
        await end_task(consuming)
        await end_task(sweeping)
        with suppress(psycopg.Error):
            await engine.sweeper.say_goodbye()


async def _stop_store(store: BaseStore) -> None:
    """End the store's background task, which it starts with its first use and never ends."""
    task: asyncio.Task[None] | None = getattr(store, "_task", None)
    if task is not None:
        await end_task(task)
