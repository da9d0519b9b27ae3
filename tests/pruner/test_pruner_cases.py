"""The hard cases of pruning, one by one, in the order in which they cost somebody data.

Case 36, LangGraph's conformance suite with thread copies and deletions by run, is
`tests/integration/test_checkpoint_pruner_conformance.py`; the server's answers to late decisions
(cases 16 and 17) are tested where the server is.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send
from psycopg.conninfo import make_conninfo
from typing_extensions import TypedDict

from checkpoint_pruner import AlreadyRunningError, Policy, Report, SchemaDriftError, sweep
from checkpoint_pruner.guard import SQLSTATE, install_guard, translate
from tests.bench.generated_rows import HELPERS, write
from tests.pruner import reference
from tests.pruner.oracle import DURABILITIES, World, attempt, compare
from tests.pruner.test_pruner_mutants import NAIVE_WINDOW, by_hand, hold_back, release
from tests.pruner.zoo import (
    SHAPES,
    TRACE,
    Child,
    Driver,
    Log,
    State,
    ask,
    chain,
    node,
    remember,
    say,
)
from tests.pruner.zookeeper import exact, sweep_window

DEADLINE_SECONDS = 20.0


def built(world: World, name: str, durability: str = "sync") -> Driver:
    """Drive a shape's story on a new thread and return its driver."""
    shape = SHAPES[name]
    return world.driver(shape, world.build(shape, durability), durability)


def cut(world: World, driver: Driver, keep_last: int = 1, **settings: Any) -> Report:
    """Sweep one thread to an exact window."""
    policy = settings.pop("policy", exact(keep_last))
    settings.setdefault("vacuum", False)
    return sweep(world.conninfo, policy, threads=[driver.thread_id], **settings)


def mismatches(world: World, name: str, durability: str, keep_last: int) -> list[str]:
    """Build a shape, sweep a clone, and return what the oracle finds."""
    shape = SHAPES[name]
    original = world.build(shape, durability)
    copy = world.clone(original, f"{original}/swept")
    sweep_window(world.conninfo, [copy], keep_last)
    return compare(
        world, shape, durability, original=original, pruned=copy, keep_last=keep_last
    ) + [f"leaves {kind}" for kind in world.leftovers(copy)]


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until the condition holds, for a bounded time."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        pause.wait(0.005)


