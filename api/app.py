"""create_app(): where everything is opened and joined."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles

from api import problems
from api.auth import Guard
from api.auth_handlers import uncovered
from api.bodies import StrictBodies
from api.console import routes as console_routes
from api.console.render import STATIC
from api.custom_app import mounted_custom_app
from api.extras import extra_routers, opened_extras
from api.metrics import RequestMetrics
from api.middleware import KnownHosts, SameOrigin, SecurityHeaders
from api.openapi import complete_document
from api.reference import add_reference
from api.routes import (
    assistants,
    crons,
    health,
    links,
    protocol,
    reviews,
    runs,
    signals,
    state,
    stateless_runs,
    store,
    system,
    thread_stream,
    threads,
)
from api.scheduler import open_scheduler
from api.schemas.common import problems as every_problem
from api.settings import Settings
from engine.notifications import NotificationOptions
from engine.project import Cors, read_project
from engine.runtime import EngineOptions, open_engine

log = logging.getLogger(__name__)

VERSION = "0.1.0"
# Which flag of langgraph.json's `http` takes a group of routes away. Requests are matched in this
# order: what is asked for most comes first.
ROUTERS = (
    ("disable_runs", (crons.router, runs.router, stateless_runs.router, protocol.router)),
    ("disable_threads", (threads.router, state.router, thread_stream.router)),
    (
        None,
        (
            system.router,
            health.router,
            reviews.router,
            signals.router,
            links.router,
            console_routes.router,
        ),
    ),
    ("disable_meta", (system.meta,)),
    ("disable_assistants", (assistants.router,)),
    ("disable_store", (store.router,)),
)
# What LangGraph's clients read from answers: the run's address, counts of lists.
EXPOSED_HEADERS = (
    "content-location",
    "location",
    "x-pagination-total",
    "x-pagination-next",
    "idempotent-replayed",
    "retry-after",
    "etag",
)


def create_app(settings: Settings, *, database_url: str) -> FastAPI:
    """Build the web application; its lifespan opens the engine and the clock.

    Args:
        settings: how this process runs.
        database_url: a database that is migrated and can be reached.
    """
    project = read_project(settings.config)
    options = engine_options(settings, database_url=database_url, run_worker=settings.worker)

    guard = Guard()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_engine(options) as engine,
            open_scheduler(engine, settings) as scheduler,
        ):
            app.state.engine = engine
            for resource in uncovered(engine.registry.auth):
                log.warning("auth has no handler for %s: whoever signs in may do all", resource)
            app.state.scheduler = scheduler
            async with (
                mounted_custom_app(app, engine, guard),
                opened_extras(app, engine, project.http),
            ):
                yield

    app = FastAPI(
        title="Holdfast",
        version=VERSION,
        summary="Durable LangGraph agents with human review; the LangGraph Agent Server API.",
        lifespan=lifespan,
        dependencies=[Depends(guard)],
        responses=every_problem(),
        docs_url=None,
        openapi_url=None if project.http.disable_meta else "/openapi.json",
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.project = project
    app.state.guard = guard
    problems.install(app)
    if not project.http.disable_meta:
        add_reference(app)
    for flag, routers in ROUTERS:
        if flag is None or not getattr(project.http, flag):
            for router in routers:
                app.include_router(router)
    for router in extra_routers(project.http):
        app.include_router(router)
    complete_document(app, project.auth.openapi if project.auth else None)
    app.mount("/console/static", StaticFiles(directory=STATIC), name="console-static")
    cors = project.http.cors or Cors()
    origins = settings.cors_origins or tuple(cors.allow_origins)
    if origins or cors.allow_origin_regex:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_origin_regex=cors.allow_origin_regex,
            allow_methods=cors.allow_methods or ["*"],
            allow_headers=cors.allow_headers or ["*"],
            allow_credentials=cors.allow_credentials,
            expose_headers=[*EXPOSED_HEADERS, *cors.expose_headers],
            max_age=cors.max_age,
            # Chrome asks before a public page (Studio) may reach a server on a private address.
            allow_private_network=True,
        )
    app.add_middleware(StrictBodies, max_bytes=settings.max_body_bytes, max_depth=options.max_depth)
    app.add_middleware(SameOrigin, allowed_origins=origins, allowed_pattern=cors.allow_origin_regex)
    if project.auth is None or settings.allowed_hosts:
        app.add_middleware(KnownHosts, allowed=known_hosts(settings))
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestMetrics)
    return app


def known_hosts(settings: Settings) -> list[str]:
    """Return the names that the operator has given the server."""
    public = urlsplit(settings.public_url or "").hostname
    return [settings.host, *settings.allowed_hosts, *([public] if public else [])]


def engine_options(settings: Settings, *, database_url: str, run_worker: bool) -> EngineOptions:
    """Translate the settings of a process into what its engine needs."""
    return EngineOptions(
        database_url=database_url,
        config_path=settings.config,
        run_worker=run_worker,
        concurrency=settings.concurrency,
        pool_size=settings.pool_size,
        drain_seconds=settings.drain_seconds,
        max_queue_depth=settings.max_queue_depth,
        max_queue_age_seconds=settings.max_queue_age_seconds,
        run_timeout_seconds=settings.run_timeout_seconds,
        undo_seconds=settings.undo_seconds,
        max_body_bytes=settings.max_body_bytes,
        secret=settings.secret,
        smtp_url=settings.smtp_url,
        prune_keep_last=settings.prune_keep_last,
        notifications=NotificationOptions(
            webhook=settings.notify_webhook,
            slack=settings.notify_slack,
            email=settings.notify_email,
            arguments=settings.notify_arguments,
            public_url=settings.public_url,
        ),
    )
