"""The pruner's law as a plan in plain Python: what must stay, one thread at a time, no concurrency.

Slow and simple on purpose. Each rule can be taken away, which gives a mutant that the oracle has to
catch, and its rows are a second opinion on what the real sweep leaves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

Key = tuple[str, str]
"""Checkpoint namespace and id."""

ROWS = """
SELECT checkpoint_ns AS ns, checkpoint_id AS id, parent_checkpoint_id AS parent,
    checkpoint -> 'channel_versions' AS versions,
    coalesce(checkpoint -> 'channel_values', '{}') AS inline,
    metadata ->> 'source' AS source,
    coalesce(metadata -> 'parents', '{}') AS parents,
    coalesce(metadata -> 'counters_since_delta_snapshot', '{}') AS counters,
    EXISTS (
        SELECT 1 FROM checkpoint_writes w
        WHERE w.thread_id = c.thread_id AND w.checkpoint_ns = c.checkpoint_ns
        AND w.checkpoint_id = c.checkpoint_id AND w.channel = '__interrupt__'
    ) AS waiting
FROM checkpoints c
WHERE thread_id = %s
ORDER BY checkpoint_id DESC
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Which rules of the plan hold; a mutant lacks one."""

    namespaces: bool = True
    """A call lives with its parents; without, every namespace keeps its own newest N."""
    floors: bool = True
    """Stateful children keep the checkpoint that each kept root checkpoint replays from."""
    bounds: bool = True
    """A fork replays from before its parent, with exit durability every checkpoint does: children
    with memory keep that floor too, and the pointer to the parent stays though the parent goes."""
    deltas: bool = True
    """DeltaChannels keep the ancestors they are rebuilt from."""
    leaves: bool = True
    """A branch that waits at a gate is kept."""


def plan(
    rows: Sequence[dict[str, Any]], blobs: set[tuple[str, str, str]], keep_last: int, rules: Rules
) -> set[Key]:
    """Return the keys of the checkpoints that stay, given a thread's rows, newest first."""
    by_namespace: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_namespace.setdefault(row["ns"], []).append(row)
    if not rules.namespaces:
        return {(ns, row["id"]) for ns, found in by_namespace.items() for row in found[:keep_last]}
    root = by_namespace.get("", [])
    parents = {row["parent"] for row in root}
    window = root[:keep_last]
    if rules.leaves:
        window = window + [
            row for row in root[keep_last:] if row["waiting"] and row["id"] not in parents
        ]
    kept: set[Key] = {("", row["id"]) for row in window}
    limits = [
        limit for row in window for limit in (row["id"], rules.bounds and row["parent"]) if limit
    ]
    for ns in sorted(by_namespace, key=lambda name: (name.count("|"), name)):
        if not ns:
            continue
        found = by_namespace[ns]
        newest = found[0]
        if ":" not in ns:
            kept.add((ns, newest["id"]))
            if rules.floors:
                for limit in limits:
                    before = [row["id"] for row in found if row["id"] < limit]
                    kept.update((ns, item) for item in before[:1])
        elif all(item in kept for item in newest["parents"].items()):
            kept.add((ns, newest["id"]))
    if rules.deltas:
        kept |= ancestors(rows, blobs, kept)
    return kept


def ancestors(
    rows: Sequence[dict[str, Any]], blobs: set[tuple[str, str, str]], kept: set[Key]
) -> set[Key]:
    """Return the ancestors that kept checkpoints rebuild their DeltaChannels from."""
    by_key = {(row["ns"], row["id"]): row for row in rows}
    needed: set[Key] = set()
    for key in kept:
        for channel in by_key[key]["counters"]:
            row: dict[str, Any] | None = by_key[key]
            while row is not None:
                stored = (row["ns"], channel, row["versions"].get(channel)) in blobs
                if stored or row["inline"].get(channel) is not None:
                    break
                row = by_key.get((row["ns"], row["parent"]))
                if row is not None:
                    needed.add((row["ns"], row["id"]))
    return needed


def prune(
    conninfo: str,
    threads: Sequence[str],
    keep_last: int,
    rules: Rules | None = None,
    between: Callable[[str], None] | None = None,
) -> None:
    """Prune threads by the plan; `between` is called when the keep list is read, before it acts."""
    rules = rules or Rules()
    with psycopg.connect(conninfo, autocommit=True, row_factory=dict_row) as connection:
        for thread_id in threads:
            rows = connection.execute(ROWS, (thread_id,)).fetchall()
            blobs = {
                (row["checkpoint_ns"], row["channel"], row["version"])
                for row in connection.execute(
                    "SELECT checkpoint_ns, channel, version FROM checkpoint_blobs"
                    " WHERE thread_id = %s AND type <> 'empty'",
                    (thread_id,),
                )
            }
            kept = plan(rows, blobs, keep_last, rules)
            doomed = {(row["ns"], row["id"]) for row in rows} - kept
            if between:
                between(thread_id)
                # The mutant's fault: everything that is not on a list of the past goes.
                doomed = {
                    (row["ns"], row["id"])
                    for row in connection.execute(ROWS, (thread_id,)).fetchall()
                } - kept
            delete(connection, thread_id, doomed, keep_bounds=rules.bounds)


def delete(
    connection: psycopg.Connection[Any], thread_id: str, doomed: set[Key], *, keep_bounds: bool
) -> None:
    """Delete checkpoints, their writes, the blobs nobody refers to, and dangling parents."""
    spaces, ids = [key[0] for key in doomed], [key[1] for key in doomed]
    for table in ("checkpoints", "checkpoint_writes"):
        connection.execute(
            f"DELETE FROM {table} t USING unnest(%s::text[], %s::text[]) AS d (ns, id)"
            " WHERE t.thread_id = %s AND t.checkpoint_ns = d.ns AND t.checkpoint_id = d.id",
            (spaces, ids, thread_id),
        )
    connection.execute(
        "DELETE FROM checkpoint_blobs b WHERE b.thread_id = %s AND NOT EXISTS ("
        " SELECT 1 FROM checkpoints c WHERE c.thread_id = b.thread_id"
        " AND c.checkpoint_ns = b.checkpoint_ns"
        " AND c.checkpoint -> 'channel_versions' ->> b.channel = b.version)",
        (thread_id,),
    )
    connection.execute(
        "UPDATE checkpoints c SET parent_checkpoint_id = NULL WHERE c.thread_id = %(thread_id)s"
        " AND NOT (c.checkpoint_ns = '' AND %(keep_bounds)s AND EXISTS ("
        " SELECT 1 FROM checkpoints s WHERE s.thread_id = c.thread_id"
        " AND s.checkpoint_ns > '' AND strpos(s.checkpoint_ns, ':') = 0))"
        " AND NOT EXISTS (SELECT 1 FROM checkpoints p WHERE p.thread_id = c.thread_id"
        " AND p.checkpoint_ns = c.checkpoint_ns AND p.checkpoint_id = c.parent_checkpoint_id)",
        {"thread_id": thread_id, "keep_bounds": keep_bounds},
    )
