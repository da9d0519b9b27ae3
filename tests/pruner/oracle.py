"""The differential oracle: a pruned thread against an unpruned copy of itself.

The law: after any sweep, every kept checkpoint reads, replays, resumes and goes on exactly as it
would have without the sweep, and nothing that no kept checkpoint needs is left behind.
"""

import json
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.types import Command, StateSnapshot
from psycopg.rows import dict_row

from tests.pruner.zoo import TRACE, Driver, Shape

DURABILITIES = ("sync", "async", "exit")

TABLES = {
    "checkpoints": "checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata",
    "checkpoint_blobs": "checkpoint_ns, channel, version, type, blob",
    "checkpoint_writes": (
        "checkpoint_ns, checkpoint_id, task_id, idx, channel, type, blob, task_path"
    ),
}

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}")

Prune = Callable[[str, Sequence[str], int], Any]
"""Prune the threads of a database (connection string) to a window of N checkpoints."""

LEFTOVERS = """
SELECT
    (
        SELECT count(*) FROM checkpoint_blobs b
        WHERE b.thread_id = %(thread_id)s AND NOT EXISTS (
            SELECT 1 FROM checkpoints c
            WHERE c.thread_id = b.thread_id AND c.checkpoint_ns = b.checkpoint_ns
            AND c.checkpoint -> 'channel_versions' ->> b.channel = b.version
        )
    ) AS blobs,
    (
        SELECT count(*) FROM checkpoint_writes w
        WHERE w.thread_id = %(thread_id)s AND NOT EXISTS (
            SELECT 1 FROM checkpoints c
            WHERE c.thread_id = w.thread_id AND c.checkpoint_ns = w.checkpoint_ns
            AND c.checkpoint_id = w.checkpoint_id
        )
    ) AS writes,
    (
        SELECT count(DISTINCT c.checkpoint_ns) FROM checkpoints c
        CROSS JOIN LATERAL jsonb_each_text(c.metadata -> 'parents') p
        WHERE c.thread_id = %(thread_id)s AND strpos(c.checkpoint_ns, ':') > 0
        AND NOT EXISTS (
            SELECT 1 FROM checkpoints r
            WHERE r.thread_id = c.thread_id AND r.checkpoint_ns = p.key
            AND r.checkpoint_id = p.value
        )
    ) AS calls
"""

IDS = """
SELECT checkpoint_id FROM checkpoints
WHERE thread_id = %s AND checkpoint_ns = '' ORDER BY checkpoint_id DESC
"""

PLACES = """
SELECT checkpoint_id, (metadata ->> 'step')::integer AS step, metadata ->> 'source' AS source
FROM checkpoints WHERE thread_id = %s AND checkpoint_ns = '' ORDER BY checkpoint_id DESC
"""

FINGERPRINT = """
SELECT array_agg(version ORDER BY version) AS versions
FROM (
    SELECT 'c' || ctid || ' ' || xmin AS version FROM checkpoints WHERE thread_id = %(thread_id)s
    UNION ALL
    SELECT 'b' || ctid || ' ' || xmin FROM checkpoint_blobs WHERE thread_id = %(thread_id)s
    UNION ALL
    SELECT 'w' || ctid || ' ' || xmin FROM checkpoint_writes WHERE thread_id = %(thread_id)s
) AS row
"""


