"""Deletes whole threads that have been idle for too long."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from checkpoint_pruner.batch import Outcome, Protect
from checkpoint_pruner.plan import lowest_id
from checkpoint_pruner.policy import Pin, Policy
from checkpoint_pruner.statements import planned


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """Some threads that may have been idle for too long."""

    thread_ids: Sequence[str]
    """Threads to look at."""
    policy: Policy
    """How long a thread may idle."""
    now: datetime
    """The database's clock when the sweep began."""
    pins: Sequence[Pin] = ()
    """Checkpoints whose threads stay."""
    protect: Protect | None = None
    """Asked for busy threads and more pins."""
    dry_run: bool = False
    """Count only."""

    def run(self, connection: Connection[Any]) -> Outcome:
        """Delete the threads that are idle, wait for nobody and run nothing, in one transaction."""
        outcome = Outcome()
        with connection.transaction():
            pins = self.pins
            busy: frozenset[str] = frozenset()
            if self.protect is not None:
                protection = self.protect(connection, self.thread_ids)
                busy = frozenset(protection.busy)
                pins = [*pins, *(Pin(*pin) for pin in protection.pins)]
            limits = {t: self.policy.of(t).expire_after for t in self.thread_ids if t not in busy}
            floors = {t: lowest_id(self.now - age) for t, age in limits.items() if age is not None}
            rows = connection.execute(
                planned("count_idle" if self.dry_run else "delete_idle", plan="idle"),
                {
                    "thread_ids": list(floors),
                    "expiry_floor": list(floors.values()),
                    "pin_threads": [pin[0] for pin in pins],
                },
            )
            for table, thread_id, count, size in rows:
                outcome.add(table, [(thread_id, count, size)])
        return outcome
