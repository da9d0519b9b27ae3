"""What a checkpoint database holds, how it grows and what a policy would free."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from checkpoint_pruner.drift import check_schema
from checkpoint_pruner.plan import lowest_id
from checkpoint_pruner.policy import Pin, Policy
from checkpoint_pruner.report import TableSize, format_bytes
from checkpoint_pruner.session import Options, connect, read_state
from checkpoint_pruner.statements import statement
from checkpoint_pruner.sweep import sweep
from checkpoint_pruner.vacuum import read_sizes

_DAYS = 7
_PROPOSALS = (
    Policy(keep_last=1),
    Policy(keep_last=20),
    Policy(keep_last=100),
    Policy(keep_turns=10),
    Policy(older_than=timedelta(days=30)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A thread or a channel, and what it takes."""

    name: str
    """Thread id or channel."""
    rows: int
    """Checkpoints of the thread, or stored values of the channel."""
    bytes: int
    """Stored bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What one policy would free."""

    policy: str
    """Its window, in a sentence."""
    rows: Mapping[str, int]
    """Rows that would go, by table."""
    bytes: int
    """Stored bytes that would go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """State of a checkpoint database."""

    threads: int
    """Threads with at least one checkpoint."""
    sizes: tuple[TableSize, ...]
    """The three tables."""
    checkpoints_per_day: tuple[int, ...]
    """Checkpoints saved on each of the last seven days, the latest first."""
    bytes_per_day: int
    """Growth, estimated from the average over those days and the size per checkpoint."""
    biggest_threads: tuple[Holder, ...]
    """By stored bytes, largest first."""
    biggest_channels: tuple[Holder, ...]
    """By stored bytes, largest first."""
    proposals: tuple[Proposal, ...]
    """What some policies would free; empty when not asked for."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON shapes."""
        return asdict(self)

    def to_json(self) -> str:
        """Return one JSON document."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True)

    def to_text(self) -> str:
        """Return the findings for a person."""
        total = sum(size.total_bytes for size in self.sizes)
        lines = [f"{self.threads:,} threads, {format_bytes(total)}"]
        lines += [
            f"  {size.table:<18} {format_bytes(size.total_bytes):>10}  {size.live_rows:>12,} live"
            f" {size.dead_rows:>10,} dead  heap {format_bytes(size.heap_bytes)},"
            f" toast {format_bytes(size.toast_bytes)}, indexes {format_bytes(size.index_bytes)}"
            for size in self.sizes
        ]
        lines.append(
            f"grows by about {format_bytes(self.bytes_per_day)} a day"
            f" (checkpoints of the last {_DAYS} days: "
            f"{', '.join(f'{count:,}' for count in self.checkpoints_per_day)})"
        )
        for title, holders in (
            ("biggest threads", self.biggest_threads),
            ("biggest channels", self.biggest_channels),
        ):
            lines.append(f"{title}:")
            lines += [
                f"  {format_bytes(holder.bytes):>10} {holder.rows:>10,} rows  {holder.name}"
                for holder in holders
            ]
        if self.proposals:
            lines.append("what a sweep would free:")
            lines += [
                f"  {format_bytes(proposal.bytes):>10} {sum(proposal.rows.values()):>10,} rows"
                f"  {proposal.policy}"
                for proposal in self.proposals
            ]
        return "\n".join(lines)


def find_missing(
    conninfo: str, thread_ids: Iterable[str] = (), pins: Iterable[Pin] = ()
) -> tuple[str, ...]:
    """Return the threads and pins for which nothing is stored, as text.

    Raises:
        SchemaDriftError: The tables are not the ones this release knows.
    """
    named = list(pins)
    parameters = {
        "thread_ids": list(thread_ids),
        "pin_threads": [pin.thread_id for pin in named],
        "pin_namespaces": [pin.checkpoint_ns for pin in named],
        "pin_ids": [pin.checkpoint_id for pin in named],
    }
    with connect(conninfo, Options()) as connection:
        check_schema(connection)
        rows = connection.execute(statement("select_missing"), parameters).fetchall()
    return tuple(text for (text,) in rows)


def inspect(
    conninfo: str, *, policies: Sequence[Policy] | None = None, top: int = 10
) -> Inspection:
    """Look at a checkpoint database; reads every row once, and once more per policy.

    Args:
        conninfo: Connection string.
        policies: Policies to try out in dry runs; None takes a few usual ones.
        top: How many of the biggest threads and channels to name.

    Raises:
        SchemaDriftError: The tables are not the ones this release knows.
        AlreadyRunningError: A sweep is at work, and dry runs would disturb it.
    """
    options = Options(statement_timeout_seconds=600.0)
    with connect(conninfo, options) as connection:
        check_schema(connection)
        now = read_state(connection).now
        sizes = read_sizes(connection)
        floors = [lowest_id(now - timedelta(days=day)) for day in range(_DAYS + 1)]
        row = connection.execute(statement("read_growth"), {"floors": floors}).fetchone()
        threads, checkpoints, per_day = row or (0, 0, [])
        biggest = {
            name: tuple(
                Holder(name=holder, rows=rows, bytes=size)
                for holder, rows, size in connection.execute(statement(name), {"top": top})
            )
            for name in ("select_biggest_threads", "select_biggest_channels")
        }
    total = sum(size.total_bytes for size in sizes)
    return Inspection(
        threads=threads,
        sizes=sizes,
        checkpoints_per_day=tuple(per_day),
        bytes_per_day=int(total / checkpoints * sum(per_day) / _DAYS) if checkpoints else 0,
        biggest_threads=biggest["select_biggest_threads"],
        biggest_channels=biggest["select_biggest_channels"],
        proposals=tuple(
            _propose(conninfo, policy, options)
            for policy in (_PROPOSALS if policies is None else policies)
        ),
    )


def _propose(conninfo: str, policy: Policy, options: Options) -> Proposal:
    report = sweep(conninfo, policy, dry_run=True, options=options)
    return Proposal(policy=policy.describe()[0], rows=dict(report.rows), bytes=report.total_bytes)
