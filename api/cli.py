"""The `holdfast` command line: `main()` and the commands that run a process of the server."""

import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from api.commands import documents, new, project, prune, reviews, threads
from api.commands.server import CommandError
from api.logs import set_up_logging
from api.settings import Settings, load_settings
from api.startup import check_exposure, listen, migrated_database
from engine.errors import ConfigurationError
from engine.project import read_project

app = typer.Typer(
    name="holdfast",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("new")(new.new)
app.command("submit")(documents.submit)
app.command("prune", context_settings=prune.SETTINGS)(prune.prune)
app.add_typer(reviews.app, name="reviews")
app.add_typer(threads.app, name="threads")

WRONG_USE = 2


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"holdfast {version('holdfast')}")
        raise typer.Exit


@app.callback()
def holdfast(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Durable LangGraph agents with human review. `holdfast serve` starts the server."""


ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The langgraph.json that names the graphs.")
]
DatabaseOption = Annotated[
    str | None,
    typer.Option("--database-url", help="PostgreSQL to use instead of the embedded one."),
]


def main() -> None:
    """Run the command line: a failure is one sentence on standard error and an exit code."""
    # A terminated process leaves as an interrupted one does, closing everything it opened.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        project.add_project_commands(app, _config_path())
        app()
    except (ConfigurationError, CommandError) as error:
        typer.echo(f"holdfast: {error}", err=True)
        raise SystemExit(error.code if isinstance(error, CommandError) else WRONG_USE) from error


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    config: ConfigOption = None,
    database_url: DatabaseOption = None,
    worker: Annotated[
        bool | None, typer.Option("--worker/--no-worker", help="Execute runs here as well.")
    ] = None,
) -> None:
    """Start the API, a worker and the clock in one process.

    Every option can be set in the environment as HOLDFAST_NAME.

    Examples:

      holdfast serve

      holdfast serve --config my-project/langgraph.json --port 8123
    """
    settings = _settings(
        host=host, port=port, config=config, database_url=database_url, worker=worker
    )
    project = read_project(settings.config)
    check_exposure(settings, project)
    try:
        with (
            listen(settings.host, settings.port) as listener,
            migrated_database(settings, project) as opening,
        ):
            from api import serve as process  # noqa: PLC0415  # 2 s of imports, meanwhile

            process.serve(settings, project, listener=listener, database=opening)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


@app.command()
def worker(
    once: Annotated[bool, typer.Option("--once", help="Execute what is due, then exit.")] = False,
    config: ConfigOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Execute runs for the servers that share the database.

    Examples:

      HOLDFAST_DATABASE_URL=postgresql://… holdfast worker

      holdfast worker --once
    """
    settings = _settings(config=config, database_url=database_url)
    try:
        with migrated_database(settings, read_project(settings.config)) as opening:
            from api import serve as process  # noqa: PLC0415  # 2 s of imports, meanwhile

            process.work(settings, once=once, database=opening)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


@app.command()
def migrate(config: ConfigOption = None, database_url: DatabaseOption = None) -> None:
    """Bring the database's tables up to date; safe to repeat.

    Examples:

      HOLDFAST_DATABASE_URL=postgresql://… holdfast migrate
    """
    settings = _settings(config=config, database_url=database_url)
    with migrated_database(settings, read_project(settings.config)) as opening:
        applied = opening.result().applied
    typer.echo("\n".join(applied) if applied else "the database is up to date")


def _config_path() -> Path:
    """Return the langgraph.json of this call, before the commands are known."""
    arguments = sys.argv[1:]
    for position, argument in enumerate(arguments):
        if argument == "--config" and position + 1 < len(arguments):
            return Path(arguments[position + 1])
        if argument.startswith("--config="):
            return Path(argument.removeprefix("--config="))
    return load_settings().config


def _settings(**overrides: object) -> Settings:
    settings = load_settings(**overrides)
    set_up_logging(settings.log_level)
    return settings