@dataclass(slots=True)
class World:
    """A database with LangGraph's tables, and what was observed on its threads."""

    conninfo: str
    saver: PostgresSaver
    connection: psycopg.Connection[dict[str, Any]]
    seen: dict[Hashable, dict[str, Any]] = field(default_factory=dict)
    graphs: dict[str, Any] = field(default_factory=dict)
    scratch: int = 0

    def driver(self, shape: Shape, thread_id: str, durability: str) -> Driver:
        """Return a driver of `thread_id`; one graph per shape serves all threads."""
        if shape.name not in self.graphs:
            self.graphs[shape.name] = shape.build(self.saver)
        return Driver(self.graphs[shape.name], thread_id, durability, home=self)

    def build(self, shape: Shape, durability: str) -> str:
        """Drive a new thread through the shape's story and return its id."""
        thread_id = f"{shape.name}-{durability}"
        shape.drive(self.driver(shape, thread_id, durability))
        return thread_id

    def clone(self, source: str, target: str) -> str:
        """Copy all rows of one thread under another thread id."""
        for table, columns in TABLES.items():
            self.connection.execute(
                f"INSERT INTO {table} (thread_id, {columns})"
                f" SELECT %s, {columns} FROM {table} WHERE thread_id = %s",
                (target, source),
            )
        return target

    def forget(self, thread_id: str) -> None:
        """Delete all rows of a thread."""
        for table in TABLES:
            self.connection.execute(f"DELETE FROM {table} WHERE thread_id = %s", (thread_id,))

    def ids(self, thread_id: str) -> list[str]:
        """Return the ids of the root graph's checkpoints, newest first."""
        rows = self.connection.execute(IDS, (thread_id,))
        return [row["checkpoint_id"] for row in rows]

    def places(self, thread_id: str) -> dict[str, tuple[int | None, str | None]]:
        """Return step and source of each of the root graph's checkpoints, newest first, by id."""
        rows = self.connection.execute(PLACES, (thread_id,))
        return {row["checkpoint_id"]: (row["step"], row["source"]) for row in rows}

    def fingerprint(self, thread_id: str) -> Hashable:
        """Return which versions of which rows the thread consists of: another after any change."""
        row = self.connection.execute(FINGERPRINT, {"thread_id": thread_id}).fetchone()
        return tuple(row["versions"] or ())

    def rows(self, thread_id: str) -> dict[str, int]:
        """Return the number of rows of a thread by table."""
        return {
            table: self.connection.execute(
                f"SELECT count(*) AS n FROM {table} WHERE thread_id = %s", (thread_id,)
            ).fetchone()["n"]
            for table in TABLES
        }

    def leftovers(self, thread_id: str) -> dict[str, int]:
        """Count what no checkpoint of the thread refers to; {} when nothing is left behind."""
        row = self.connection.execute(LEFTOVERS, {"thread_id": thread_id}).fetchone()
        return {kind: count for kind, count in row.items() if count}


def open_world(conninfo: str) -> Iterator[World]:
    """Open the saver and a connection of its own on a database; close both when exhausted."""
    with (
        PostgresSaver.from_conn_string(conninfo) as saver,
        psycopg.connect(conninfo, autocommit=True, row_factory=dict_row) as connection,
    ):
        saver.setup()
        yield World(conninfo, saver, connection)


def compare(
    world: World,
    shape: Shape,
    durability: str,
    *,
    original: str,
    pruned: str,
    keep_last: int,
) -> list[str]:
    """Return every difference between a pruned thread and the original it was cloned from.

    Compared are the newest `keep_last` root checkpoints, whatever else the sweep kept of the root
    graph (pins, open gates; not the ancestors that a DeltaChannel is rebuilt from), and the head.
    """
    before = world.driver(shape, original, durability)
    after = world.driver(shape, pruned, durability)
    kept = after.ids()
    window = before.ids()[:keep_last]
    missing = [f"{checkpoint} is missing" for checkpoint in window if checkpoint not in kept]
    targets: list[str | None] = [None, *(window if shape.delta else kept)]
    return missing + [
        difference
        for target in targets
        if target in kept or target is None
        for difference in differences(world, before, after, shape, target)
    ]


def differences(
    world: World,
    before: Driver,
    after: Driver,
    shape: Shape,
    target: str | None,
    counterpart: str | None = None,
    *,
    probing: bool = True,
    turn: int | None = None,
) -> list[str]:
    """Compare one checkpoint (None: the head) by reading it and, if `probing`, by going on from it.

    Going on means in every way there is, or with a `turn` in one, by turns. Clones share their
    ids; threads that were driven apart name the `counterpart` of the target in `before`, and are
    compared without ids.
    """
    exact = counterpart is None and target is not None
    expected, actual = (
        seen(world, driver, shape, checkpoint, exact=exact, probing=probing, turn=turn)
        for driver, checkpoint in ((before, counterpart or target), (after, target))
    )
    return [
        f"{target or 'head'} {probe}:\n"
        f"  expected {expected.get(probe)}\n  actual   {actual.get(probe)}"
        for probe in sorted(expected.keys() | actual.keys())
        if expected.get(probe) != actual.get(probe)
    ]


