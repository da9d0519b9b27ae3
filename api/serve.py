"""`holdfast serve`, `worker` and `migrate`: the process around the engine, opened in order."""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

import uvicorn
import uvloop
from fastapi import FastAPI

from api.app import create_app, engine_options
from api.http_protocol import BoundedHttpProtocol
from api.scheduler import open_scheduler
from api.settings import Settings
from api.startup import MigratedDatabase
from api.welcome import welcome
from engine.project import Project
from engine.runtime import EngineOptions, open_engine

# Streams only observe: a stopping server does not wait for clients that keep theirs open.
STREAM_GRACE_SECONDS = 2
# Objects made before their garbage is looked for, and how often older ones are looked through too.
# With Python's own 700 this took a sixth of the processor under load, and 0.2 s at once whenever
# everything that is loaded was looked through.
COLLECT_AFTER = (5_000, 20, 20)


def serve(
    settings: Settings,
    project: Project,
    *,
    listener: socket.socket,
    database: Future[MigratedDatabase],
) -> None:
    """Serve API, worker and clock in one process until SIGINT or SIGTERM.

    Raises:
        ConfigurationError: something it was told to use cannot be used.
    """
    address = _address(settings.host, listener.getsockname()[1])
    app = create_app(settings, database_url=database.result().url)
    server = _Server(
        server_config(settings, app), started=lambda: welcome(settings, project, address)
    )
    server.run(sockets=[listener])


def server_config(settings: Settings, app: FastAPI) -> uvicorn.Config:
    """Return how the application is served over HTTP."""
    return uvicorn.Config(
        app,
        log_level=settings.log_level,
        access_log=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=STREAM_GRACE_SECONDS,
        http=BoundedHttpProtocol,
        ws="websockets-sansio",
        server_header=False,
    )


def work(settings: Settings, *, once: bool, database: Future[MigratedDatabase]) -> None:
    """Execute runs until SIGINT or SIGTERM, or with `once` until nothing is due."""
    url = database.result().url
    options = engine_options(settings, database_url=url, run_worker=not once)
    uvloop.run(_work(options, settings, once=once))


async def _work(options: EngineOptions, settings: Settings, *, once: bool) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with open_engine(options) as engine:
        keep_what_is_loaded()
        if once:
            await engine.run_once()
            return
        async with open_scheduler(engine, settings):
            await stopped.wait()


def keep_what_is_loaded() -> None:
    """Leave out of every later garbage collection what a start has made: it stays to the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


class _Server(uvicorn.Server):
    """A server that says when it is ready."""

    def __init__(
        self, config: uvicorn.Config, *, started: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        super().__init__(config)
        self._on_started = started
        self._welcome: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        keep_what_is_loaded()
        self._welcome = asyncio.create_task(self._on_started())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._welcome is not None:
            self._welcome.cancel()
        await super().shutdown(sockets)


def _address(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104  # compared, not bound
    return f"http://{shown}:{port}"
