"""Sequences of everything at once: turns, gates, forks, copies, failures, sweeps, writers, kills.

Each sequence drives two threads alike, of which only one is ever pruned. After every sweep, and at
the end, what is left of the pruned one must read and run like its counterpart.
"""

import os
import random
import threading
from collections.abc import Callable, Hashable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from checkpoint_pruner import Policy, Protection, sweep
from tests.pruner.memory import Memory
from tests.pruner.oracle import DURABILITIES, World, attempt, differences, open_world
from tests.pruner.zoo import BROKEN, SHAPES, Driver
from tests.pruner.zookeeper import exact

PARTS = 20
"""Of the long form: each worker takes another, on a database of its own."""

POSITIONS = st.integers(min_value=0, max_value=11)
WINDOWS = st.integers(min_value=1, max_value=6)
# LangGraph's own chances, by which two unpruned threads differ: behind a run, a barrier's set is
# saved while the next step already adds to it (`NamedBarrierValue.checkpoint` returns the set
# itself); at the end of a run that saves only then, one of several questions may be missed.
BY_CHANCE = {("barrier", "async"), ("parallel_gates", "exit")}
BEGINNINGS = st.sampled_from(
    [
        (name, durability)
        for name in sorted(SHAPES)
        for durability in DURABILITIES
        if (name, durability) not in BY_CHANCE
    ]
)
# A step that fails does not wait for what others of it have written ("cannot schedule new futures
# after shutdown"): whether those run again is chance too. The zoo's clones share one outcome.
BESIDE_OTHERS = {
    "barrier": {"left", "right"},
    "failed_and_retried": {"flaky", "sibling"},
    "fan_out": {"work"},
    "parallel_gates": {"question", "sibling"},
}


class KilledError(Exception):
    """The sweep's process is gone."""


