"""DeltaChannel threads, with the graph at hand and without it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from checkpoint_pruner import Policy, sweep
from engine.delta_snapshots import DeltaSnapshots
from tests.pruner.oracle import DURABILITIES, World, compare, open_world
from tests.pruner.zoo import SHAPES

DELTA_SHAPES = [shape for shape in SHAPES.values() if shape.delta]
NOW = timedelta(0)


@pytest.fixture
def delta_world(checkpoint_database: str) -> Iterator[World]:
    yield from open_world(checkpoint_database)


def snapshots(world: World) -> DeltaSnapshots:
    return DeltaSnapshots(
        lambda graph_id, thread_id: world.graphs[thread_id.removeprefix("pruned-").split("-")[0]],
        world.saver,
    )


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("shape", DELTA_SHAPES, ids=lambda shape: shape.name)
def test_a_snapshot_at_the_edge_of_the_window_frees_all_history(
    delta_world: World, shape, durability: str
):
    original = delta_world.build(shape, durability)
    pruned = delta_world.clone(original, f"pruned-{original}")

    report = sweep(
        delta_world.conninfo,
        Policy(keep_last=2, settle=NOW, orphan_grace=NOW),
        threads=[pruned],
        snapshotter=snapshots(delta_world),
        vacuum=False,
    )

    assert "delta history" not in report.kept
    assert (
        compare(delta_world, shape, durability, original=original, pruned=pruned, keep_last=2) == []
    )


def test_without_the_graph_history_stays_and_nothing_is_lost(delta_world: World):
    shape = SHAPES["delta"]
    original = delta_world.build(shape, "sync")
    pruned = delta_world.clone(original, f"pruned-{original}")

    report = sweep(
        delta_world.conninfo,
        Policy(keep_last=2, settle=NOW),
        threads=[pruned],
        vacuum=False,
    )

    assert report.kept["delta history"] > 0
    assert compare(delta_world, shape, "sync", original=original, pruned=pruned, keep_last=2) == []


def test_a_second_sweep_stores_no_snapshot_again(delta_world: World):
    thread = delta_world.build(SHAPES["delta"], "sync")
    settings = {"threads": [thread], "snapshotter": snapshots(delta_world), "vacuum": False}
    policy = Policy(keep_last=2, settle=NOW)
    first = sweep(delta_world.conninfo, policy, **settings)

    second = sweep(delta_world.conninfo, policy, **settings)

    assert first.snapshots > 0
    assert (second.snapshots, second.total_rows) == (0, 0)


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("shape", DELTA_SHAPES, ids=lambda shape: shape.name)
def test_collapsed_history_reads_and_replays_as_before(delta_world: World, shape, durability: str):
    original = delta_world.build(shape, durability)
    pruned = delta_world.clone(original, f"pruned-{original}")
    settings = {"threads": [pruned], "vacuum": False, "collapse_deltas": True}
    exact = {"settle": NOW, "orphan_grace": NOW}

    sweep(delta_world.conninfo, Policy(keep_last=6, **exact), **settings)
    foreseen = sweep(delta_world.conninfo, Policy(keep_last=2, **exact), dry_run=True, **settings)
    done = sweep(delta_world.conninfo, Policy(keep_last=2, **exact), **settings)

    assert (foreseen.rows, foreseen.kept) == (done.rows, done.kept)
    assert (
        compare(delta_world, shape, durability, original=original, pruned=pruned, keep_last=2) == []
    )


def test_a_long_history_collapses_to_the_row_it_begins_with(delta_world: World):
    thread = delta_world.build(SHAPES["delta"], "sync")
    policy = Policy(keep_last=3, settle=NOW)

    report = sweep(
        delta_world.conninfo, policy, threads=[thread], vacuum=False, collapse_deltas=True
    )

    assert report.kept == {"delta history": 1, "window": 3}


def test_a_dry_run_counts_what_snapshots_would_free(delta_world: World):
    thread = delta_world.build(SHAPES["delta"], "sync")
    settings = {"threads": [thread], "snapshotter": snapshots(delta_world), "vacuum": False}
    policy = Policy(keep_last=2, settle=NOW)

    foreseen = sweep(delta_world.conninfo, policy, dry_run=True, **settings)
    done = sweep(delta_world.conninfo, policy, **settings)

    assert (foreseen.rows, foreseen.kept, foreseen.snapshots) == (
        done.rows,
        done.kept,
        done.snapshots,
    )
