"""The oracle has power: whoever takes one rule out of the sweep is caught.

Two kinds of mutants: the pruner's own statements with one clause edited away, and what people write
by hand. Each runs over the shapes that show its fault; the unedited statements pass on the same.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from checkpoint_pruner.plan import plan_parameters
from checkpoint_pruner.statements import planned, statement
from tests.pruner import reference
from tests.pruner.oracle import World, compare
from tests.pruner.zoo import SHAPES
from tests.pruner.zookeeper import exact, sweep_window

Edits = Mapping[str, tuple[str, str]]
"""By statement (`kept`, `delete_blobs`): what it says, what it says instead."""

NAIVE_WINDOW = (
    """
    DELETE FROM checkpoints c USING (
        SELECT thread_id, checkpoint_ns, checkpoint_id, row_number() OVER (
            PARTITION BY thread_id, checkpoint_ns ORDER BY checkpoint_id DESC
        ) AS place
        FROM checkpoints WHERE thread_id = ANY(%(threads)s)
    ) AS o
    WHERE o.place > %(keep_last)s AND c.thread_id = o.thread_id
    AND c.checkpoint_ns = o.checkpoint_ns AND c.checkpoint_id = o.checkpoint_id
    """,
    """
    DELETE FROM checkpoint_writes w WHERE thread_id = ANY(%(threads)s) AND NOT EXISTS (
        SELECT 1 FROM checkpoints c
        WHERE c.thread_id = w.thread_id AND c.checkpoint_ns = w.checkpoint_ns
        AND c.checkpoint_id = w.checkpoint_id
    )
    """,
    """
    DELETE FROM checkpoint_blobs b WHERE thread_id = ANY(%(threads)s) AND NOT EXISTS (
        SELECT 1 FROM checkpoints c
        WHERE c.thread_id = b.thread_id AND c.checkpoint_ns = b.checkpoint_ns
        AND c.checkpoint -> 'channel_versions' ->> b.channel = b.version
    )
    """,
)

DELETED_VERSIONS = """
WITH deleted AS (
    DELETE FROM checkpoints c USING (
        SELECT thread_id, checkpoint_id, row_number() OVER (
            PARTITION BY thread_id ORDER BY checkpoint_id DESC
        ) AS place
        FROM checkpoints WHERE thread_id = ANY(%(threads)s) AND checkpoint_ns = ''
    ) AS o
    WHERE o.place > %(keep_last)s AND c.thread_id = o.thread_id
    AND c.checkpoint_ns = '' AND c.checkpoint_id = o.checkpoint_id
    RETURNING c.*
)
DELETE FROM checkpoint_blobs b USING deleted d
WHERE b.thread_id = d.thread_id AND b.checkpoint_ns = ''
AND d.checkpoint -> 'channel_versions' ->> b.channel = b.version
"""

ORPHAN_SWEEP = NAIVE_WINDOW[1]


def statements(
    conninfo: str, threads: Sequence[str], keep_last: int, edits: Edits | None = None
) -> None:
    """Run the pruner's own statements on some threads, with clauses edited away."""
    edits = dict(edits or {})
    parameters = plan_parameters(list(threads), exact(keep_last), now=datetime.now(UTC))
    with psycopg.connect(conninfo) as connection:
        for name, text in (
            ("kept", planned("delete_unkept").decode()),
            ("delete_blobs", statement("delete_blobs").decode()),
        ):
            if name in edits:
                said, instead = edits.pop(name)
                assert said in text, f"{name}.sql no longer says {said!r}"
                text = text.replace(said, instead)
            connection.execute(text.encode(), parameters)
    assert not edits


def by_hand(*texts: str) -> Callable[[str, Sequence[str], int], None]:
    """Return a pruning that runs handwritten statements."""

    def prune(conninfo: str, threads: Sequence[str], keep_last: int) -> None:
        with psycopg.connect(conninfo) as connection:
            for text in texts:
                connection.execute(text, {"threads": list(threads), "keep_last": keep_last})

    return prune


def edited(edits: Edits) -> Callable[[str, Sequence[str], int], None]:
    """Return a pruning by the pruner's own statements, edited."""
    return lambda conninfo, threads, keep_last: statements(conninfo, threads, keep_last, edits)


def lawless(**rules: bool) -> Callable[[str, Sequence[str], int], None]:
    """Return a pruning by the reference plan without some rules."""
    return lambda conninfo, threads, keep_last: reference.prune(
        conninfo, threads, keep_last, reference.Rules(**rules)
    )


MUTANTS: dict[str, tuple[Callable[..., Any], tuple[str, ...], str]] = {
    "naive window": (by_hand(*NAIVE_WINDOW), ("stateful_child", "plain_child"), "sync"),
    "naive window on DeltaChannels": (by_hand(*NAIVE_WINDOW), ("delta", "delta_gate"), "exit"),
    "versions of the deleted": (by_hand(DELETED_VERSIONS), ("copy", "rarely_written"), "sync"),
    "no floor": (
        edited({"kept": ("WHERE NOT n.is_call\n", "WHERE NOT n.is_call AND false\n")}),
        ("stateful_child", "stateful_child_of_many_steps"),
        "sync",
    ),
    "no floor, by the law": (lawless(floors=False), ("stateful_gate",), "exit"),
    "no bound": (
        edited({"kept": ("(k.checkpoint_id), (found.parent_id)", "(k.checkpoint_id), (NULL)")}),
        ("fork_not_run_yet", "fork_with_stateful_child"),
        "exit",
    ),
    "no bound, by the law": (lawless(bounds=False), ("fork_not_run_yet",), "sync"),
    "no delta": (
        edited(
            {
                "kept": (
                    "WHERE NOT EXISTS (\n        SELECT\n        FROM with_senders",
                    "WHERE false AND NOT EXISTS (\n        SELECT\n        FROM with_senders",
                )
            }
        ),
        ("delta_two_cadences", "delta_gate"),
        "sync",
    ),
    "no delta, by the law": (lawless(deltas=False), ("delta_overwrite_fork",), "sync"),
    "calls outlive their caller": (
        edited({"kept": ("WHERE l.dead IS NOT TRUE", "WHERE true")}),
        ("plain_child", "plain_two_deep"),
        "sync",
    ),
}


