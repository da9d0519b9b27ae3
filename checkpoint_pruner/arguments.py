"""The flags of a sweep, and what they mean: shared by every command line that sweeps."""

import json
import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from checkpoint_pruner.errors import PolicyError
from checkpoint_pruner.policy import DEFAULT_KEEP_LAST, Pin, Policy, parse_pin
from checkpoint_pruner.report import Report, Watermark
from checkpoint_pruner.session import Options
from checkpoint_pruner.throttle import Throttle

EXIT_CODES = """\
exit codes:
  0  done
  1  failed; the message says why
  2  the command line or the policy is wrong
  3  another pruner is at work on this database
  4  the checkpoint tables are not the ones this release knows; nothing was touched
  5  done, except for threads that could not be worked on, or stopped; the report says which
"""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_VACUUM = {"auto": None, "always": True, "never": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOrder:
    """A sweep as its command line asks for it."""

    policy: Policy
    """What stays."""
    threads: tuple[str, ...] | None
    """Only these threads; None finds those that hold garbage."""
    pins: tuple[Pin, ...]
    """Checkpoints that stay regardless."""
    skip_threads: tuple[str, ...]
    """Threads to leave alone."""
    options: Options
    """How to work."""
    json: bool
    """Report in JSON."""
    every: timedelta | None
    """Sweep again after this; None sweeps once."""
    watermark_file: Path | None
    """Where to remember what was seen."""

    def remembered(self) -> Watermark | None:
        """Return what the last sweep wrote down, if it was one of this release."""
        if self.watermark_file is None or not self.watermark_file.exists():
            return None
        try:
            remembered = json.loads(self.watermark_file.read_text())
            return Watermark(**remembered | {"waiting": tuple(remembered.get("waiting", ()))})
        except (ValueError, TypeError, AttributeError):
            return None

    def remember(self, report: Report) -> None:
        """Write down what this sweep has seen."""
        if self.watermark_file is not None and report.watermark is not None:
            self.watermark_file.write_text(json.dumps(asdict(report.watermark)))


def add_sweep(parser: ArgumentParser, *, keep_last: int = DEFAULT_KEEP_LAST) -> None:
    """Add every flag of a sweep; `keep_last` is what the help names as the default."""
    add_policy(parser, keep_last=keep_last)
    add = parser.add_argument
    add("--thread", action="append", default=[], help="only this thread; repeatable")
    add("--dry-run", action="store_true", help="count and remove nothing")
    often = parser.add_mutually_exclusive_group()
    often.add_argument("--once", action="store_true", help="one sweep, then exit (the default)")
    often.add_argument("--every", type=duration, metavar="30m", help="sweep again and again")
    add("--full", action="store_true", help="all threads and all orphans")
    add("--vacuum", choices=tuple(_VACUUM), default="auto")
    add("--collapse-deltas", action="store_true", help="shorten DeltaChannel history in SQL")
    add("--no-store", action="store_true", help="leave expired store items")
    add("--no-throttle", action="store_true", help="do not give way to writers")
    add("--duty-cycle", type=_share, default=0.5, metavar="0.5")
    add(
        "--watermark-file",
        type=Path,
        metavar="FILE",
        help="remember here what was seen, so that a sweep with nothing new takes milliseconds",
    )
    add("--json", action="store_true", help="print JSON")


def add_policy(parser: ArgumentParser, *, keep_last: int = DEFAULT_KEEP_LAST) -> None:
    """Add the flags that say what stays."""
    add = parser.add_argument
    window = parser.add_mutually_exclusive_group()
    window.add_argument(
        "--keep-last", type=int, metavar="N", help=f"checkpoints per thread ({keep_last})"
    )
    window.add_argument("--keep-turns", type=int, metavar="N", help="turns per thread")
    add("--keep-nested", type=int, metavar="N", help="per subgraph namespace")
    add("--older-than", type=duration, metavar="30d", help="only older ones go")
    add("--thin-older", action="store_true", help="keep each older run's last one")
    add("--no-keep-gates", action="store_true", help="other branches' gates may go")
    add("--settle", type=duration, metavar="15m", help="longest superstep")
    add("--orphan-grace", type=duration, metavar="1h")
    add("--blob-grace", type=duration, metavar="0s", help="values go this later")
    add("--expire-after", type=duration, metavar="90d", help="delete idle threads")
    add("--pin", type=_pin, action="append", default=[], metavar="THREAD:NS:ID")
    add("--skip-thread", action="append", default=[], metavar="THREAD")


def read_sweep(parsed: Namespace, *, keep_last: int = DEFAULT_KEEP_LAST) -> SweepOrder:
    """Return the sweep that the flags of `add_sweep` ask for.

    Raises:
        PolicyError: The rules contradict each other.
    """
    return SweepOrder(
        policy=read_policy(parsed, keep_last=keep_last),
        threads=tuple(parsed.thread) or None,
        pins=tuple(parsed.pin),
        skip_threads=tuple(parsed.skip_thread),
        options=Options(
            dry_run=parsed.dry_run,
            full=parsed.full,
            vacuum=_VACUUM[parsed.vacuum],
            store=not parsed.no_store,
            collapse_deltas=parsed.collapse_deltas,
            throttle=None if parsed.no_throttle else Throttle(duty_cycle=parsed.duty_cycle),
        ),
        json=parsed.json,
        every=parsed.every,
        watermark_file=parsed.watermark_file,
    )


def read_policy(parsed: Namespace, *, keep_last: int = DEFAULT_KEEP_LAST) -> Policy:
    """Return the policy that the flags of `add_policy` describe.

    Raises:
        PolicyError: The rules contradict each other.
    """
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
    if "keep_turns" not in given:
        given.setdefault("keep_last", keep_last)
    return Policy(thin_older=parsed.thin_older, keep_gates=not parsed.no_keep_gates, **given)


def duration(text: str) -> timedelta:
    """Read `30d`, `1h30m` and the like.

    Raises:
        argparse.ArgumentTypeError: The text is nothing of the kind.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhdw])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ArgumentTypeError(
            f"a duration is a number and s, m, h, d or w, like 30d or 1h30m, got {text!r}"
        )
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise ArgumentTypeError(f"a share is above 0 and at most 1, got {text!r}")
    return share


def _pin(text: str) -> Pin:
    try:
        return parse_pin(text)
    except PolicyError as error:
        raise ArgumentTypeError(str(error)) from error
