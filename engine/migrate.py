"""Forward-only migrations: each file once, in order, under an advisory lock."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.store.postgres.aio import AsyncPostgresStore
from langgraph.store.postgres.base import PostgresIndexConfig
from procrastinate import App, PsycopgConnector
from psycopg import AsyncConnection, sql
from psycopg.errors import FeatureNotSupported, InsufficientPrivilege, UndefinedFile
from psycopg.rows import dict_row

from checkpoint_pruner.errors import PrunerError
from checkpoint_pruner.guard import guard_status, install_guard
from engine.errors import ConfigurationError
from engine.project import Project

log = logging.getLogger(__name__)

# Any number serves, as long as every version of Holdfast uses the same one.
MIGRATION_LOCK = 0x486F6C6466617374 >> 1
LOCK_TIMEOUT = "15s"
LOCK_RETRY_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrations:
    """A folder of `NNNN_name.sql` files and the component they belong to."""

    component: str
    folder: Path


# The guard's places among the migrations; another number brings a newer one.
GUARDS = ("0001_guard", "0002_guard_lets_copies_through")
ENGINE = Migrations(component="engine", folder=Path(__file__).parent / "migrations")


def project_migrations(project: Project) -> list[Migrations]:
    """Return the migrations of the project's own tables."""
    return [
        Migrations(component=_component(entry, project), folder=project.locate(entry))
        for entry in project.holdfast.migrations
    ]


def _component(entry: str, project: Project) -> str:
    # The same for a folder and for the package that it is installed as.
    package, colon, inside = entry.partition(":")
    if colon:
        return f"{package.replace('.', '/')}/{inside}"
    folder = project.locate(entry)
    inside_project = folder.is_relative_to(project.folder)
    return (folder.relative_to(project.folder) if inside_project else folder).as_posix()


def project_store_dims(project: Project) -> int | None:
    """Return how long the vectors of the project's store are; None when it has none."""
    index = project.store and project.store.index
    return index.dims if index else None


async def migrate(
    conninfo: str, others: Sequence[Migrations] = (), *, store_dims: int | None = None
) -> list[str]:
    """Bring LangGraph's, the queue's, the engine's and `others`' tables up to date.

    Idempotent and safe beside other processes that start at the same time. Returns the names of
    the files applied now, `component/NNNN_name`.

    Args:
        conninfo: the database.
        others: what the project brings.
        store_dims: length of the vectors by which the store searches; None makes no table of them.

    Raises:
        ConfigurationError: the database has migrations that this version does not know, or no
            extension `vector` for a store that searches by meaning.
    """
    async with await AsyncConnection.connect(
        conninfo, autocommit=True, row_factory=dict_row, application_name="holdfast migrate"
    ) as connection:
        await _lock(connection)
        await _set_up_neighbours(conninfo, store_dims)
        await connection.execute("CREATE SCHEMA IF NOT EXISTS holdfast")
        await connection.execute(
            """
            CREATE TABLE IF NOT EXISTS holdfast.migrations (
                component  text        NOT NULL,
                name       text        NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
                PRIMARY KEY (component, name)
            )
            """
        )
        applied: list[str] = []
        for source in (ENGINE, *others):
            applied += await _apply(connection, source)
        applied += await _guard(connection, conninfo)
        return applied


async def _guard(connection: AsyncConnection[dict[str, object]], conninfo: str) -> list[str]:
    """Install the pruner's guard, later newer ones: who removes it by hand is not overruled."""
    cursor = await connection.execute(
        "SELECT name FROM holdfast.migrations WHERE component = 'checkpoint_pruner'"
    )
    known = {row["name"] for row in await cursor.fetchall()}
    new = [name for name in GUARDS if name not in known]
    if not new:
        return []
    try:
        if not known or (await asyncio.to_thread(guard_status, conninfo)).installed:
            await asyncio.to_thread(install_guard, conninfo)
    except (PrunerError, psycopg.Error) as error:
        # The server works without it; the next start tries again.
        log.warning("guard_not_installed", extra={"error": str(error).strip()})
        return []
    await connection.execute(
        "INSERT INTO holdfast.migrations (component, name)"
        " SELECT 'checkpoint_pruner', unnest(%s::text[])",
        (new,),
    )
    return [f"checkpoint_pruner/{name}" for name in new]


async def _lock(connection: AsyncConnection[dict[str, object]]) -> None:
    # Tried again and again rather than waited for: a waiting statement holds a snapshot, and
    # LangGraph's CREATE INDEX CONCURRENTLY in the other process would wait for that for ever.
    while True:
        cursor = await connection.execute(
            "SELECT pg_try_advisory_lock(%s) AS taken", (MIGRATION_LOCK,)
        )
        row = await cursor.fetchone()
        if row is not None and row["taken"]:
            return
        await asyncio.sleep(LOCK_RETRY_SECONDS)


async def _set_up_neighbours(conninfo: str, store_dims: int | None) -> None:
    async with AsyncPostgresSaver.from_conn_string(conninfo) as saver:
        await saver.setup()
    # Tables are made here, nothing is embedded: the project's own function is not loaded for it.
    index: PostgresIndexConfig | None = (
        None if store_dims is None else {"dims": store_dims, "embed": _embed_nothing}
    )
    try:
        async with AsyncPostgresStore.from_conn_string(conninfo, index=index) as store:
            await store.setup()
    except (FeatureNotSupported, UndefinedFile, InsufficientPrivilege) as error:
        if index is None:
            raise
        raise ConfigurationError(
            "store.index searches by meaning, for which the database needs the extension vector"
            f" (pgvector): {str(error).splitlines()[0]}"
        ) from error
    async with App(connector=PsycopgConnector(conninfo=conninfo)).open_async() as queue:
        if not await queue.check_connection_async():
            await queue.schema_manager.apply_schema_async()


def _embed_nothing(texts: Sequence[str]) -> list[list[float]]:
    raise NotImplementedError(f"{len(texts)} texts are not embedded while tables are made")


async def _apply(connection: AsyncConnection[dict[str, object]], source: Migrations) -> list[str]:
    cursor = await connection.execute(
        "SELECT name FROM holdfast.migrations WHERE component = %s", (source.component,)
    )
    done = {str(row["name"]) for row in await cursor.fetchall()}
    steps = sorted(source.folder.glob("[0-9]*.sql"))
    unknown = done - {step.stem for step in steps}
    if unknown:
        raise ConfigurationError(
            f"the database was migrated by a newer version: {source.component} has"
            f" {', '.join(sorted(unknown))}, unknown to this version; install the newer one"
        )
    applied = []
    for step in steps:
        if step.stem in done:
            continue
        async with connection.transaction():
            await connection.execute(
                sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(LOCK_TIMEOUT))
            )
            await connection.execute(step.read_bytes())
            await connection.execute(
                "INSERT INTO holdfast.migrations (component, name) VALUES (%s, %s)",
                (source.component, step.stem),
            )
        applied.append(f"{source.component}/{step.stem}")
        log.info("migrated", extra={"component": source.component, "migration": step.stem})
    return applied
