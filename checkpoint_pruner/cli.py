"""The command line: `checkpoint-pruner sweep|inspect|explain|compact|guard`."""

import argparse
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

import psycopg

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
from checkpoint_pruner.inspection import inspect
from checkpoint_pruner.policy import Pin, Policy, parse_pin
from checkpoint_pruner.report import Report, Watermark, format_bytes
from checkpoint_pruner.sweep import Progress, Pruner
from checkpoint_pruner.throttle import Throttle

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_ALREADY_RUNNING = 3
EXIT_SCHEMA_DRIFT = 4
EXIT_PARTLY_DONE = 5

_EXIT_CODES = """\
exit codes:
  0  done
  1  failed; the message says why
  2  the command line or the policy is wrong
  3  another pruner is at work on this database
  4  the checkpoint tables are not the ones this release knows; nothing was touched
  5  done, except for threads that could not be worked on; the report names them
"""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_BAR_WIDTH = 30


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
        return command(parsed)
    except AlreadyRunningError as error:
        return _fail(error, EXIT_ALREADY_RUNNING)
    except SchemaDriftError as error:
        return _fail(error, EXIT_SCHEMA_DRIFT)
    except (PolicyError, ConfirmationRequiredError) as error:
        return _fail(error, EXIT_USAGE)
    except (PrunerError, psycopg.Error, OSError) as error:
        return _fail(error, EXIT_FAILED)
    except KeyboardInterrupt:
        return _fail("interrupted; what was committed stays done", EXIT_FAILED)


def _sweep(parsed: argparse.Namespace) -> int:
    bar = _Bar(sys.stderr)
    stopped = threading.Event()
    remembered = _read_watermark(parsed.watermark_file)
    pruner = Pruner(
        parsed.database_url,
        _policy(parsed),
        threads=parsed.thread or None,
        pins=parsed.pin,
        skip_threads=parsed.skip_thread,
        dry_run=parsed.dry_run,
        full=parsed.full,
        vacuum={"auto": None, "always": True, "never": False}[parsed.vacuum],
        store=not parsed.no_store,
        collapse_deltas=parsed.collapse_deltas,
        throttle=None if parsed.no_throttle else Throttle(duty_cycle=parsed.duty_cycle),
        on_progress=bar.show,
        watermark=remembered,
    )
    once = parsed.once or parsed.every is None
    if not once:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
    while True:
        report = pruner.sweep()
        bar.clear()
        _print(report.to_json() if parsed.json else report.to_text())
        _write_watermark(parsed.watermark_file, report)
        if once or stopped.wait(parsed.every.total_seconds()):
            return EXIT_PARTLY_DONE if report.errors else EXIT_DONE


def _inspect(parsed: argparse.Namespace) -> int:
    policies: list[Policy] | None = None
    if parsed.no_proposals:
        policies = []
    elif parsed.keep_last or parsed.keep_turns or parsed.older_than:
        policies = [_policy(parsed)]
    found = inspect(parsed.database_url, policies=policies, top=parsed.top)
    _print(found.to_json() if parsed.json else found.to_text())
    return EXIT_DONE


def _explain(parsed: argparse.Namespace) -> int:
    explained = explain(parsed.database_url, parsed.thread_id, _policy(parsed), parsed.pin)
    if parsed.json:
        _print(json.dumps([one.to_dict() for one in explained], indent=2))
    else:
        _print("\n".join(_policy(parsed).describe()))
        _print(explanation_text(explained) or f"thread {parsed.thread_id!r} has no checkpoints")
    return EXIT_DONE


