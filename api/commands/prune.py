"""`holdfast prune`: the pruner on the server's database, with the server's graphs at hand."""

import asyncio
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
import typer

from api.commands.server import CommandError
from api.settings import Settings, load_settings
from checkpoint_pruner import PrunerError, Report, Watermark, cli
from checkpoint_pruner.arguments import EXIT_CODES, SweepOrder, add_sweep, read_sweep
from checkpoint_pruner.policy import DEFAULT_KEEP_LAST
from checkpoint_pruner.progress import ProgressBar
from engine.errors import ConfigurationError

# These only look, or change what no graph is needed for: they are the pruner's own.
PRUNERS_OWN = ("inspect", "explain", "compact", "guard")

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
        parsed, rest = parser.parse_args(arguments), []
    settings = _settings(parsed)
    try:
        if action in PRUNERS_OWN:
            raise typer.Exit(_on_database(settings, _pruners_own(action, rest)))
        order = read_sweep(parsed, keep_last=keep_last)
        raise typer.Exit(_on_database(settings, lambda url: _sweep(settings, url, order)))
    except (PrunerError, psycopg.Error, OSError) as error:
        raise CommandError(str(error).strip(), code=cli.exit_code(error)) from error
    except ConfigurationError as error:
        raise CommandError(str(error), code=cli.EXIT_FAILED) from error
    except KeyboardInterrupt:
        raise CommandError("interrupted; what was committed stays done") from None


def _parser(name: str, *, add_help: bool) -> ArgumentParser:
    parser = ArgumentParser(
        prog=name,
        add_help=add_help,
        description="Keep a rolling window of every thread's checkpoints; one sweep, then exit.",
        epilog=f"holdfast prune {'|'.join(PRUNERS_OWN)} are the commands of checkpoint-pruner.\n\n"
        + EXIT_CODES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, help="the langgraph.json that names the graphs")
    parser.add_argument(
        "--database-url", metavar="URL", help="PostgreSQL to use instead of the embedded one"
    )
    return parser


def _settings(parsed: Namespace) -> Settings:
    return load_settings(config=parsed.config, database_url=parsed.database_url)


def _on_database(settings: Settings, work: Callable[[str], int]) -> int:
    from api.serve import database  # noqa: PLC0415  # 1 s of imports

    with database(settings) as url:
        return work(url)


def _pruners_own(action: str, arguments: Sequence[str]) -> Callable[[str], int]:
    return lambda url: cli.main([action, "--database-url", url, *arguments])


def _sweep(settings: Settings, url: str, order: SweepOrder) -> int:
    from api.serve import migrate_database  # noqa: PLC0415  # 1 s of imports

    migrate_database(settings.model_copy(update={"database_url": url}))
    return asyncio.run(_sweep_until_done(settings, url, order))


async def _sweep_until_done(settings: Settings, url: str, order: SweepOrder) -> int:
    from api.app import engine_options  # noqa: PLC0415  # 1 s of imports
    from engine.runtime import open_engine  # noqa: PLC0415  # 1 s of imports

    options = engine_options(settings, database_url=url, run_worker=False)
    bar = ProgressBar(sys.stderr)
    watermark = order.remembered()
    async with open_engine(options) as engine:
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