class Threads(RuleBasedStateMachine):
    """A pruned thread and its unpruned counterpart."""

    world: World
    memory: Memory
    sequence = 0

    @initialize(beginning=BEGINNINGS)
    def start(self, beginning: tuple[str, str]) -> None:
        name, durability = beginning
        Threads.sequence += 1
        self.shape = SHAPES[name]
        stem = f"{name}-{durability}-{Threads.sequence}"
        self.live = self.world.driver(self.shape, f"{stem}-live", durability)
        self.shadow = self.memory.driver(self.shape, f"{stem}-shadow", durability)
        self.turn = self.sweeps = 0
        self.counterpart: dict[str, str] = {}
        self.promised: set[str] = set()
        self.compared: list[Hashable] = []
        self.feed()

    # ------------------------------------------------------------ both threads alike

    def both(self, action: Callable[[Driver, Callable[[str], str]], Any]) -> None:
        """Do the same to both threads; outcomes must be equal. Pair the new checkpoints."""
        known = set(self.live.ids()), set(self.shadow.ids())
        expected = action(self.shadow, self.counterpart.__getitem__)
        actual = action(self.live, lambda checkpoint_id: checkpoint_id)
        assert actual == expected
        self.pair(known)

    def pair(self, known: tuple[set[str], set[str]]) -> None:
        """Match the root checkpoints that are new on each side, by step and source."""
        places = [
            {
                place: checkpoint_id
                for checkpoint_id, place in driver.home.places(driver.thread_id).items()
                if checkpoint_id not in before
            }
            for driver, before in zip((self.live, self.shadow), known, strict=True)
        ]
        for place, checkpoint_id in places[0].items():
            self.counterpart[checkpoint_id] = places[1][place]
            self.promised.add(checkpoint_id)

    def pick(self, position: int) -> str:
        """Return one of the checkpoints that a sweep has promised to keep."""
        ids = [item for item in self.live.ids() if item in self.promised]
        return ids[position % len(ids)]

    @rule()
    def feed(self) -> None:
        self.turn += 1
        self.both(lambda driver, _: attempt(driver, self.shape.feed(self.turn), None))

    @precondition(lambda self: self.live.state().interrupts)
    @rule(limit=st.sampled_from([1, None]))
    def answer(self, limit: int | None) -> None:
        def act(driver: Driver, _: Any) -> str:
            state = driver.state()
            ordered = sorted(state.interrupts, key=lambda item: repr(item.value))[:limit]
            from langgraph.types import Command

            return attempt(driver, Command(resume={i.id: {"ok": 1} for i in ordered}), None)

        self.both(act)

    @rule(position=POSITIONS)
    def replay(self, position: int) -> None:
        target = self.pick(position)
        self.both(lambda driver, at: attempt(driver, None, at(target)))

    @rule(position=POSITIONS)
    def feed_an_older_checkpoint(self, position: int) -> None:
        self.turn += 1
        target = self.pick(position)
        self.both(lambda driver, at: attempt(driver, self.shape.feed(self.turn), at(target)))

    @precondition(lambda self: self.shape.name != "functional")
    @rule(position=POSITIONS, run=st.booleans())
    def fork(self, position: int, run: bool) -> None:
        target = self.pick(position)
        first = next(node for node in self.live.graph.nodes if node != "__start__")

        def act(driver: Driver, at: Any) -> str:
            config = driver.update({"log": [{"fork": self.turn}]}, first, at(target))
            return attempt(driver, None, config["configurable"]["checkpoint_id"]) if run else ""

        self.both(act)

    @precondition(lambda self: self.shape.name != "functional")
    @rule(position=POSITIONS)
    def copy(self, position: int) -> None:
        target = self.pick(position)
        self.both(lambda driver, at: driver.update(None, "__copy__", at(target)) and None)

    @precondition(lambda self: self.shape.name != "functional")
    @rule(data=st.data())
    def fail_and_retry(self, data: st.DataObject) -> None:
        self.turn += 1
        spared = {"__start__", *BESIDE_OTHERS.get(self.shape.name, ())}
        nodes = sorted(set(self.live.graph.nodes) - spared)
        name = data.draw(st.sampled_from([*nodes, "c1", "c2", "i1"]))

        def act(driver: Driver, _: Any) -> list[str]:
            BROKEN.add(name)
            try:
                outcome = [attempt(driver, self.shape.feed(self.turn), None)]
            finally:
                BROKEN.discard(name)
            return [*outcome, attempt(driver, None, None)]

        self.both(act)

    # ------------------------------------------------------------ the pruned one alone

    def keep_promises(self, keep_last: int) -> None:
        """Note what the sweep kept; read all of it, and go on from one.

        Each time from another, and in another way. Nothing of that is done anew where no row of
        either thread has changed since.
        """
        ids = self.live.ids()
        window = ids
        if self.shape.delta:
            # What a narrower sweep left as the history of a DeltaChannel alone stays just that.
            window = [item for item in ids[:keep_last] if item in self.promised]
        self.promised.intersection_update(window)
        rows = [driver.home.fingerprint(driver.thread_id) for driver in (self.live, self.shadow)]
        if rows == self.compared:
            return
        self.compared = rows
        self.compare([None, *window], probing=False)
        self.sweeps += 1
        self.compare(
            [[None, *window][-self.sweeps % (len(window) + 1)]], turn=self.sweeps + self.turn
        )

    def compare(self, targets: list[str | None], **how: Any) -> None:
        """Compare checkpoints of the pruned thread with their counterparts."""
        found = []
        for target in targets:
            found += differences(
                self.world,
                self.shadow,
                self.live,
                self.shape,
                target,
                counterpart=self.counterpart.get(target, target),
                **how,
            )
        assert found == []

    @rule(keep_last=WINDOWS, thin=st.booleans())
    def prune(self, keep_last: int, thin: bool) -> None:
        policy = exact(keep_last, thin_older=thin)
        window = self.live.ids()[:keep_last]

        sweep(self.world.conninfo, policy, threads=[self.live.thread_id], vacuum=False)

        assert self.live.ids()[: len(window)] == window
        self.keep_promises(keep_last)

    @rule(keep_last=WINDOWS)
    def prune_twice(self, keep_last: int) -> None:
        policy = exact(keep_last)
        threads = [self.live.thread_id]

        sweep(self.world.conninfo, policy, threads=threads, vacuum=False)
        second = sweep(self.world.conninfo, policy, threads=threads, vacuum=False)

        assert second.total_rows == 0
        assert self.world.leftovers(self.live.thread_id) == {}
        self.keep_promises(keep_last)

    @rule(keep_last=WINDOWS)
    def prune_dry(self, keep_last: int) -> None:
        policy = exact(keep_last)
        threads = [self.live.thread_id]

        expected = sweep(self.world.conninfo, policy, threads=threads, dry_run=True)
        actual = sweep(self.world.conninfo, policy, threads=threads, vacuum=False)

        assert (expected.rows, expected.kept) == (actual.rows, actual.kept)
        self.keep_promises(keep_last)

    @rule(keep_last=WINDOWS)
    def prune_while_a_run_writes(self, keep_last: int) -> None:
        """Let a turn run on the thread while the sweep works, with the default settle time."""
        self.turn += 1
        known = set(self.live.ids()), set(self.shadow.ids())
        outcome: list[str] = []
        expected = attempt(self.shadow, self.shape.feed(self.turn), None)
        started = threading.Event()

        def write() -> None:
            started.set()
            outcome.append(attempt(self.live, self.shape.feed(self.turn), None))

        writer = threading.Thread(target=write)

        def begin(_: Any, __: Any) -> Protection:
            if not started.is_set():
                writer.start()
                started.wait()
            return Protection()

        policy = Policy(keep_last=keep_last)
        threads = [self.live.thread_id]
        sweep(self.world.conninfo, policy, threads=threads, protect=begin, vacuum=False)
        writer.join()

        assert outcome == [expected]
        self.pair(known)
        self.keep_promises(keep_last)

    @rule(keep_last=WINDOWS, late=st.booleans())
    def kill_a_sweep(self, keep_last: int, late: bool) -> None:
        """Cut the sweep's session before a transaction, or its process after one."""

        def cut(connection: psycopg.Connection[Any], _: Any) -> Protection:
            if not late:
                pid = connection.info.backend_pid
                self.world.connection.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
            return Protection()

        def vanish(_: Any) -> None:
            raise KilledError

        with pytest.raises((KilledError, psycopg.Error)):
            sweep(
                self.world.conninfo,
                exact(keep_last, blob_grace=timedelta(0)),
                threads=[self.live.thread_id],
                protect=cut,
                on_progress=vanish,
                vacuum=False,
            )

        self.keep_promises(keep_last)

    @invariant()
    def the_head_is_the_counterpart_of_the_head(self) -> None:
        if hasattr(self, "live"):
            assert self.counterpart[self.live.ids()[0]] == self.shadow.ids()[0]

    def teardown(self) -> None:
        if not hasattr(self, "live"):
            return
        try:
            ids = [item for item in self.live.ids() if item in self.promised]
            self.compare([None])
            for place, target in enumerate(ids[1:3]):
                self.compare([target], turn=self.sweeps + place)
        finally:
            self.world.seen.clear()
            for driver in (self.live, self.shadow):
                driver.home.forget(driver.thread_id)