def blocked(world: World) -> list[int]:
    """Return the server processes of this database that wait for a lock."""
    rows = world.connection.execute(
        "SELECT pid FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return [row["pid"] for row in rows]


@contextmanager
def in_background(work: Callable[[], Any]) -> Iterator[list[Any]]:
    """Run `work` in a thread; the yielded list holds its result or error after the block."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(work())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield outcome
    finally:
        thread.join(DEADLINE_SECONDS)
        assert not thread.is_alive()


@contextmanager
def holding(world: World, statement: str, *parameters: Any) -> Iterator[psycopg.Connection[Any]]:
    """Run a statement in a transaction that stays open for the length of the block."""
    with psycopg.connect(world.conninfo) as connection:
        connection.execute(statement, parameters)
        yield connection


def test_case_01_the_naive_window_breaks_what_the_sweep_keeps(world: World) -> None:
    shape = SHAPES["stateful_child_of_many_steps"]
    original = world.build(shape, "sync")
    naive, swept = world.clone(original, "naive"), world.clone(original, "swept")

    by_hand(*NAIVE_WINDOW)(world.conninfo, [naive], 4)
    sweep_window(world.conninfo, [swept], 4)

    def found(thread_id: str) -> list[str]:
        return compare(world, shape, "sync", original=original, pruned=thread_id, keep_last=4)

    assert found(naive) != []
    assert found(swept) == []


@pytest.mark.parametrize(
    "name", ["chat", "pipeline", "fan_out", "barrier", "parallel_gates", "plain_child"]
)
def test_case_02_a_window_of_one_leaves_the_rows_that_the_library_leaves(
    world: World, name: str
) -> None:
    original = world.build(SHAPES[name], "sync")
    ours, theirs = world.clone(original, "ours"), world.clone(original, "theirs")

    sweep(world.conninfo, exact(1, keep_gates=False), threads=[ours], vacuum=False)
    world.saver.prune([theirs], strategy="keep_latest")

    assert digest(world, ours) == digest(world, theirs)


def digest(world: World, thread_id: str) -> list[str]:
    """Return all rows of a thread as text, without the thread's id."""
    tables = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
    return [
        row["line"]
        for table in tables
        for row in world.connection.execute(
            f"SELECT (to_jsonb(t) - 'thread_id')::text AS line FROM {table} AS t"
            " WHERE thread_id = %s ORDER BY 1",
            (thread_id,),
        )
    ]


class Overlap:
    """Two runs on one thread: the first loads the head, the second moves it and rewrites `doc`."""

    def __init__(self, world: World, durability: str = "sync") -> None:
        self.loaded, self.proceed = threading.Event(), threading.Event()

        def slow(state: State) -> State:
            if state["n"] == 99:
                self.loaded.set()
                assert self.proceed.wait(DEADLINE_SECONDS)
            return {"log": [{"slow": state["n"]}]}

        def read(state: State) -> State:
            return {} if state["n"] == 99 else {"doc": {"of": state["n"]}}

        self.graph = chain(
            State, ("read", read), ("slow", slow), node("after"), checkpointer=world.saver
        )
        self.driver = Driver(self.graph, "overlap", durability)
        self.driver.run(say(1))

    @contextmanager
    def running(self) -> Iterator[list[Any]]:
        """Hold the first run inside its superstep while the block runs."""
        with in_background(lambda: self.driver.run(say(99))) as outcome:
            assert self.loaded.wait(DEADLINE_SECONDS)
            self.driver.run(say(2))
            try:
                yield outcome
            finally:
                self.proceed.set()


def test_case_03_with_the_guard_an_overtaken_run_fails_loudly_and_the_head_stays_whole(
    world: World,
) -> None:
    install_guard(world.conninfo)
    overlap = Overlap(world)

    with overlap.running() as outcome:
        cut(world, overlap.driver)

    assert outcome[0].sqlstate == SQLSTATE
    assert translate(outcome[0]) is not None
    assert overlap.driver.state().values["doc"] == {"of": 2}


@pytest.mark.parametrize("durability", DURABILITIES)
def test_case_03_the_default_policy_loses_nothing_of_an_overtaken_run_without_the_guard(
    world: World, durability: str
) -> None:
    overlap = Overlap(world, durability)

    with overlap.running() as outcome:
        cut(world, overlap.driver, policy=Policy(keep_last=1))

    assert outcome[0]["doc"] == {"of": 1}
    assert overlap.driver.state().values["doc"] == {"of": 1}


def test_case_03_without_the_guard_values_go_later_and_only_if_nobody_names_them_again(
    world: World,
) -> None:
    overlap = Overlap(world)
    policy = exact(1, blob_grace=timedelta(milliseconds=50))

    with overlap.running() as outcome:
        cut(
            world,
            overlap.driver,
            policy=policy,
            pause=lambda _: (overlap.proceed.set(), wait_for(lambda: outcome)),
        )

    assert outcome[0]["doc"] == {"of": 1}
    assert overlap.driver.state().values["doc"] == {"of": 1}


FORK = """
INSERT INTO checkpoints (
    thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata
)
SELECT thread_id, checkpoint_ns, 'ffffffff-ffff-6fff-8fff-ffffffffffff', checkpoint_id,
    checkpoint, metadata
FROM checkpoints WHERE thread_id = %s AND checkpoint_ns = '' AND checkpoint_id = %s
"""


def test_case_04_a_fork_that_is_saved_first_keeps_its_values(world: World) -> None:
    install_guard(world.conninfo)
    driver = built(world, "pipeline")
    doomed = driver.ids()[-2]
    expected = driver.state(doomed).values

    with (
        holding(world, FORK, driver.thread_id, doomed) as writer,
        in_background(lambda: cut(world, driver, lock_timeout_seconds=15)) as outcome,
    ):
        wait_for(lambda: blocked(world))
        writer.commit()

    assert isinstance(outcome[0], Report)
    assert driver.state("ffffffff-ffff-6fff-8fff-ffffffffffff").values == expected


def test_case_04_a_fork_that_comes_second_is_refused(world: World) -> None:
    install_guard(world.conninfo)
    driver = built(world, "pipeline")
    doomed = driver.ids()[-2]
    head = driver.ids()[0]

    def fork() -> None:
        with psycopg.connect(world.conninfo) as writer:
            writer.execute(FORK, (driver.thread_id, doomed))

    with (
        holding(world, LOCK_A_BLOB, driver.thread_id) as holder,
        in_background(lambda: cut(world, driver, lock_timeout_seconds=15)),
    ):
        wait_for(lambda: len(blocked(world)) == 1)
        with in_background(fork) as refused:
            wait_for(lambda: len(blocked(world)) == 2)
            holder.rollback()

    assert refused[0].sqlstate == SQLSTATE
    assert driver.ids() == [head]
    assert world.leftovers(driver.thread_id) == {}


LOCK_A_BLOB = """
SELECT 1 FROM checkpoint_blobs WHERE thread_id = %s ORDER BY version LIMIT 1 FOR UPDATE
"""


def test_case_05_parallel_questions_are_answered_one_by_one_with_a_sweep_between(
    world: World,
) -> None:
    graph = SHAPES["parallel_gates"].build(world.saver)
    driver = Driver(graph, "parallel", "sync")
    driver.run(say(1))
    TRACE.clear()

    for answer in range(3):
        cut(world, driver)
        driver.answer({"ok": answer}, limit=1)

    assert TRACE == ["question"] * 3 + ["join"]
    answered = [item["answer"] for item in driver.state().values["log"] if "answer" in item]
    assert sorted(item["ok"] for item in answered) == [0, 1, 2]


def test_case_05_a_question_that_was_passed_over_does_not_come_to_look_open(world: World) -> None:
    driver = built(world, "gate_open")
    for turn in range(3):
        driver.run(SHAPES["gate_open"].feed(turn))
    head, *passed_over = driver.ids()

    cut(world, driver, policy=Policy(keep_last=1))
    while_young = driver.ids()
    cut(world, driver, policy=Policy(keep_last=1))
    again = driver.ids()
    cut(world, driver)

    assert set(while_young) < {head, *passed_over}
    assert again == while_young
    assert driver.ids() == [head]


def test_case_06_answers_in_one_node_stay_bound_to_their_questions(world: World) -> None:
    driver = Driver(SHAPES["gates_in_one_node"].build(world.saver), "sequential", "sync")
    driver.run(say(1))

    questions = []
    for answer in ("first", "second", "third"):
        cut(world, driver)
        [question] = driver.state().interrupts
        questions.append(question.value["question"])
        driver.answer(answer)

    assert questions == [0, 1, 2]
    assert {"gate": ["first", "second", "third"]} in driver.state().values["log"]


def test_case_07_a_sibling_that_finished_is_not_run_again(world: World) -> None:
    driver = Driver(SHAPES["parallel_gates"].build(world.saver), "sibling", "sync")
    driver.run(say(1))
    assert "sibling" in TRACE
    TRACE.clear()

    cut(world, driver)
    driver.answer({"ok": 1})

    assert "sibling" not in TRACE


@pytest.mark.parametrize("durability", DURABILITIES)
def test_case_08_a_gate_two_subgraphs_deep_resumes_where_it_stood(
    world: World, durability: str
) -> None:
    driver = built(world, "plain_two_deep", durability)
    cut(world, driver)
    TRACE.clear()

    driver.answer({"ok": 1})

    assert TRACE == ["gate", "i2", "m2", "after"]


def test_case_09_calls_under_one_long_superstep_are_freed_before_it_ends(world: World) -> None:
    inner = chain(Child, remember("i1"))

    class Counting(TypedDict, total=False):
        log: Log

    def work(state: Any) -> Command:
        count = len(state.get("log", []))
        inner.invoke({"said": [], "n": count})
        return Command(update={"log": [count]}, goto="work" if count < 39 else "gate")

    builder = StateGraph(Counting)
    builder.add_node("work", work, destinations=("work", "gate"))
    builder.add_node("gate", ask("gate"))
    builder.add_edge(START, "work")
    middle = builder.compile()
    driver = Driver(chain(State, ("middle", middle), checkpointer=world.saver), "long", "sync")
    driver.run(say(1))
    assert namespaces(world, driver) == 41

    cut(world, driver)

    assert namespaces(world, driver) == 2
    assert driver.answer({"ok": 1})["log"]


def namespaces(world: World, driver: Driver) -> int:
    """Count a thread's namespaces."""
    row = world.connection.execute(
        "SELECT count(DISTINCT checkpoint_ns) AS n FROM checkpoints WHERE thread_id = %s",
        (driver.thread_id,),
    ).fetchone()
    return row["n"]


def test_case_10_calls_of_a_root_that_was_never_saved_go_after_a_grace(world: World) -> None:
    driver = built(world, "parent_command", "exit")
    before = namespaces(world, driver)

    cut(world, driver, policy=Policy(keep_last=1))
    within = namespaces(world, driver)
    cut(world, driver)

    assert within == before
    assert namespaces(world, driver) == 1
    assert world.leftovers(driver.thread_id) == {}


@pytest.mark.parametrize("keep_last", [1, 2, 4, 6])
def test_case_11_a_child_with_more_steps_than_its_root_replays_for_every_kept_one(
    world: World, keep_last: int
) -> None:
    assert mismatches(world, "stateful_child_of_many_steps", "sync", keep_last) == []


@pytest.mark.parametrize("name", ["stateful_in_plain", "plain_in_stateful", "stateful_in_stateful"])
def test_case_12_memory_and_calls_nest_in_any_order(world: World, name: str) -> None:
    assert mismatches(world, name, "sync", 3) == []


@pytest.mark.parametrize("durability", DURABILITIES)
def test_case_13_a_fork_is_resumed_by_its_id_after_its_parent_has_gone(
    world: World, durability: str
) -> None:
    shape = SHAPES["fork_not_run_yet"]
    original = world.build(shape, durability)
    copy = world.clone(original, "swept")
    sweep_window(world.conninfo, [copy], 1)
    [fork] = world.driver(shape, copy, durability).ids()

    outcomes = [
        attempt(world.driver(shape, thread_id, durability), None, fork)
        for thread_id in (original, copy)
    ]

    assert outcomes[0] == outcomes[1]


def test_case_14_a_copy_outlives_its_original(world: World) -> None:
    driver = Driver(SHAPES["fork"].build(world.saver), "copied", "sync")
    driver.run(say(1))
    original = driver.ids()[0]
    expected = driver.state().values
    driver.update(None, "__copy__", original)

    cut(world, driver)

    assert original not in driver.ids()
    assert driver.state().values == expected


def test_case_15_a_question_on_an_abandoned_branch_stays_and_is_counted(world: World) -> None:
    driver = built(world, "abandoned_gate")
    waiting = [
        checkpoint_id for checkpoint_id in driver.ids() if driver.state(checkpoint_id).interrupts
    ]
    assert len(waiting) > 0

    report = cut(world, driver)

    assert report.kept["open gate"] >= 1
    assert any(driver.state(item).interrupts for item in driver.ids())


def test_case_15_without_the_rule_an_explicit_pin_keeps_the_question(world: World) -> None:
    driver = built(world, "abandoned_gate")
    policy = exact(1, keep_gates=False)
    gate = next(item for item in driver.ids() if driver.state(item).interrupts)
    expected = driver.state(gate).interrupts

    report = cut(world, driver, policy=policy, pins=[(driver.thread_id, "", gate)])

    assert report.kept["pinned"] == 1
    assert driver.state(gate).interrupts == expected


def test_case_16_a_late_answer_to_a_pruned_gate_is_refused_and_the_head_stays(
    world: World,
) -> None:
    install_guard(world.conninfo)
    driver = built(world, "abandoned_gate")
    [gate, *_] = [item for item in driver.ids() if driver.state(item).interrupts]
    cut(world, driver, policy=exact(1, keep_gates=False))
    head, values = driver.ids(), driver.state().values

    with pytest.raises(psycopg.Error) as refused:
        driver.run(Command(resume={"approved": True}), gate)

    assert refused.value.sqlstate == SQLSTATE
    assert (driver.ids(), driver.state().values) == (head, values)


@pytest.mark.parametrize(
    "write",
    [
        lambda driver, gone: driver.update({"log": [1]}, "before", gone),
        lambda driver, gone: driver.run(say(7), gone),
    ],
    ids=["update_state", "input"],
)
def test_case_17_an_update_or_input_at_a_pruned_checkpoint_is_refused(
    world: World, write: Callable[[Driver, str], Any]
) -> None:
    install_guard(world.conninfo)
    driver = built(world, "fork")
    gone = driver.ids()[-1]
    cut(world, driver)
    head, values = driver.ids(), driver.state().values

    with pytest.raises(psycopg.Error) as refused:
        write(driver, gone)

    assert refused.value.sqlstate == SQLSTATE
    assert (driver.ids(), driver.state().values) == (head, values)


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("name", [name for name, shape in SHAPES.items() if shape.delta])
def test_case_18_delta_channels_keep_the_history_they_are_rebuilt_from(
    world: World, name: str, durability: str
) -> None:
    assert mismatches(world, name, durability, 2) == []


def test_case_19_a_kill_between_the_deletions_undoes_the_transaction(world: World) -> None:
    driver = built(world, "pipeline")
    before = digest(world, driver.thread_id)

    with (
        holding(world, LOCK_A_BLOB, driver.thread_id),
        in_background(lambda: cut(world, driver, lock_timeout_seconds=15)) as outcome,
    ):
        wait_for(lambda: blocked(world))
        [pid] = blocked(world)
        world.connection.execute("SELECT pg_terminate_backend(%s)", (pid,))

    assert isinstance(outcome[0], psycopg.OperationalError)
    assert digest(world, driver.thread_id) == before


def test_case_19_a_kill_before_the_values_go_leaves_them_to_the_next_sweep(world: World) -> None:
    driver = built(world, "pipeline")

    def die(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut(world, driver, policy=exact(1, blob_grace=timedelta(hours=1)), pause=die)
    between = world.leftovers(driver.thread_id)
    cut(world, driver, full=True)

    assert set(between) == {"blobs"}
    assert world.leftovers(driver.thread_id) == {}


def test_case_20_a_checkpoint_that_is_saved_after_its_writes_finds_them(world: World) -> None:
    driver = built(world, "gate_open", "async")
    [head, *_] = driver.ids()
    expected = driver.state().interrupts
    held = hold_back(world, driver.thread_id, "checkpoints", [head])

    cut(world, driver, policy=Policy(keep_last=50), full=True)
    release(world, driver.thread_id, "checkpoints", held)

    assert driver.state().interrupts == expected


async def test_case_21_a_thread_deleted_during_a_run_does_not_come_back(world: World) -> None:
    from checkpoint_pruner.threads import delete_threads

    install_guard(world.conninfo)
    overlap = Overlap(world)

    with overlap.running() as outcome:
        async with await psycopg.AsyncConnection.connect(
            world.conninfo, autocommit=True
        ) as connection:
            await delete_threads(connection, [overlap.driver.thread_id])

    assert outcome[0].sqlstate == SQLSTATE
    assert world.rows(overlap.driver.thread_id)["checkpoints"] == 0


def test_case_22_of_two_pruners_the_second_steps_back(world: World) -> None:
    driver = built(world, "chat")

    with (
        holding(world, LOCK_A_BLOB, driver.thread_id) as holder,
        in_background(lambda: cut(world, driver, lock_timeout_seconds=15)) as first,
    ):
        wait_for(lambda: blocked(world))
        with pytest.raises(AlreadyRunningError):
            cut(world, driver)
        holder.rollback()

    assert first[0].total_rows > 0


def test_case_23_a_locked_thread_is_left_and_reported_while_the_others_go_on(
    world: World,
) -> None:
    locked = built(world, "chat")
    others = [world.clone(locked.thread_id, f"other-{number}") for number in range(3)]
    threads = [locked.thread_id, *others]

    with holding(
        world,
        "SELECT 1 FROM checkpoints WHERE thread_id = %s FOR UPDATE",
        locked.thread_id,
    ):
        report = sweep(
            world.conninfo, exact(1), threads=threads, vacuum=False, lock_timeout_seconds=0.05
        )
    later = cut(world, locked)

    assert list(report.errors) == [locked.thread_id]
    assert report.retries >= 1
    assert report.threads_pruned == 3
    assert later.errors == {}
    assert len(locked.ids()) == 1


def test_case_24_a_second_pass_deletes_nothing(world: World) -> None:
    threads = [built(world, name).thread_id for name in ("plain_child", "stateful_gate", "fork")]

    first = sweep(world.conninfo, exact(2), threads=threads, vacuum=False)
    second = sweep(world.conninfo, exact(2), threads=threads, vacuum=False)

    assert first.total_rows > 0
    assert second.total_rows == 0


def test_case_25_what_a_careless_delete_left_behind_is_swept_up(world: World) -> None:
    driver = built(world, "chat")
    world.connection.execute(
        "DELETE FROM checkpoints WHERE thread_id = %s AND checkpoint_id <> %s",
        (driver.thread_id, driver.ids()[0]),
    )
    assert set(world.leftovers(driver.thread_id)) == {"blobs", "writes"}

    sweep(world.conninfo, exact(20), full=True, vacuum=False)

    assert world.leftovers(driver.thread_id) == {}


def generate(world: World, thread: int, checkpoints: int) -> str:
    """Write a thread of many checkpoints in SQL and return its id."""
    world.connection.execute(HELPERS)
    write(world.connection, thread, thread, 0, checkpoints)
    world.connection.execute("ANALYZE")
    return f"thread-{thread}"


@pytest.mark.parametrize(
    "checkpoints", [12_000, pytest.param(100_000, marks=pytest.mark.long, id="100000")]
)
def test_case_26_a_thread_of_great_length_goes_in_bounded_transactions(
    world: World, checkpoints: int
) -> None:
    thread_id = generate(world, 1, checkpoints)
    world.connection.execute(LOG_DELETIONS)

    report = sweep(
        world.conninfo,
        exact(20),
        threads=[thread_id],
        vacuum=False,
        batch_rows=checkpoints // 5,
    )

    [largest] = world.connection.execute(
        "SELECT max(n) AS n FROM (SELECT sum(rows) AS n FROM deletion GROUP BY transaction) AS t"
    )
    assert world.rows(thread_id)["checkpoints"] == 20
    assert world.leftovers(thread_id) == {}
    assert report.total_rows > 2 * checkpoints
    # A slice of checkpoints goes with its writes, one each here.
    assert largest["n"] <= 2 * checkpoints // 5


LOG_DELETIONS = """
CREATE TABLE deletion (transaction xid8, rows bigint);
CREATE FUNCTION log_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO deletion SELECT pg_current_xact_id(), count(*) FROM gone;
    RETURN NULL;
END $$;
CREATE TRIGGER log_deletion AFTER DELETE ON checkpoints
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION log_deletion();
CREATE TRIGGER log_deletion AFTER DELETE ON checkpoint_writes
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION log_deletion();
CREATE TRIGGER log_deletion AFTER DELETE ON checkpoint_blobs
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION log_deletion();
"""


def test_case_27_twenty_thousand_namespaces_in_one_batch_stay_within_the_time_limit(
    world: World,
) -> None:
    world.connection.execute(MANY_CALLS)
    world.connection.execute("ANALYZE")

    report = sweep(
        world.conninfo,
        exact(4),
        threads=["calls"],
        vacuum=False,
        batch_rows=1_000_000,
        statement_timeout_seconds=30,
    )

    assert (report.errors, report.retries) == ({}, 0)
    assert world.rows("calls") == {
        "checkpoints": 4 + 4,
        "checkpoint_blobs": 0,
        "checkpoint_writes": 0,
    }


MANY_CALLS = """
INSERT INTO checkpoints (
    thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata
)
SELECT 'calls', ns, id, NULL, '{"v": 4, "channel_values": {}, "channel_versions": {}}',
    jsonb_build_object('source', 'loop', 'step', n, 'parents', parents)
FROM generate_series(1, 20000) AS n
CROSS JOIN LATERAL (
    SELECT '10000000-0000-6000-8000-' || lpad(n::text, 12, '0') AS root_id
) AS root
CROSS JOIN LATERAL (
    VALUES
        ('', root_id, '{}'::jsonb),
        ('child:' || md5(n::text)::uuid, root_id, jsonb_build_object('', root_id))
) AS row (ns, id, parents)
"""


@pytest.mark.parametrize(
    "thread_id", ["o'brien", 'say "hi"', "100%", "naïve-ünïcode-漢字", "a:b|c", "{x}", " "]
)
def test_case_28_thread_ids_and_node_names_may_be_anything(world: World, thread_id: str) -> None:
    child = chain(Child, remember("a1"))

    def fan(_: State) -> list[Send]:
        return [Send("a1", {"said": [number]}) for number in range(2)]

    builder = StateGraph(State)
    builder.add_node("a1", child)
    builder.add_conditional_edges(START, fan, ["a1"])
    builder.add_edge("a1", END)
    driver = Driver(builder.compile(checkpointer=world.saver), thread_id, "sync")
    for turn in range(3):
        driver.run(say(turn))
    expected = driver.state().values

    cut(world, driver)

    assert driver.state().values == expected
    assert namespaces(world, driver) == 1
    assert world.leftovers(thread_id) == {}


def test_case_29_a_checkpoint_from_a_slow_clock_does_not_harm_the_window(world: World) -> None:
    driver = built(world, "pipeline")
    ids = driver.ids()
    expected = {item: driver.state(item).values for item in ids[:3]}
    early = "00000000-0000-6000-8000-000000000000"
    world.connection.execute(
        FORK.replace("ffffffff-ffff-6fff-8fff-ffffffffffff", early), (driver.thread_id, ids[0])
    )

    cut(world, driver, 3)

    assert {item: driver.state(item).values for item in driver.ids()} == expected
    assert world.leftovers(driver.thread_id) == {}


def test_case_30_an_old_checkpoint_keeps_the_sends_of_its_parent(world: World) -> None:
    shape = SHAPES["fan_out"]
    graph = shape.build(world.saver)
    driver = Driver(graph, "before-v4", "sync")
    graph.invoke(say(1), driver.config(), interrupt_before=["work"])
    world.connection.execute(
        "UPDATE checkpoints SET checkpoint = jsonb_set("
        " checkpoint #- '{channel_versions,__pregel_tasks}', '{v}', '3')"
        " WHERE thread_id = %s AND checkpoint_id = %s",
        (driver.thread_id, driver.ids()[0]),
    )
    world.connection.execute("DELETE FROM checkpoint_blobs WHERE channel = '__pregel_tasks'")
    copy = world.clone(driver.thread_id, "swept")
    pruned = Driver(graph, copy, "sync")
    expected = driver.state()
    assert len(expected.next) == 3

    report = cut(world, pruned)

    assert report.kept["pending sends"] == 1
    assert pruned.state().next == expected.next
    assert attempt(pruned, None, None) == attempt(driver, None, None)


def test_case_31_threads_of_langgraph_js_are_skipped_and_reported(world: World) -> None:
    driver = built(world, "chat")
    world.connection.execute(
        "UPDATE checkpoints SET metadata = metadata || '{\"delta_writes_versioned\": true}'"
        " WHERE thread_id = %s",
        (driver.thread_id,),
    )
    before = digest(world, driver.thread_id)

    report = cut(world, driver)

    assert list(report.skipped) == [driver.thread_id]
    assert "LangGraph.js" in report.skipped[driver.thread_id]
    assert digest(world, driver.thread_id) == before


@pytest.mark.parametrize(
    "drift",
    [
        "INSERT INTO checkpoint_migrations (v) VALUES (10)",
        "ALTER TABLE checkpoints ADD COLUMN written_at timestamptz",
        "ALTER TABLE checkpoint_writes DROP COLUMN task_path",
    ],
    ids=["a newer migration", "a new column", "a missing column"],
)
def test_case_32_tables_that_are_not_the_known_ones_are_refused(world: World, drift: str) -> None:
    driver = built(world, "chat")
    world.connection.execute(drift)
    before = digest(world, driver.thread_id)

    with pytest.raises(SchemaDriftError):
        cut(world, driver)

    assert digest(world, driver.thread_id) == before


def test_case_32_the_installed_library_makes_the_known_tables() -> None:
    from checkpoint_pruner.drift import KNOWN_MIGRATIONS

    assert len(PostgresSaver.MIGRATIONS) - 1 in KNOWN_MIGRATIONS


def test_case_33_the_size_stays_flat_over_fifty_cycles(world: World) -> None:
    drivers = [
        Driver(SHAPES["pipeline"].build(world.saver), f"steady-{number}", "sync")
        for number in range(4)
    ]
    rows, sizes = [], []

    for cycle in range(50):
        for driver in drivers:
            driver.run({"log": [{"text": "x" * 200}], "n": cycle})
        sweep(world.conninfo, exact(8), vacuum=True)
        rows.append(sum(sum(world.rows(driver.thread_id).values()) for driver in drivers))
        sizes.append(size(world))

    assert rows[10:] == [rows[10]] * 40
    # What remains of the growth is the state itself, which no pruner may touch.
    assert sizes[-1] < 3 * sizes[10]


def size(world: World) -> int:
    """Return the bytes of the checkpoint tables without the indexes' and TOAST's first pages."""
    row = world.connection.execute(
        "SELECT sum(pg_table_size(c)) AS n FROM unnest(ARRAY["
        "'checkpoints', 'checkpoint_blobs', 'checkpoint_writes']::regclass[]) AS c"
    ).fetchone()
    return int(row["n"])


@pytest.mark.parametrize("keep_last", [1, 3])
def test_case_34_a_dry_run_counts_what_the_real_run_removes(world: World, keep_last: int) -> None:
    for name in SHAPES:
        built(world, name, "exit" if name == "parent_command" else "sync")
    before = {table: world_rows(world, table) for table in ("checkpoints", "checkpoint_blobs")}

    dry = sweep(world.conninfo, exact(keep_last), dry_run=True, full=True)
    after_dry = {table: world_rows(world, table) for table in before}
    real = sweep(world.conninfo, exact(keep_last), full=True, vacuum=False)

    assert after_dry == before
    assert (dry.rows, dry.bytes, dry.kept) == (real.rows, real.bytes, real.kept)
    assert dry.threads_pruned == real.threads_pruned
    assert world_rows(world, "checkpoints") == before["checkpoints"] - real.rows["checkpoints"]


def world_rows(world: World, table: str) -> int:
    """Count a table's rows."""
    return world.connection.execute(f"SELECT count(*) AS n FROM {table}").fetchone()["n"]


def test_case_35_a_role_without_the_right_to_vacuum_prunes_and_says_so(
    world: World,
) -> None:
    driver = built(world, "chat")
    role = f"pruner_{id(world)}"
    world.connection.execute(f"CREATE ROLE {role} LOGIN")
    world.connection.execute(
        f"GRANT SELECT, DELETE ON checkpoints, checkpoint_blobs, checkpoint_writes TO {role}"
    )
    world.connection.execute(f"GRANT UPDATE (parent_checkpoint_id) ON checkpoints TO {role}")
    world.connection.execute(f"GRANT SELECT ON checkpoint_migrations TO {role}")

    report = sweep(
        make_conninfo(world.conninfo, user=role), exact(1), threads=[driver.thread_id], vacuum=True
    )
    world.connection.execute(f"DROP OWNED BY {role}")
    world.connection.execute(f"DROP ROLE {role}")

    assert len(driver.ids()) == 1
    assert report.errors == {}
    assert report.vacuums
    assert all(role in vacuum.problem for vacuum in report.vacuums)


def test_the_law_and_the_sweep_leave_the_same_root_checkpoints(world: World) -> None:
    for name in ("gate_open", "fork", "abandoned_gate"):
        original = world.build(SHAPES[name], "sync")
        swept = world.clone(original, f"{name}-swept")
        planned = world.clone(original, f"{name}-planned")

        sweep_window(world.conninfo, [swept], 2)
        reference.prune(world.conninfo, [planned], 2)

        assert digest(world, swept) == digest(world, planned)