def _compact(parsed: argparse.Namespace) -> int:
    confirmed = parsed.yes or parsed.dry_run or _confirm()
    bar = _Bar(sys.stderr)
    done = compact(
        parsed.database_url,
        _policy(parsed),
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
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    sweep = _command(commands, "sweep", _sweep, "remove what the policy does not keep")
    _add_policy(sweep)
    sweep.add_argument("--thread", action="append", default=[], help="only this thread; repeatable")
    sweep.add_argument("--dry-run", action="store_true", help="count and remove nothing")
    sweep.add_argument("--once", action="store_true", help="one sweep, then exit (the default)")
    sweep.add_argument("--every", type=_duration, metavar="30m", help="sweep again and again")
    sweep.add_argument("--full", action="store_true", help="all threads and all orphans")
    sweep.add_argument("--vacuum", choices=("auto", "always", "never"), default="auto")
    sweep.add_argument(
        "--collapse-deltas", action="store_true", help="shorten DeltaChannel history in SQL"
    )
    sweep.add_argument("--no-store", action="store_true", help="leave expired store items")
    sweep.add_argument("--no-throttle", action="store_true", help="do not give way to writers")
    sweep.add_argument("--duty-cycle", type=_share, default=0.5, metavar="0.5")
    sweep.add_argument(
        "--watermark-file",
        type=Path,
        metavar="FILE",
        help="remember here what was seen, so that a sweep with nothing new takes milliseconds",
    )

    look = _command(commands, "inspect", _inspect, "sizes, growth, and what policies would free")
    _add_policy(look)
    look.add_argument("--top", type=int, default=10, help="how many threads and channels to name")
    look.add_argument("--no-proposals", action="store_true", help="try no policies out")

    why = _command(
        commands, "explain", _explain, "each checkpoint of a thread, kept or not, and why"
    )
    why.add_argument("thread_id", metavar="THREAD")
    _add_policy(why)

    rewrite = _command(commands, "compact", _compact, "rewrite the tables; locks them meanwhile")
    _add_policy(rewrite)
    rewrite.add_argument("--dry-run", action="store_true", help="count and change nothing")
    rewrite.add_argument("--yes", action="store_true", help="do not ask")
    rewrite.add_argument(
        "--lock-timeout", type=_duration, default=timedelta(seconds=10), metavar="10s"
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
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _add_policy(parser: argparse.ArgumentParser) -> None:
    window = parser.add_mutually_exclusive_group()
    window.add_argument("--keep-last", type=int, metavar="N", help="checkpoints per thread (20)")
    window.add_argument("--keep-turns", type=int, metavar="N", help="turns per thread")
    parser.add_argument("--keep-nested", type=int, metavar="N", help="per subgraph namespace")
    parser.add_argument("--older-than", type=_duration, metavar="30d", help="only older ones go")
    parser.add_argument("--thin-older", action="store_true", help="keep each older run's last one")
    parser.add_argument("--no-keep-gates", action="store_true", help="other branches' gates may go")
    parser.add_argument("--settle", type=_duration, metavar="15m", help="longest superstep")
    parser.add_argument("--orphan-grace", type=_duration, metavar="1h")
    parser.add_argument("--blob-grace", type=_duration, metavar="0s", help="values go this later")
    parser.add_argument("--expire-after", type=_duration, metavar="90d", help="delete idle threads")
    parser.add_argument("--pin", type=_pin, action="append", default=[], metavar="THREAD:NS:ID")
    parser.add_argument("--skip-thread", action="append", default=[], metavar="THREAD")


def _policy(parsed: argparse.Namespace) -> Policy:
    given = {
        name: getattr(parsed, name)
        for name in (
            "keep_last",
            "keep_turns",
            "keep_nested",
            "older_than",
            "settle",
            "orphan_grace",
            "blob_grace",
            "expire_after",
        )
        if getattr(parsed, name) is not None
    }
    return Policy(thin_older=parsed.thin_older, keep_gates=not parsed.no_keep_gates, **given)


def _duration(text: str) -> timedelta:
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhdw])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise argparse.ArgumentTypeError(
            f"a duration is a number and s, m, h, d or w, like 30d or 1h30m, got {text!r}"
        )
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"a share is above 0 and at most 1, got {text!r}")
    return share


def _pin(text: str) -> Pin:
    try:
        return parse_pin(text)
    except PolicyError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _confirm() -> bool:
    if not sys.stdin.isatty():
        return False
    sys.stderr.write("nobody can read or write the checkpoint tables until this is done; go on? ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _read_watermark(file: Path | None) -> Watermark | None:
    if file is None or not file.exists():
        return None
    try:
        return Watermark(**json.loads(file.read_text()))
    except (ValueError, TypeError):
        return None  # another release wrote it: look at everything again


def _write_watermark(file: Path | None, report: Report) -> None:
    if file is not None and report.watermark is not None:
        file.write_text(json.dumps(asdict(report.watermark)))


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _fail(why: object, code: int) -> int:
    sys.stderr.write(f"checkpoint-pruner: {str(why).strip()}\n")
    return code


class _Bar:
    """A progress bar on a terminal, nothing anywhere else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = False

    def show(self, progress: Progress) -> None:
        """Draw how far a sweep has come."""
        self._draw(
            progress.threads_done,
            progress.threads_total,
            f"{progress.rows:,} rows, {format_bytes(progress.bytes)}",
        )

    def count(self, done: int, total: int) -> None:
        """Draw how far anything else has come."""
        self._draw(done, total, "")

    def clear(self) -> None:
        """Remove the bar."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._shown = False

    def _draw(self, done: int, total: int, note: str) -> None:
        if not self._stream.isatty():
            return
        filled = _BAR_WIDTH * done // total if total else _BAR_WIDTH
        bar = "█" * filled + "░" * (_BAR_WIDTH - filled)
        self._stream.write(f"\r\x1b[K{bar} {done:,}/{total:,} threads  {note}")
        self._stream.flush()
        self._shown = True


if __name__ == "__main__":
    sys.exit(main())
