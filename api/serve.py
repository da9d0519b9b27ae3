"""`holdfast serve`: database, migrations, API, worker and clock in one process, opened in order."""

import asyncio
import ipaddress
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import uvicorn

from api.app import create_app, engine_options
from api.embedded_postgres import default_data_directory, embedded_postgres
from api.scheduler import open_scheduler
from api.settings import Settings
from api.welcome import welcome
from engine.errors import ConfigurationError
from engine.migrate import migrate, project_migrations
from engine.project import Project, read_project
from engine.runtime import EngineOptions, open_engine

CONNECT_TIMEOUT_SECONDS = 5
# Streams only observe: a stopping server does not wait for clients that keep theirs open.
STREAM_GRACE_SECONDS = 2


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then close everything in reverse order.

    Raises:
        ConfigurationError: something it was told to use cannot be used.
    """
    project = read_project(settings.config)
    _check_exposure(settings, project)
    with listen(settings.host, settings.port) as listener, database(settings) as url:
        asyncio.run(migrate(url, project_migrations(project)))
        address = _address(settings.host, listener.getsockname()[1])
        app = create_app(settings, database_url=url)
        server = _Server(
            uvicorn.Config(
                app,
                log_level=settings.log_level,
                access_log=False,
                timeout_graceful_shutdown=STREAM_GRACE_SECONDS,
                ws="websockets-sansio",
                server_header=False,
            ),
            started=lambda: welcome(settings, project, address),
        )
        server.run(sockets=[listener])


def work(settings: Settings, *, once: bool) -> None:
    """Execute runs until SIGINT or SIGTERM, or with `once` until nothing is due."""
    project = read_project(settings.config)
    with database(settings) as url:
        asyncio.run(migrate(url, project_migrations(project)))
        options = engine_options(settings, database_url=url, run_worker=not once)
        asyncio.run(_work(options, settings, once=once))


async def _work(options: EngineOptions, settings: Settings, *, once: bool) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with open_engine(options) as engine:
        if once:
            await engine.run_once()
            return
        async with open_scheduler(engine, settings):
            await stopped.wait()


def migrate_database(settings: Settings) -> list[str]:
    """Bring the database up to date and return the names of the migrations applied."""
    project = read_project(settings.config)
    with database(settings) as url:
        return asyncio.run(migrate(url, project_migrations(project)))


def _check_exposure(settings: Settings, project: Project) -> None:
    """Refuse to let everybody in: whoever reaches the server may decide reviews."""
    if project.auth is not None or settings.allow_unauthenticated:
        return
    if settings.host == "localhost" or _is_loopback(settings.host):
        return
    raise ConfigurationError(
        f"listening on {settings.host} lets everybody who reaches it start runs and decide"
        " reviews: name an `auth` handler in langgraph.json, or set"
        " HOLDFAST_ALLOW_UNAUTHENTICATED=true behind a proxy that checks who calls"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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
        self._welcome = asyncio.create_task(self._on_started())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._welcome is not None:
            self._welcome.cancel()
        await super().shutdown(sockets)


def _address(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104  # compared, not bound
    return f"http://{shown}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """Take the port before anything else is started.

    Raises:
        ConfigurationError: somebody else listens there, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {error.strerror};"
            " stop the other server or choose another port with --port or HOLDFAST_PORT"
        ) from error
    listener.set_inheritable(True)
    return listener


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Yield the connection string of the database to use, started here if it is the embedded one.

    Raises:
        ConfigurationError: the database cannot be reached or is too old.
    """
    if settings.database_url is None:
        directory = settings.data_dir or default_data_directory(settings.config.resolve().parent)
        with embedded_postgres(directory) as url, _published(url):
            yield url
    else:
        _check_server(settings.database_url)
        with _published(settings.database_url):
            yield settings.database_url


def _check_server(url: str) -> None:
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_SECONDS) as connection:
            version = connection.info.server_version
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(
            f"the database of HOLDFAST_DATABASE_URL cannot be reached: {reason}"
        ) from error
    if version < 150000:
        raise ConfigurationError(
            f"PostgreSQL 15 or newer is needed, the server is {version // 10000}"
        )


@contextmanager
def _published(url: str) -> Iterator[None]:
    # The graphs' own services read the same variable, here as in LangGraph Studio.
    before = os.environ.get("HOLDFAST_DATABASE_URL")
    os.environ["HOLDFAST_DATABASE_URL"] = url
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("HOLDFAST_DATABASE_URL", None)
        else:
            os.environ["HOLDFAST_DATABASE_URL"] = before
