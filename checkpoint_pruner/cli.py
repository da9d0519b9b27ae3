"""The command line: `checkpoint-pruner sweep|inspect|explain|compact|guard`."""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from checkpoint_pruner import __version__
from checkpoint_pruner.arguments import (
    EXIT_CODES,
    add_policy,
    add_sweep,
    duration,
    read_policy,
    read_sweep,
)
from checkpoint_pruner.compact import compact
from checkpoint_pruner.errors import (
    AlreadyRunningError,
    ConfirmationRequiredError,
    PolicyError,
    PrunerError,
    SchemaDriftError,
)
from checkpoint_pruner.explain import explain
from checkpoint_pruner.explain import to_text as explanation_text
from checkpoint_pruner.guard import guard_status, install_guard, remove_guard
from checkpoint_pruner.inspection import find_missing, inspect
from checkpoint_pruner.policy import Policy
from checkpoint_pruner.progress import ProgressBar
from checkpoint_pruner.report import Report
from checkpoint_pruner.sweep import Pruner

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_ALREADY_RUNNING = 3
EXIT_SCHEMA_DRIFT = 4
EXIT_PARTLY_DONE = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parsed = _parser().parse_args(arguments)
    if not parsed.database_url:
        return _fail(
            "no database named; give --database-url or set CHECKPOINT_PRUNER_DATABASE_URL",
            EXIT_USAGE,
        )
    command: Callable[[argparse.Namespace], int] = parsed.command
    try:
        conninfo_to_dict(parsed.database_url)
    except psycopg.ProgrammingError:
        # What libpq says of it quotes the text, and with that perhaps the password.
        return _fail(
            "the database URL cannot be read; write postgresql://user:password@host:port/name, "
            "special characters as %20 and the like",
            EXIT_USAGE,
        )
    try:
        return command(parsed)
    except psycopg.errors.InsufficientPrivilege as error:
        return _fail(f"{str(error).strip()}; the README lists the rights a role needs", EXIT_FAILED)
    except (PrunerError, psycopg.Error, OSError) as error:
        return _fail(error, exit_code(error))
    except KeyboardInterrupt:
        return _fail("interrupted; what was committed stays done", EXIT_FAILED)


def exit_code(result: Report | BaseException) -> int:
    """Return the exit code that tells a scheduler how a sweep went."""
    match result:
        case Report(errors=errors, stopped=stopped):
            return EXIT_PARTLY_DONE if errors or stopped else EXIT_DONE
        case AlreadyRunningError():
            return EXIT_ALREADY_RUNNING
        case SchemaDriftError():
            return EXIT_SCHEMA_DRIFT
        case PolicyError() | ConfirmationRequiredError():
            return EXIT_USAGE
        case _:
            return EXIT_FAILED


def _sweep(parsed: argparse.Namespace) -> int:
    order = read_sweep(parsed)
    if order.threads or order.pins:
        for missing in find_missing(parsed.database_url, order.threads or (), order.pins):
            _warn(f"nothing is stored for {missing}; is it spelt right?")
    bar = ProgressBar(sys.stderr)
    stopped = threading.Event()
    pruner = Pruner(
        parsed.database_url,
        order.policy,
        threads=order.threads,
        pins=order.pins,
        skip_threads=order.skip_threads,
        options=order.options,
        on_progress=bar.show,
        watermark=order.remembered(),
    )
    if order.every is not None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
    while True:
        report = pruner.sweep()
        bar.clear()
        _print(report.to_json() if order.json else report.to_text())
        order.remember(report)
        if order.every is None or stopped.wait(order.every.total_seconds()):
            return exit_code(report)


def _inspect(parsed: argparse.Namespace) -> int:
    policies: list[Policy] | None = None
    if parsed.no_proposals:
        policies = []
    elif parsed.keep_last or parsed.keep_turns or parsed.older_than:
        policies = [read_policy(parsed)]
    found = inspect(parsed.database_url, policies=policies, top=parsed.top)
    _print(found.to_json() if parsed.json else found.to_text())
    return EXIT_DONE


