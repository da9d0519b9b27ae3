"""What a sweep did: a value to print, to store, to count."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSize:
    """Space and rows of one table, as the server counts them."""

    table: str
    """Name of the table."""
    live_rows: int
    """Rows in use, estimated."""
    dead_rows: int
    """Deleted rows whose space is not reusable yet, estimated."""
    heap_bytes: int
    """Main storage."""
    toast_bytes: int
    """Out-of-line storage of large values, its index included."""
    index_bytes: int
    """All indexes."""

    @property
    def total_bytes(self) -> int:
        """Return all the space the table takes."""
        return self.heap_bytes + self.toast_bytes + self.index_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Vacuum:
    """One VACUUM, done or not."""

    table: str
    """Name of the table."""
    seconds: float
    """Time it took; 0 when it was not run."""
    problem: str | None
    """Why it was not run; None when it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """What the next sweep needs to see that there is nothing to do."""

    database: int
    """Identity of the database."""
    policy: str
    """Digest of the policy that the sweep was run with."""
    inserted: int
    """Rows ever inserted into `checkpoints`, read before the sweep looked."""
    stats_reset: float | None
    """When the server's counters were last reset, seconds since 1970."""
    since: str
    """Lowest checkpoint id that the sweep may not have seen."""
    expires_at: float | None
    """When time alone may have made garbage, seconds since 1970; None means never."""
    waiting: tuple[str, ...] = ()
    """Threads whose values were left to a later sweep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Result of one sweep."""

    started_at: datetime
    """Start, by the database's clock."""
    duration_seconds: float
    """Wall-clock time."""
    dry_run: bool
    """True when nothing was deleted and the numbers say what would be."""
    policy: tuple[str, ...]
    """What was kept and why, in sentences."""
    guarded: bool
    """Whether the guard trigger protects writers."""
    threads_seen: int = 0
    """Threads looked at."""
    threads_pruned: int = 0
    """Threads that lost at least one row."""
    threads_expired: tuple[str, ...] = ()
    """Idle threads deleted whole."""
    rows: Mapping[str, int] = field(default_factory=dict)
    """Rows removed, by table."""
    bytes: Mapping[str, int] = field(default_factory=dict)
    """Stored bytes of the removed rows' values, by table."""
    kept: Mapping[str, int] = field(default_factory=dict)
    """Checkpoints kept in the threads looked at, by reason; one may count under several."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Threads left alone, with the reason."""
    errors: Mapping[str, str] = field(default_factory=dict)
    """Threads that could not be worked on, with what the database said."""
    waiting: tuple[str, ...] = ()
    """Threads whose values wait for a later sweep: a run may still be about to name them."""
    stopped: str | None = None
    """Why the sweep ended before its end; None when it did not."""
    snapshots: int = 0
    """DeltaChannel values stored so that their history could go."""
    batches: int = 0
    """Transactions committed."""
    retries: int = 0
    """Transactions given up for a timeout or deadlock and tried again in smaller batches."""
    paused_seconds: float = 0.0
    """Time spent waiting for the sake of writers."""
    store_rows: int = 0
    """Expired items removed from LangGraph's store."""
    vacuums: tuple[Vacuum, ...] = ()
    """Tables vacuumed, or why not."""
    sizes: tuple[TableSize, ...] = ()
    """Tables after the sweep; empty when nothing was removed."""
    watermark: Watermark | None = None
    """Give it to the next sweep, which is then a few milliseconds when nothing was written."""

    @property
    def total_rows(self) -> int:
        """Return all rows removed from the checkpoint tables."""
        return sum(self.rows.values())

    @property
    def total_bytes(self) -> int:
        """Return the stored bytes of all removed values."""
        return sum(self.bytes.values())

    def to_dict(self) -> dict[str, Any]:
        """Return JSON shapes, instants in ISO 8601."""
        document = asdict(self)
        document["started_at"] = self.started_at.isoformat()
        document["total_rows"] = self.total_rows
        document["total_bytes"] = self.total_bytes
        return document

    def to_json(self) -> str:
        """Return the report as one JSON document."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True)

    def to_text(self) -> str:
        """Return the report for a person."""
        return "\n".join(_lines(self))


def format_bytes(size: float) -> str:
    """Return a size in the largest binary unit below it."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TB"


def _lines(report: Report) -> list[str]:
    verb = "would remove" if report.dry_run else "removed"
    lines = [
        f"{verb} {report.total_rows:,} rows ({format_bytes(report.total_bytes)}) "
        f"from {report.threads_pruned:,} of {report.threads_seen:,} threads "
        f"in {report.duration_seconds:.2f} s"
    ]
    lines += [
        f"  {table:<18} {report.rows.get(table, 0):>12,} rows"
        f" {format_bytes(report.bytes.get(table, 0)):>12}"
        for table in TABLES
    ]
    if report.threads_expired:
        lines.append(f"  {len(report.threads_expired):,} idle threads deleted whole")
    if report.store_rows:
        lines.append(f"  {report.store_rows:,} expired store items")
    if report.snapshots:
        lines.append(f"  {report.snapshots:,} DeltaChannel values stored")
    if report.kept:
        lines.append("kept because:")
        lines += [f"  {reason:<20} {count:>10,}" for reason, count in sorted(report.kept.items())]
    lines += [f"skipped {thread!r}: {why}" for thread, why in sorted(report.skipped.items())]
    lines += [f"failed {thread!r}: {why}" for thread, why in sorted(report.errors.items())]
    if report.waiting:
        lines.append(
            f"values of {len(report.waiting):,} threads wait until no run can name them any more;"
            " with the guard (checkpoint-pruner guard install) they need not"
        )
    if report.stopped:
        lines.append(f"stopped before the end: {report.stopped}")
    lines += [
        f"vacuum {vacuum.table}: {vacuum.problem or f'{vacuum.seconds:.2f} s'}"
        for vacuum in report.vacuums
    ]
    lines += [
        f"{size.table:<18} {format_bytes(size.total_bytes):>10}"
        f" (heap {format_bytes(size.heap_bytes)}, toast {format_bytes(size.toast_bytes)},"
        f" indexes {format_bytes(size.index_bytes)};"
        f" {size.live_rows:,} live rows, {size.dead_rows:,} dead)"
        for size in report.sizes
    ]
    return lines
