"""What the process's commands share: the way to the database, and failures in sentences."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

import typer
from psycopg import OperationalError
from psycopg.errors import UndefinedTable
from psycopg_pool import PoolTimeout

from nodes.services.database import Database
from nodes.services.errors import ServiceError
from nodes.services.settings import ProcessSettings

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        envvar="HOLDFAST_DATABASE_URL",
        help="PostgreSQL of the ledger; by default that of the running server.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line.")]

T = TypeVar("T")

WRONG_USE = 2


def with_database(database_url: str | None, use: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    """Return what `use` makes of the database that the option or the environment names."""
    url = database_url or ProcessSettings().database_url
    if url is None:
        raise typer.BadParameter(
            "no database is named; give --database-url or set HOLDFAST_DATABASE_URL"
        )

    async def run() -> T:
        database = Database(url)
        try:
            return await use(database)
        finally:
            await database.close()

    return explained(lambda: asyncio.run(run()))


def explained(work: Callable[[], T]) -> T:
    """Return what `work` returns; its failures end the command with a sentence."""
    cause: Exception
    try:
        return work()
    except ServiceError as error:
        sentence, cause = str(error), error
    except UndefinedTable as error:
        sentence, cause = "the database has no ledger yet; run `holdfast migrate` first", error
    except (OperationalError, PoolTimeout) as error:
        reason = " ".join(str(error).split())
        sentence, cause = f"the database cannot be reached: {reason}", error
    typer.echo(f"holdfast: {sentence}", err=True)
    raise typer.Exit(WRONG_USE) from cause
