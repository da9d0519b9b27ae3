"""The running totals of a sweep."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import psycopg

from checkpoint_pruner.batch import Outcome


@dataclass(slots=True)
class Tally:
    """What a sweep has done so far, turned into a `Report` at its end."""

    rows: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    pruned: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    expired: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    stopped: str | None = None
    seen: int = 0
    snapshots: int = 0
    batches: int = 0
    retries: int = 0
    store_rows: int = 0

    def remove(self, table: str, thread_id: str, count: int, size: int) -> None:
        """Count removed rows of one thread."""
        self.rows[table] += count
        self.bytes[table] += size
        self.pruned.add(thread_id)

    def add(self, outcome: Outcome) -> None:
        """Count what one transaction did."""
        for table, by_thread in outcome.removed.items():
            for thread_id, (count, size) in by_thread.items():
                self.remove(table, thread_id, count, size)
        self.kept.update(outcome.kept)
        self.skipped.update(outcome.skipped)
        self.waiting.update(outcome.waiting)
        self.snapshots += outcome.snapshots
        self.batches += 1

    def fail(self, thread_ids: Iterable[str], error: psycopg.Error) -> None:
        """Note threads that could not be worked on, with what the database said."""
        said = str(error).strip().partition("\n")[0]
        self.errors.update(dict.fromkeys(thread_ids, said))