@pytest.fixture(scope="module")
def machine(
    create_database: Callable[..., str], langgraph_template: str
) -> Iterator[type[RuleBasedStateMachine]]:
    """Return the machine, on a database of its own."""
    for world in open_world(create_database(langgraph_template)):
        Threads.world, Threads.memory = world, Memory()
        yield Threads


def sequences(count: int, steps: int, *, same: bool = False) -> settings:
    """Return settings for `count` sequences of up to `steps` steps, without deadlines.

    The `same` ones come every time, so that a red run can be repeated; otherwise others do.
    """
    return settings(
        max_examples=count,
        stateful_step_count=steps,
        derandomize=same,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )


def test_any_sequence_leaves_a_thread_as_good_as_unpruned(
    machine: type[RuleBasedStateMachine],
) -> None:
    run_state_machine_as_test(machine, settings=sequences(45, 12, same=True))


@pytest.mark.long
@pytest.mark.timeout(21_600)
@pytest.mark.parametrize("part", range(PARTS))
def test_two_thousand_sequences_of_thirty_steps_do_too(
    machine: type[RuleBasedStateMachine], part: int
) -> None:
    """Draw new sequences every time, in parts that may run side by side; `SEED` repeats a run."""
    first = int(os.environ.get("SEED") or random.randrange(1_000_000))
    count = int(os.environ.get("SEQUENCES") or 2000) // PARTS
    print(f"SEED={first}, part {part}: {count} sequences")

    run_state_machine_as_test(seed(first + part)(machine), settings=sequences(count, 30))
