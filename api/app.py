"""create_app(): where everything is opened and joined."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.settings import Settings
from engine.runtime import EngineOptions, open_engine

VERSION = "0.1.0"
EXPOSED_HEADERS = (
    "content-location",
    "location",
    "x-pagination-total",
    "x-pagination-next",
    "idempotent-replayed",
    "retry-after",
    "etag",
)
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)


def engine_options(settings: Settings, *, database_url: str, run_worker: bool) -> EngineOptions:
    """Translate the settings of a process into what its engine needs."""
    return EngineOptions(
        database_url=database_url,
        config_path=settings.config,
        run_worker=run_worker,
        concurrency=settings.concurrency,
        drain_seconds=settings.drain_seconds,
        max_queue_depth=settings.max_queue_depth,
        max_queue_age_seconds=settings.max_queue_age_seconds,
        run_timeout_seconds=settings.run_timeout_seconds,
        undo_seconds=settings.undo_seconds,
        max_body_bytes=settings.max_body_bytes,
    )