def verdict(world: World, prune: Any, names: Sequence[str], durability: str) -> list[str]:
    """Return what the oracle and the leftovers say about a pruning of some shapes, N = 1, 3, 4."""
    found = []
    for name in names:
        shape = SHAPES[name]
        original = world.build(shape, durability)
        for keep_last in (1, 3, 4):
            copy = world.clone(original, f"{original}/{keep_last}")
            prune(world.conninfo, [copy], keep_last)
            found += compare(
                world, shape, durability, original=original, pruned=copy, keep_last=keep_last
            )
            found += [f"leaves {kind}" for kind in world.leftovers(copy)]
    return found


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_oracle_catches_the_mutant(world: World, mutant: str) -> None:
    prune, names, durability = MUTANTS[mutant]

    assert verdict(world, prune, names, durability) != []


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_unedited_statements_pass_where_the_mutant_fails(world: World, mutant: str) -> None:
    _, names, durability = MUTANTS[mutant]

    assert verdict(world, statements, names, durability) == []


def test_an_orphan_sweep_without_grace_loses_what_a_run_saves_in_the_background(
    world: World,
) -> None:
    def hasty(conninfo: str, threads: Sequence[str], keep_last: int) -> None:
        by_hand(ORPHAN_SWEEP)(conninfo, threads, keep_last)

    assert prune_before_the_head_is_saved(world, hasty) != []


def test_the_grace_protects_writes_that_are_saved_before_their_checkpoint(world: World) -> None:
    def graceful(conninfo: str, threads: Sequence[str], keep_last: int) -> None:
        from checkpoint_pruner import Policy, sweep

        sweep(conninfo, Policy(keep_last=keep_last), threads=threads, full=True, vacuum=False)

    assert prune_before_the_head_is_saved(world, graceful) == []


def prune_before_the_head_is_saved(world: World, prune: Any) -> list[str]:
    """Prune while a checkpoint's writes are stored and it is not, as async durability does."""
    shape = SHAPES["gate_open"]
    original = world.build(shape, "async")
    copy = world.clone(original, "held back")
    [head, *_] = world.driver(shape, copy, "async").ids()
    held = hold_back(world, copy, "checkpoints", [head])
    prune(world.conninfo, [copy], 50)
    release(world, copy, "checkpoints", held)
    return compare(world, shape, "async", original=original, pruned=copy, keep_last=3)


def test_a_keep_list_of_another_snapshot_deletes_what_was_saved_since(world: World) -> None:
    shape = SHAPES["chat"]
    original = world.build(shape, "sync")
    copy = world.clone(original, "held back")
    newest = world.driver(shape, copy, "sync").ids()[:3]
    held = hold_back(world, copy, "checkpoints", newest)

    def save(thread_id: str) -> None:
        release(world, thread_id, "checkpoints", held)

    reference.prune(world.conninfo, [copy], 6, between=save)

    differences = compare(world, shape, "sync", original=original, pruned=copy, keep_last=6)
    assert differences != []


def test_checkpoints_saved_while_the_sweep_plans_are_kept(world: World) -> None:
    from checkpoint_pruner import Protection, sweep

    shape = SHAPES["chat"]
    original = world.build(shape, "sync")
    copy = world.clone(original, "held back")
    newest = world.driver(shape, copy, "sync").ids()[:3]
    held = hold_back(world, copy, "checkpoints", newest)

    def save(connection: Any, threads: Sequence[str]) -> Protection:
        if held:
            release(world, copy, "checkpoints", held)
        return Protection()

    sweep(world.conninfo, exact(6), threads=[copy], protect=save, vacuum=False)

    differences = compare(world, shape, "sync", original=original, pruned=copy, keep_last=6)
    assert differences == []


def hold_back(world: World, thread_id: str, table: str, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Take rows of root checkpoints out of a table and return them."""
    rows = world.connection.execute(
        f"DELETE FROM {table} WHERE thread_id = %s AND checkpoint_ns = ''"
        " AND checkpoint_id = ANY(%s) RETURNING *",
        (thread_id, list(ids)),
    )
    return rows.fetchall()


def release(world: World, thread_id: str, table: str, rows: list[dict[str, Any]]) -> None:
    """Put rows back that were held back, and forget them."""
    while rows:
        row = rows.pop()
        values = [
            psycopg.types.json.Jsonb(value) if isinstance(value, dict) else value
            for value in row.values()
        ]
        places = ", ".join(["%s"] * len(row))
        world.connection.execute(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", values
        )


def test_the_real_sweep_passes_where_every_mutant_fails(world: World) -> None:
    names = sorted({name for _, names, _ in MUTANTS.values() for name in names})

    assert verdict(world, sweep_window, names, "sync") == []
