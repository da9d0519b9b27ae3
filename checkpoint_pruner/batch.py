"""One batch: the statements of one transaction and what came of them."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import Connection

from checkpoint_pruner.delta import DeltaSnapshotter, Snapshot, rebuild, store
from checkpoint_pruner.plan import plan_parameters
from checkpoint_pruner.policy import Pin, Policy
from checkpoint_pruner.statements import planned, statement

BUSY = "busy"
LANGGRAPH_JS = "written by LangGraph.js, whose history rules are not proven here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """What the caller knows about a batch of threads and the checkpoint tables do not."""

    busy: Collection[str] = ()
    """Threads to leave alone this time."""
    pins: Iterable[Pin] = ()
    """Checkpoints that stay: loaded by a live run, asked about at an open gate, chosen by hand."""


Protect = Callable[[Connection[Any], Sequence[str]], Protection]
"""Asked once per batch, on the pruner's connection and inside the batch's transaction.

Locks that it takes there are held until the batch has committed.
"""


@dataclass(slots=True)
class Outcome:
    """What one transaction removed and kept."""

    removed: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    """By table, then by thread: rows and stored bytes."""
    kept: Counter[str] = field(default_factory=Counter)
    """Checkpoints by the reason that keeps them."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Threads left alone, with the reason."""
    waiting: set[str] = field(default_factory=set)
    """Threads whose values are left to a later sweep."""
    snapshots: int = 0
    """DeltaChannel values stored."""

    def add(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Count removed rows given as `(thread_id, rows, bytes)`."""
        by_thread = self.removed.setdefault(table, {})
        for thread_id, count, size in rows:
            before = by_thread.get(thread_id, (0, 0))
            by_thread[thread_id] = (before[0] + count, before[1] + size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some threads and everything that decides what they lose."""

    thread_ids: Sequence[str]
    """Threads of the batch, each once."""
    policy: Policy
    """What stays."""
    now: datetime
    """The database's clock when the sweep began."""
    pins: Sequence[Pin] = ()
    """Checkpoints that stay regardless."""
    protect: Protect | None = None
    """Asked for busy threads and more pins."""
    snapshotter: DeltaSnapshotter | None = None
    """Stores DeltaChannel values at the edge of the window."""
    collapse_deltas: bool = False
    """Move DeltaChannel history that has to stay onto its first row."""
    collect_all: bool = False
    """Also remove what others left behind in these threads."""
    guarded: bool = True
    """Whether the guard refuses saves that would name values which went."""
    eligible_from: str = ""
    """Lowest checkpoint id that may go in this transaction."""
    blobs: bool = True
    """Delete values in the same transaction."""

    def run(self, connection: Connection[Any]) -> Outcome:
        """Remove what nothing keeps, in one transaction."""
        outcome = Outcome()
        snapshots = self._rebuild(connection)
        with connection.transaction():
            thread_ids, parameters = self._prepare(connection, snapshots, outcome)
            if not thread_ids:
                return outcome
            self._read(connection.execute(planned("delete_unkept"), parameters), outcome)
            pruned = sorted(outcome.removed.get("checkpoints", ()))
            if self.collect_all:
                rows = connection.execute(statement("delete_orphan_writes"), parameters)
                outcome.add("checkpoint_writes", rows)
            doomed = thread_ids if self._every_value else pruned
            if self.blobs and doomed:
                settled = [t for t in doomed if t not in outcome.waiting]
                outcome.add("checkpoint_blobs", delete_blobs(connection, settled))
        return outcome

    def count(self, connection: Connection[Any]) -> Outcome:
        """Count what `run` would remove, by the same plan, in a transaction that is rolled back."""
        outcome = Outcome()
        snapshots = self._rebuild(connection)
        with connection.transaction(force_rollback=True):
            thread_ids, parameters = self._prepare(connection, snapshots, outcome)
            if thread_ids:
                parameters["collect_all"] = self.collect_all
                parameters["every_value"] = self._every_value
                self._read(connection.execute(planned("count_unkept"), parameters), outcome)
        return outcome

    @property
    def _every_value(self) -> bool:
        """Return whether values are looked for in threads, too, that lose no checkpoint."""
        return self.collect_all or not self.guarded

    def _rebuild(self, connection: Connection[Any]) -> list[Snapshot]:
        if self.snapshotter is None:
            return []
        parameters = self._parameters(connection, self.thread_ids, self.pins)
        return rebuild(connection, parameters, self.snapshotter)

    def _prepare(
        self, connection: Connection[Any], snapshots: Sequence[Snapshot], outcome: Outcome
    ) -> tuple[list[str], dict[str, Any]]:
        """Admit threads, shorten their DeltaChannel history, and return the plan's parameters."""
        thread_ids, pins = self._admit(connection, outcome)
        if not thread_ids:
            return [], {}
        admitted = frozenset(thread_ids)
        outcome.snapshots = store(
            connection, (s for s in snapshots if s.boundary.thread_id in admitted)
        )
        parameters = self._parameters(connection, thread_ids, pins)
        if self.collapse_deltas:
            connection.execute(planned("collapse_history"), parameters)
        return thread_ids, parameters

    def _admit(
        self, connection: Connection[Any], outcome: Outcome
    ) -> tuple[list[str], Sequence[Pin]]:
        given = {"thread_ids": list(self.thread_ids)}
        foreign = connection.execute(statement("select_foreign"), given)
        outcome.skipped.update((thread_id, LANGGRAPH_JS) for (thread_id,) in foreign)
        pins = self.pins
        if self.protect is not None:
            protection = self.protect(connection, self.thread_ids)
            here = set(protection.busy).intersection(self.thread_ids)
            outcome.skipped.update((thread_id, BUSY) for thread_id in here)
            pins = [*pins, *(Pin(*pin) for pin in protection.pins)]
        return [t for t in self.thread_ids if t not in outcome.skipped], pins

    def _parameters(
        self, connection: Connection[Any], thread_ids: Sequence[str], pins: Sequence[Pin]
    ) -> dict[str, Any]:
        graphs: Mapping[str, str | None] = {}
        if self.policy.by_graph:
            given = {"thread_ids": list(thread_ids)}
            graphs = dict(connection.execute(statement("select_graphs"), given).fetchall())
        return plan_parameters(
            thread_ids,
            self.policy,
            now=self.now,
            pins=pins,
            graphs=graphs,
            guarded=self.guarded,
            eligible_from=self.eligible_from,
        )

    @staticmethod
    def _read(rows: Iterable[Sequence[Any]], outcome: Outcome) -> None:
        for kind, name, count, size in rows:
            if kind == "kept":
                outcome.kept[name] += count
            elif kind == "waiting":
                outcome.waiting.add(name)
            else:
                outcome.add(kind, [(name, count, size)])


def delete_blobs(
    connection: Connection[Any], thread_ids: Sequence[str]
) -> list[tuple[str, int, int]]:
    """Delete the values that no checkpoint names, in a snapshot of its own.

    That snapshot is younger than the one which chose the checkpoints, so that a checkpoint saved
    meanwhile keeps what it names.

    Returns:
        Rows and stored bytes by thread.
    """
    return connection.execute(
        statement("delete_blobs"), {"thread_ids": list(thread_ids)}
    ).fetchall()
