"""The differential oracle over the whole zoo: a pruned thread is as good as an unpruned one."""

from datetime import timedelta

import pytest

from checkpoint_pruner import Policy, sweep
from tests.pruner import reference
from tests.pruner.oracle import DURABILITIES
from tests.pruner.zoo import SHAPES
from tests.pruner.zookeeper import Zoo, exact, mismatches, sweep_window

WINDOWS = (1, 2, 5)
MORE_WINDOWS = (3, 4, 8, 12)

pytestmark = pytest.mark.xdist_group("zoo")  # driven once per worker


@pytest.mark.parametrize("keep_last", WINDOWS)
@pytest.mark.parametrize("name", SHAPES)
def test_a_swept_thread_reads_replays_and_resumes_as_the_unpruned_one(
    zoo: Zoo, name: str, keep_last: int
) -> None:
    copies = zoo.window(sweep_window, keep_last)

    assert mismatches(zoo, name, copies, keep_last) == []


@pytest.mark.long
@pytest.mark.parametrize("keep_last", MORE_WINDOWS)
@pytest.mark.parametrize("name", SHAPES)
def test_every_other_window_is_exact_too(zoo: Zoo, name: str, keep_last: int) -> None:
    copies = zoo.window(sweep_window, keep_last)

    assert mismatches(zoo, name, copies, keep_last) == []


@pytest.mark.parametrize("name", SHAPES)
def test_a_second_sweep_and_a_narrower_one_are_exact_too(zoo: Zoo, name: str) -> None:
    def twice(conninfo: str, threads: list[str]) -> None:
        sweep_window(conninfo, threads, 6)
        sweep_window(conninfo, threads, 2)

    copies = zoo.pruned("twice", twice)

    assert mismatches(zoo, name, copies, 2) == []


@pytest.mark.parametrize("name", SHAPES)
def test_the_default_policy_with_a_narrow_window_is_exact_too(zoo: Zoo, name: str) -> None:
    def default(conninfo: str, threads: list[str]) -> None:
        sweep(conninfo, Policy(keep_last=2), threads=threads, vacuum=False)

    copies = zoo.pruned("default", default)

    differences = [item for item in mismatches(zoo, name, copies, 2) if " leaves " not in item]
    assert differences == []


@pytest.mark.parametrize("name", SHAPES)
def test_thinned_history_stays_readable_beside_the_window(zoo: Zoo, name: str) -> None:
    def thin(conninfo: str, threads: list[str]) -> None:
        sweep(conninfo, exact(2, thin_older=True), threads=threads, vacuum=False)

    copies = zoo.pruned("thin", thin)

    assert mismatches(zoo, name, copies, 2) == []


@pytest.mark.parametrize("name", SHAPES)
def test_a_window_of_turns_is_exact_too(zoo: Zoo, name: str) -> None:
    def by_turns(conninfo: str, threads: list[str]) -> None:
        policy = exact(None, keep_turns=1, keep_nested=1)
        sweep(conninfo, policy, threads=threads, vacuum=False)

    copies = zoo.pruned("turns", by_turns)

    assert mismatches(zoo, name, copies, 1) == []


@pytest.mark.parametrize("name", SHAPES)
def test_an_age_that_nothing_has_reached_removes_nothing(zoo: Zoo, name: str) -> None:
    def by_age(conninfo: str, threads: list[str]) -> None:
        policy = Policy(keep_last=1, older_than=timedelta(days=1))
        sweep(conninfo, policy, threads=threads, vacuum=False)

    copies = zoo.pruned("age", by_age)

    for durability in DURABILITIES:
        original = zoo.world.rows(zoo.threads[name, durability])
        assert zoo.world.rows(copies[name, durability]) == original


@pytest.mark.parametrize("name", SHAPES)
def test_a_sweep_keeps_no_more_root_checkpoints_than_the_law_asks_for(zoo: Zoo, name: str) -> None:
    swept = zoo.window(sweep_window, 2)
    planned = zoo.window(reference.prune, 2, "reference")

    for durability in DURABILITIES:
        key = name, durability
        root = zoo.world.driver(SHAPES[name], swept[key], durability).ids()
        law = zoo.world.driver(SHAPES[name], planned[key], durability).ids()
        assert root == law


@pytest.mark.parametrize("name", SHAPES)
def test_the_oracle_finds_nothing_where_nothing_was_pruned(zoo: Zoo, name: str) -> None:
    copies = zoo.pruned("untouched", lambda conninfo, threads: None)

    differences = [item for item in mismatches(zoo, name, copies, 2) if " leaves " not in item]
    assert differences == []
