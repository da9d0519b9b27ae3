"""Fixtures that every suite shares: a real PostgreSQL and one empty database per test.

`HOLDFAST_TEST_DATABASE_URL` names a running server to use (a role that may create databases);
without it an embedded PostgreSQL is started for the session.
`HOLDFAST_TEST_POSTGRES=16` picks the embedded version (16 or 18).
"""

import asyncio
import atexit
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"
os.environ.setdefault("LANGSMITH_TRACING", "false")

from api.embedded_postgres import embedded_postgres
from tests.serving import served

SHARED = Path(__file__).resolve().parents[2] / "shared"
MEMORY = Path("/dev/shm")
ROOM_BYTES = 4 * 1024**3


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Return the connection string of the session's server, as a role that may create databases."""
    url = os.environ.get("HOLDFAST_TEST_DATABASE_URL")
    if url:
        yield make_conninfo(url)
        return
    # Not in pytest's own folder: a later session tidies that up, also under a running server.
    folder = tempfile.mkdtemp(prefix="holdfast-test-", dir=_memory())
    # Registered before the server's own handler, so that it runs after it and nothing is left.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    directory = Path(folder) / "data"
    version = int(os.environ.get("HOLDFAST_TEST_POSTGRES", "18"))
    # The machine does not lose power during a test; a killed server loses nothing either way.
    settings = {"max_connections": "300", "fsync": "off", "max_wal_size": "256MB"}
    with embedded_postgres(directory, version=version, settings=settings) as uri:
        yield uri


def _memory() -> Path | None:
    """Return a folder in memory with room for a server: making a database is most of many tests."""
    if not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return None
    return MEMORY if shutil.disk_usage(MEMORY).free >= ROOM_BYTES else None


@pytest.fixture(scope="session")
def create_database(postgres: str) -> Iterator[Callable[..., str]]:
    """Return a factory of databases; each is dropped when the session ends."""
    names: list[str] = []

    def create(template: str | None = None) -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(statement)
        names.append(name)
        return make_conninfo(postgres, dbname=name)

    yield create
    if "HOLDFAST_TEST_DATABASE_URL" not in os.environ:
        return  # the session's own server goes with all of them
    with psycopg.connect(postgres, autocommit=True) as connection:
        for name in names:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )


@pytest.fixture
def lend_database(
    postgres: str, create_database: Callable[..., str]
) -> Iterator[Callable[..., str]]:
    """Return a factory of databases that go with the test: thousands of them would fill a disk."""
    lent: list[str] = []

    def lend(template: str | None = None) -> str:
        lent.append(create_database(template))
        return lent[-1]

    yield lend
    with psycopg.connect(postgres, autocommit=True) as connection:
        for url in lent:
            name = sql.Identifier(str(psycopg.conninfo.conninfo_to_dict(url)["dbname"]))
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))


@pytest.fixture
def empty_database(lend_database: Callable[..., str]) -> str:
    """Return the connection string of a database with nothing in it."""
    return lend_database()


@pytest.fixture(scope="session")
def langgraph_template(create_database: Callable[..., str]) -> str:
    """Return the name of a template database that holds LangGraph's checkpoint tables."""
    from langgraph.checkpoint.postgres import PostgresSaver

    url = create_database()
    with PostgresSaver.from_conn_string(url) as saver:
        saver.setup()
    return str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])


@pytest.fixture
def checkpoint_database(lend_database: Callable[..., str], langgraph_template: str) -> str:
    """Return the connection string of a fresh database with LangGraph's checkpoint tables."""
    return lend_database(langgraph_template)


@pytest.fixture(scope="session")
def migrated_template(create_database: Callable[..., str]) -> str:
    """Return the name of a template database with every table: the engine's and the processes'."""
    from engine.migrate import migrate, project_migrations
    from engine.project import read_project

    project = read_project(Path(__file__).resolve().parents[1] / "langgraph.json")
    url = create_database()
    asyncio.run(migrate(url, project_migrations(project)))
    return str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])


@pytest.fixture
def migrated_database(lend_database: Callable[..., str], migrated_template: str) -> str:
    """Return the connection string of a fresh database with every table of the product."""
    return lend_database(migrated_template)


@pytest.fixture
def end_connections(migrated_database: str) -> Callable[[str], None]:
    """Return a function that lets the server end all connections with such a name, and waits."""

    def end(application_name: str) -> None:
        with psycopg.connect(migrated_database, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name LIKE %s",
                (application_name,),
            )

    return end


@pytest.fixture(scope="session")
def shared_invoices() -> Path:
    """Return the folder of the shared real e-invoices, or skip where it is absent."""
    folder = SHARED / "data" / "invoices"
    if not folder.is_dir():
        pytest.skip("the shared e-invoices (../shared/data/invoices) are not on this machine")
    return folder


@pytest.fixture
def serve_app() -> Iterator[Callable[[Any], str]]:
    """Return a function that serves an ASGI application on a free port and returns its URL."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(served(app))


@pytest.fixture
def marked_database(migrated_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a fresh database in which the graph `steps` counts what it did."""
    with psycopg.connect(migrated_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE marks (thread_id text, key text, run_id text)")
        connection.execute("CREATE TABLE keyed_marks (key text PRIMARY KEY)")
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", migrated_database)
    return migrated_database


@pytest.fixture
def engine_options(marked_database: str) -> Callable[..., Any]:
    """Return a factory of options for an engine on a fresh database with the test graphs."""
    from engine.runtime import EngineOptions

    graphs = Path(__file__).parent / "graphs" / "langgraph.json"
    defaults = {"database_url": marked_database, "config_path": graphs, "undo_seconds": 0.0}
    return lambda **overrides: EngineOptions(**{**defaults, **overrides})


@pytest.fixture
async def engine(engine_options: Callable[..., Any]) -> AsyncIterator[Any]:
    """Return an open engine with a worker."""
    from engine.runtime import open_engine

    async with open_engine(engine_options()) as opened:
        yield opened
