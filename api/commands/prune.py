"""`holdfast prune`: the pruner on the server's database, with the server's graphs at hand."""

import asyncio
import getpass
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import typer

from api.commands.server import CommandError
from api.settings import Settings, load_settings
from api.startup import database
from checkpoint_pruner import PrunerError, Report, Watermark, cli
from checkpoint_pruner.arguments import EXIT_CODES, SweepOrder, add_sweep, duration, read_sweep
from checkpoint_pruner.policy import DEFAULT_KEEP_LAST
from checkpoint_pruner.progress import ProgressBar
from engine.errors import EngineError, PruningPausedError
from engine.project import read_project

if TYPE_CHECKING:
    from engine.runtime import Engine

# These only look, or change what no graph is needed for: they are the pruner's own.
PRUNERS_OWN = ("inspect", "explain", "compact", "guard")

EXIT_PAUSED = 6

# Its flags are the pruner's, so the pruner's parser reads them, `--help` included.
SETTINGS = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}


def prune(context: typer.Context) -> None:
    """Remove old checkpoints: `holdfast prune --help` lists the flags.

    Examples:

      holdfast prune --dry-run

      holdfast prune inspect

      holdfast prune --pause "until the audit is over" --for 8h
    """
    arguments = list(context.args)
    action = arguments.pop(0) if arguments[:1] and arguments[0] in {*PRUNERS_OWN, "sweep"} else ""
    settings = load_settings()
    keep_last = settings.prune_keep_last or DEFAULT_KEEP_LAST
    if action in PRUNERS_OWN:
        parser = _parser(f"holdfast prune {action}", add_help=False)
        parsed, rest = parser.parse_known_args(arguments)
    else:
        parser = _parser("holdfast prune", add_help=True)
        add_sweep(parser, keep_last=keep_last)
        _add_pause(parser)
        parsed, rest = parser.parse_args(arguments), []
        if parsed.pause_for and parsed.pause is None:
            parser.error("--for says how long to --pause, and goes with it only")
    settings = _settings(parsed)
    try:
        if action in PRUNERS_OWN:
            raise typer.Exit(_on_database(settings, _pruners_own(action, rest)))
        if parsed.pause is not None or parsed.resume:
            raise typer.Exit(_on_database(settings, lambda url: _switch(settings, url, parsed)))
        order = read_sweep(parsed, keep_last=keep_last)
        raise typer.Exit(
            _on_database(settings, lambda url: _sweep(settings, url, order, force=parsed.force))
        )
    except (PrunerError, psycopg.Error, OSError) as error:
        raise CommandError(str(error).strip(), code=cli.exit_code(error)) from error
    except PruningPausedError as error:
        raise CommandError(f"{error} or add --force", code=EXIT_PAUSED) from error
    except EngineError as error:
        raise CommandError(str(error), code=cli.EXIT_FAILED) from error
    except KeyboardInterrupt:
        raise CommandError("interrupted; what was committed stays done") from None


def _parser(name: str, *, add_help: bool) -> ArgumentParser:
    parser = ArgumentParser(
        prog=name,
        add_help=add_help,
        description="Keep a rolling window of every thread's checkpoints; one sweep, then exit.",
        epilog=f"holdfast prune {'|'.join(PRUNERS_OWN)} are the commands of checkpoint-pruner.\n\n"
        + EXIT_CODES
        + "  6  pruning is paused; nothing was touched\n",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, help="the langgraph.json that names the graphs")
    parser.add_argument(
        "--database-url", metavar="URL", help="PostgreSQL to use instead of the embedded one"
    )
    return parser


def _add_pause(parser: ArgumentParser) -> None:
    pause = parser.add_argument_group("pause", "for every process, until somebody resumes")
    switch = pause.add_mutually_exclusive_group()
    switch.add_argument("--pause", metavar="REASON", help="remove nothing from now on")
    switch.add_argument("--resume", action="store_true", help="end the pause")
    switch.add_argument("--force", action="store_true", help="sweep in spite of a pause")
    pause.add_argument(
        "--for", dest="pause_for", type=duration, metavar="8h", help="then resume by itself"
    )


def _settings(parsed: Namespace) -> Settings:
    return load_settings(config=parsed.config, database_url=parsed.database_url)


def _on_database(settings: Settings, work: Callable[[str], int]) -> int:
    with database(settings) as url:
        return work(url)


def _pruners_own(action: str, arguments: Sequence[str]) -> Callable[[str], int]:
    return lambda url: cli.main([action, "--database-url", url, *arguments])


def _sweep(settings: Settings, url: str, order: SweepOrder, *, force: bool) -> int:
    return asyncio.run(_sweep_until_done(settings, url, order, force=force))


def _switch(settings: Settings, url: str, parsed: Namespace) -> int:
    return asyncio.run(_pause_or_resume(settings, url, parsed))


async def _pause_or_resume(settings: Settings, url: str, parsed: Namespace) -> int:
    by = getpass.getuser()
    async with _engine(settings, url) as engine:
        if parsed.resume:
            ended = await engine.pruning.resume(by=by, via="command")
            typer.echo("pruning goes on" if ended else "pruning was not paused")
        else:
            until = datetime.now(UTC) + parsed.pause_for if parsed.pause_for else None
            typer.echo(
                str(
                    await engine.pruning.pause(
                        by=by, via="command", reason=parsed.pause, until=until
                    )
                )
            )
    return cli.EXIT_DONE


@asynccontextmanager
async def _engine(settings: Settings, url: str) -> AsyncIterator["Engine"]:
    """Open the engine on a database that is up to date, without a worker."""
    from api.app import engine_options  # noqa: PLC0415  # 1 s of imports
    from engine.migrate import (  # noqa: PLC0415  # 1 s of imports
        migrate,
        project_migrations,
        project_store_dims,
    )
    from engine.runtime import open_engine  # noqa: PLC0415  # 1 s of imports

    project = read_project(settings.config)
    await migrate(url, project_migrations(project), store_dims=project_store_dims(project))
    options = engine_options(settings, database_url=url, run_worker=False)
    async with open_engine(options) as engine:
        yield engine


async def _sweep_until_done(settings: Settings, url: str, order: SweepOrder, *, force: bool) -> int:
    bar = ProgressBar(sys.stderr)
    watermark = order.remembered()
    async with _engine(settings, url) as engine:
        pause = await engine.pruning.pause_state()
        if pause is not None and force:
            typer.echo(f"{pause}; going on, for you said --force", err=True)
        while True:
            report = await engine.pruning.sweep(
                order.policy,
                trigger="command",
                threads=order.threads,
                pins=order.pins,
                skip_threads=order.skip_threads,
                options=order.options,
                watermark=watermark,
                on_progress=bar.show,
                force=force,
            )
            bar.clear()
            if report is None:
                raise CommandError(
                    "another pruner is at work on this database; wait for it or stop it",
                    code=cli.EXIT_ALREADY_RUNNING,
                )
            watermark = _told(order, report)
            if order.every is None:
                return cli.exit_code(report)
            await asyncio.sleep(order.every.total_seconds())


def _told(order: SweepOrder, report: Report) -> Watermark | None:
    typer.echo(report.to_json() if order.json else report.to_text())
    order.remember(report)
    return report.watermark