def seen(
    world: World, driver: Driver, shape: Shape, target: str | None, **how: Any
) -> dict[str, Any]:
    """Observe one checkpoint, unless that was done since any row of its thread has changed."""
    home = driver.home or world
    rows = home.fingerprint(driver.thread_id)
    key = (driver.thread_id, target, *how.items(), rows)
    if key not in world.seen:
        world.seen[key] = observe(world, driver, shape, target, **how)
    return world.seen[key]


def observe(
    world: World,
    driver: Driver,
    shape: Shape,
    target: str | None,
    *,
    exact: bool,
    probing: bool,
    turn: int | None,
) -> dict[str, Any]:
    """Read one checkpoint, then replay it, answer it and feed it, each on a scratch copy."""
    snapshot = driver.state(target)
    facts: dict[str, Any] = {"state": dump(describe(snapshot, exact=exact), driver.thread_id)}
    if not probing:
        return facts
    answers = {item.id: {"answered": True} for item in snapshot.interrupts}
    probes: dict[str, list[Any]] = {"replay": [None], "feed": [shape.feed(100)]}
    if answers:
        probes["answer"] = [Command(resume=answers), shape.feed(101)]
        first = {min(snapshot.interrupts, key=lambda item: dump(item.value)).id: {"answered": 1}}
        probes["answer one"] = [Command(resume=first)]
    else:
        probes["feed"].append(shape.feed(102))
    chosen = list(probes) if turn is None else [list(probes)[turn % len(probes)]]
    for probe, inputs in ((probe, probes[probe]) for probe in chosen):
        world.scratch += 1
        home = driver.home or world
        scratch = home.clone(driver.thread_id, f"scratch-{world.scratch}")
        copy = Driver(driver.graph, scratch, driver.durability, home=home)
        facts[probe] = [
            attempt(copy, value, target if index == 0 else None)
            for index, value in enumerate(inputs)
        ]
        home.forget(scratch)
    return facts


def attempt(driver: Driver, value: Any, target: str | None) -> str:
    """Invoke once and return what came of it: result or error, nodes that ran, the new head."""
    TRACE.clear()
    try:
        result: Any = driver.run(value, target)
        if isinstance(result, dict) and "__interrupt__" in result:
            # Parallel tasks stop in any order.
            result["__interrupt__"] = sorted(dump(item.value) for item in result["__interrupt__"])
    except Exception as error:  # an outcome too, which both sides must share
        result = f"{type(error).__name__}: {error}"
    head = describe(driver.state(), exact=False)
    return UUID.sub("<id>", dump([result, sorted(TRACE), head], driver.thread_id))


def describe(snapshot: StateSnapshot, *, exact: bool) -> dict[str, Any]:
    """Return a snapshot as plain data: with its ids and instant if `exact`, without if not.

    The parent is left out: it may have been pruned.
    """
    metadata = dict(snapshot.metadata or {})
    facts = {
        "values": snapshot.values,
        "next": sorted(snapshot.next),
        "source": metadata.get("source"),
        "step": metadata.get("step"),
        "tasks": sorted(
            (
                {
                    "id": task.id if exact else None,
                    "name": task.name,
                    "path": task.path,
                    "error": repr(task.error),
                    "result": task.result,
                    "interrupts": [
                        {"id": item.id if exact else None, "value": item.value}
                        for item in task.interrupts
                    ],
                    "state": (
                        describe(task.state, exact=exact)
                        if isinstance(task.state, StateSnapshot)
                        else task.state
                    ),
                }
                for task in snapshot.tasks
            ),
            key=lambda task: dump([task["name"], task["path"], task["interrupts"]]),
        ),
    }
    if exact:
        facts |= {
            "config": snapshot.config,
            "created_at": snapshot.created_at,
            "parents": metadata.get("parents"),
        }
    return facts


def dump(value: Any, thread_id: str = "") -> str:
    """Return a canonical text of plain data, blind to the thread's name."""
    text = json.dumps(value, sort_keys=True, default=repr)
    return text.replace(json.dumps(thread_id), '"<thread>"') if thread_id else text
