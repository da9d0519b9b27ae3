"""What a starting process settles before its application is loaded: address, port, database.

Loading the application takes longer than anything else of a start, so the database is started and
migrated meanwhile; this module imports nothing that is slow to load.
"""

import asyncio
import ipaddress
import os
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from api.embedded_postgres import default_data_directory, embedded_postgres
from api.settings import Settings
from engine.errors import ConfigurationError
from engine.project import Project

CONNECT_TIMEOUT_SECONDS = 5
OLDEST_POSTGRES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class MigratedDatabase:
    """A database on its way to be ready."""

    url: str
    applied: list[str]
    """Names of the migrations that this start applied."""


@contextmanager
def migrated_database(settings: Settings, project: Project) -> Iterator[Future[MigratedDatabase]]:
    """Start the database and migrate it in a thread of its own; stop it at the end.

    What goes wrong there is raised by the future's `result()`.
    """
    with ExitStack() as opened, ThreadPoolExecutor(1, "database") as thread:
        yield thread.submit(_migrated, settings, project, opened)


def _migrated(settings: Settings, project: Project, opened: ExitStack) -> MigratedDatabase:
    url = opened.enter_context(database(settings))
    from engine.migrate import (  # noqa: PLC0415  # 0.5 s of imports
        migrate,
        project_migrations,
        project_store_dims,
    )

    applied = asyncio.run(
        migrate(url, project_migrations(project), store_dims=project_store_dims(project))
    )
    return MigratedDatabase(url=url, applied=applied)


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Yield the connection string of the database to use, started here if it is the embedded one.

    Raises:
        ConfigurationError: the database cannot be reached or is too old.
    """
    if settings.database_url is None:
        with embedded_postgres(data_directory(settings)) as url, _published(url):
            yield url
    else:
        _check_server(settings.database_url)
        with _published(settings.database_url):
            yield settings.database_url


def data_directory(settings: Settings) -> Path:
    """Return the folder of the embedded PostgreSQL."""
    return settings.data_dir or default_data_directory(settings.config.resolve().parent)


def check_exposure(settings: Settings, project: Project) -> None:
    """Refuse to let everybody in: whoever reaches the server may decide reviews.

    Raises:
        ConfigurationError: the address can be reached from elsewhere and nobody checks who calls.
    """
    if project.auth is not None or settings.allow_unauthenticated:
        return
    if settings.host == "localhost" or _is_loopback(settings.host):
        return
    raise ConfigurationError(
        f"listening on {settings.host} lets everybody who reaches it start runs and decide"
        " reviews: name an `auth` handler in langgraph.json, or set"
        " HOLDFAST_ALLOW_UNAUTHENTICATED=true behind a proxy that checks who calls"
    )


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


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_server(url: str) -> None:
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_SECONDS) as connection:
            version = connection.info.server_version
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(
            f"the database of HOLDFAST_DATABASE_URL cannot be reached: {reason}"
        ) from error
    if version < OLDEST_POSTGRES * 10_000:
        raise ConfigurationError(
            f"PostgreSQL {OLDEST_POSTGRES} or newer is needed, the server is {version // 10_000}"
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