def _explain(parsed: argparse.Namespace) -> int:
    explained = explain(parsed.database_url, parsed.thread_id, read_policy(parsed), parsed.pin)
    if not explained:
        why = f"thread {parsed.thread_id!r} has no checkpoints; `inspect` names the biggest threads"
        return _fail(why, EXIT_FAILED)
    if parsed.json:
        _print(json.dumps([one.to_dict() for one in explained], indent=2))
    else:
        _print("\n".join(read_policy(parsed).describe()))
        _print(explanation_text(explained))
    return EXIT_DONE


def _compact(parsed: argparse.Namespace) -> int:
    confirmed = parsed.yes or parsed.dry_run or _confirm()
    bar = ProgressBar(sys.stderr)
    done = compact(
        parsed.database_url,
        read_policy(parsed),
        parsed.pin,
        dry_run=parsed.dry_run,
        confirmed=confirmed,
        skip_threads=parsed.skip_thread,
        lock_timeout_seconds=parsed.lock_timeout.total_seconds(),
        on_progress=bar.count,
    )
    bar.clear()
    _print(done.to_json() if parsed.json else done.to_text())
    return EXIT_DONE


def _guard(parsed: argparse.Namespace) -> int:
    action = {"install": install_guard, "remove": remove_guard, "status": guard_status}
    status = action[parsed.action](parsed.database_url)
    if parsed.json:
        _print(json.dumps(asdict(status)))
    elif not status.installed:
        _print(f"the guard is not installed on {status.schema}.checkpoints")
    else:
        _print(
            f"the guard is {'on' if status.enabled else 'disabled'} for {status.schema}.checkpoints"
        )
    return EXIT_DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="checkpoint-pruner",
        description="Keep a rolling window of LangGraph's Postgres checkpoints.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    sweep = _command(commands, "sweep", _sweep, "remove what the policy does not keep")
    add_sweep(sweep)

    look = _command(commands, "inspect", _inspect, "sizes, growth, and what policies would free")
    add_policy(look)
    look.add_argument("--top", type=int, default=10, help="how many threads and channels to name")
    look.add_argument("--no-proposals", action="store_true", help="try no policies out")

    why = _command(
        commands, "explain", _explain, "each checkpoint of a thread, kept or not, and why"
    )
    why.add_argument("thread_id", metavar="THREAD")
    add_policy(why)

    rewrite = _command(commands, "compact", _compact, "rewrite the tables; locks them meanwhile")
    add_policy(rewrite)
    rewrite.add_argument("--dry-run", action="store_true", help="count and change nothing")
    rewrite.add_argument("--yes", action="store_true", help="do not ask")
    rewrite.add_argument(
        "--lock-timeout", type=duration, default=timedelta(seconds=10), metavar="10s"
    )

    guard = _command(commands, "guard", _guard, "the trigger that protects writers")
    guard.add_argument("action", choices=("install", "remove", "status"))
    return parser


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], purpose: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=purpose, description=purpose)
    parser.set_defaults(command=run)
    parser.add_argument(
        "--database-url",
        metavar="URL",
        default=os.environ.get("CHECKPOINT_PRUNER_DATABASE_URL") or os.environ.get("DATABASE_URL"),
        help="default: $CHECKPOINT_PRUNER_DATABASE_URL, $DATABASE_URL",
    )
    if name != "sweep":
        parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _confirm() -> bool:
    if not sys.stdin.isatty():
        return False
    sys.stderr.write("nobody can read or write the checkpoint tables until this is done; go on? ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _warn(why: object) -> None:
    sys.stderr.write(f"checkpoint-pruner: {str(why).strip()}\n")


def _fail(why: object, code: int) -> int:
    _warn(why)
    return code


if __name__ == "__main__":
    sys.exit(main())
