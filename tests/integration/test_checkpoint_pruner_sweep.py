"""What a sweep keeps, removes, reports and refuses."""

import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import Jsonb

from checkpoint_pruner import (
    AlreadyRunningError,
    Policy,
    Protection,
    Pruner,
    SchemaDriftError,
    Throttle,
    sweep,
)
from checkpoint_pruner.guard import install_guard
from checkpoint_pruner.plan import plan_parameters
from checkpoint_pruner.report import TABLES
from checkpoint_pruner.session import ADVISORY_KEY
from checkpoint_pruner.statements import planned
from checkpoint_pruner.vacuum import vacuum_tables
from tests.pruner.rows import (
    NOW,
    checkpoint_id,
    count,
    ids_of,
    interrupt,
    write_store,
    write_thread,
)


def ago(**duration: float) -> datetime:
    return datetime.now(UTC) - timedelta(**duration)


def set_metadata(conninfo: str, name: str, **facts: object) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "UPDATE checkpoints SET metadata = metadata || %s WHERE checkpoint_id = %s",
            (Jsonb(facts), name),
        )


def test_the_newest_checkpoints_stay_with_exactly_what_they_name(checkpoint_database: str):
    ids = write_thread(checkpoint_database, "t", 30)

    report = sweep(checkpoint_database, Policy(keep_last=6))

    assert ids_of(checkpoint_database, "t") == ids[-6:]
    assert [count(checkpoint_database, table) for table in TABLES] == [6, 8, 6]
    assert report.rows == {"checkpoints": 24, "checkpoint_blobs": 32, "checkpoint_writes": 24}


def test_a_dry_run_says_what_the_real_run_then_does(checkpoint_database: str):
    write_thread(checkpoint_database, "t", 30)
    write_thread(checkpoint_database, "t", 9, namespace="memory")

    foreseen = sweep(checkpoint_database, Policy(keep_last=4), dry_run=True)
    done = sweep(checkpoint_database, Policy(keep_last=4))

    assert (foreseen.rows, foreseen.bytes, foreseen.kept) == (done.rows, done.bytes, done.kept)
    assert foreseen.threads_pruned == done.threads_pruned == 1


def test_a_dry_run_removes_nothing(checkpoint_database: str):
    ids = write_thread(checkpoint_database, "t", 30)

    sweep(checkpoint_database, Policy(keep_last=1), dry_run=True)

    assert ids_of(checkpoint_database, "t") == ids


def test_a_second_sweep_finds_nothing_to_do(checkpoint_database: str):
    write_thread(checkpoint_database, "t", 30)
    sweep(checkpoint_database, Policy(keep_last=6))

    again = sweep(checkpoint_database, Policy(keep_last=6), full=True)

    assert again.total_rows == 0


def test_turns_are_counted_from_their_inputs(checkpoint_database: str):
    ids = write_thread(checkpoint_database, "t", 12)

    sweep(checkpoint_database, Policy(keep_turns=2))

    assert ids_of(checkpoint_database, "t") == ids[-6:]


def test_turns_saved_only_at_their_end_are_counted_by_the_leap_of_the_step(
    checkpoint_database: str,
):
    ids = write_thread(checkpoint_database, "t", 6)
    for n, name in enumerate(ids):
        set_metadata(checkpoint_database, name, source="loop", step=n * 4 + 2)

    sweep(checkpoint_database, Policy(keep_turns=2))

    assert ids_of(checkpoint_database, "t") == ids[-2:]


def test_checkpoints_younger_than_the_age_stay_whatever_their_number(checkpoint_database: str):
    ids = write_thread(checkpoint_database, "t", 10, newest=ago(), spacing=timedelta(days=1))

    report = sweep(
        checkpoint_database, Policy(keep_last=1, older_than=timedelta(days=3.5), settle=NOW)
    )

    assert ids_of(checkpoint_database, "t") == ids[-4:]
    assert report.kept == {"window": 1, "recent": 3}


def test_thinning_keeps_the_last_checkpoint_of_each_older_run(checkpoint_database: str):
    ids = write_thread(checkpoint_database, "t", 12)

    sweep(checkpoint_database, Policy(keep_last=2, thin_older=True))

    assert ids_of(checkpoint_database, "t") == [ids[2], ids[5], ids[8], *ids[-2:]]


def test_thinning_goes_by_the_run_id_where_there_is_one(checkpoint_database: str):
    ids = write_thread(checkpoint_database, "t", 9)
    for n, name in enumerate(ids):
        set_metadata(checkpoint_database, name, run_id=f"run-{n // 4}")

    sweep(checkpoint_database, Policy(keep_last=1, thin_older=True))

    assert ids_of(checkpoint_database, "t") == [ids[3], ids[7], ids[8]]


def test_a_pinned_checkpoint_stays_with_its_values(checkpoint_database: str):
    ids = write_thread(checkpoint_database, "t", 12)

    report = sweep(checkpoint_database, Policy(keep_last=1), pins=[("t", "", ids[4])])

    assert ids_of(checkpoint_database, "t") == [ids[4], ids[-1]]
    assert report.kept == {"pinned": 1, "window": 1}
    assert count(checkpoint_database, "checkpoint_blobs") == 4


def test_a_pin_inside_a_call_keeps_the_checkpoint_it_was_called_from(checkpoint_database: str):
    ids = write_thread(checkpoint_database, "t", 12)
    inner = write_thread(checkpoint_database, "t", 3, namespace="child:u1", parents={"": ids[4]})

    sweep(checkpoint_database, Policy(keep_last=1), pins=[("t", "child:u1", inner[-1])])

    assert ids_of(checkpoint_database, "t") == [ids[4], ids[-1]]
    assert inner[-1] in ids_of(checkpoint_database, "t", "child:u1")


def test_the_open_gate_of_another_branch_stays(checkpoint_database: str):
    ids = write_thread(checkpoint_database, "t", 6)
    gate = checkpoint_id(ago(hours=2, minutes=3), 99)
    with psycopg.connect(checkpoint_database) as connection:
        connection.execute(
            "INSERT INTO checkpoints SELECT thread_id, checkpoint_ns, %s, %s, type, checkpoint,"
            " metadata FROM checkpoints WHERE checkpoint_id = %s",
            (gate, ids[1], ids[2]),
        )
    interrupt(checkpoint_database, "t", gate)

    report = sweep(checkpoint_database, Policy(keep_last=1))

    assert ids_of(checkpoint_database, "t") == [gate, ids[-1]]
    assert report.kept["open gate"] == 1


def test_a_young_step_that_nobody_finished_stays_for_the_run_inside_it(checkpoint_database: str):
    ids = write_thread(checkpoint_database, "t", 6, newest=ago(), spacing=timedelta(seconds=1))
    set_metadata(checkpoint_database, ids[4], source="input")
    with psycopg.connect(checkpoint_database) as connection:
        connection.execute(
            "UPDATE checkpoints SET checkpoint = jsonb_set(checkpoint,"
            """ '{channel_values,branch:to:slow}', 'null') WHERE checkpoint_id = %s""",
            (ids[3],),
        )

    report = sweep(checkpoint_database, Policy(keep_last=1))

    assert ids_of(checkpoint_database, "t") == [ids[3], ids[-1]]
    assert report.kept["in flight"] == 1


def test_overrides_win_by_thread_then_by_graph(checkpoint_database: str):
    for thread_id in ("plain", "chatty", "special"):
        write_thread(checkpoint_database, thread_id, 9, metadata={"graph_id": thread_id})

    sweep(
        checkpoint_database,
        Policy(
            keep_last=5,
            by_graph={"chatty": Policy(keep_last=2), "special": Policy(keep_last=2)},
            by_thread={"special": Policy(keep_last=7)},
        ),
    )

    left = {name: len(ids_of(checkpoint_database, name)) for name in ("plain", "chatty", "special")}
    assert left == {"plain": 5, "chatty": 2, "special": 7}


@pytest.mark.parametrize("thread_id", ["it's", 'a"b', "müßig 🙂", "tenant:7", "a%sb", "{x}", "\\"])
def test_any_thread_id_is_only_a_value(checkpoint_database: str, thread_id: str):
    ids = write_thread(checkpoint_database, thread_id, 5)

    sweep(checkpoint_database, Policy(keep_last=2))

    assert ids_of(checkpoint_database, thread_id) == ids[-2:]


def test_an_idle_thread_goes_whole(checkpoint_database: str):
    write_thread(checkpoint_database, "old", 6, newest=ago(days=100))
    write_thread(checkpoint_database, "young", 6)

    report = sweep(checkpoint_database, Policy(expire_after=timedelta(days=90)))

    assert report.threads_expired == ("old",)
    assert ids_of(checkpoint_database, "old") == []
    assert count(checkpoint_database, "checkpoint_blobs") == 8


def test_an_idle_thread_that_waits_for_an_answer_stays(checkpoint_database: str):
    ids = write_thread(checkpoint_database, "old", 6, newest=ago(days=100))
    interrupt(checkpoint_database, "old", ids[-1])

    report = sweep(checkpoint_database, Policy(expire_after=timedelta(days=90)))

    assert report.threads_expired == ()
    assert ids_of(checkpoint_database, "old") == ids


def test_an_idle_thread_with_unfinished_work_stays(checkpoint_database: str):
    write_thread(checkpoint_database, "old", 7, newest=ago(days=100))

    report = sweep(checkpoint_database, Policy(expire_after=timedelta(days=90)))

    assert report.threads_expired == ()


def test_a_dry_run_names_the_threads_that_would_expire(checkpoint_database: str):
    write_thread(checkpoint_database, "old", 6, newest=ago(days=100))
    policy = Policy(expire_after=timedelta(days=90))

    foreseen = sweep(checkpoint_database, policy, dry_run=True)
    done = sweep(checkpoint_database, policy)

    assert foreseen.threads_expired == done.threads_expired == ("old",)
    assert foreseen.rows == done.rows


def test_a_busy_thread_is_skipped_and_reported(checkpoint_database: str):
    ids = write_thread(checkpoint_database, "busy", 6)
    write_thread(checkpoint_database, "free", 6)

    report = sweep(checkpoint_database, Policy(keep_last=1), skip_threads={"busy"})

    assert ids_of(checkpoint_database, "busy") == ids
    assert report.skipped == {"busy": "busy"}
    assert report.watermark is None


def test_the_caller_is_asked_inside_the_transaction_that_deletes(checkpoint_database: str):
    ids = write_thread(checkpoint_database, "t", 6)
    asked = []

    def protect(connection, thread_ids):
        asked.append((connection.info.transaction_status.name, list(thread_ids)))
        return Protection(pins=[("t", "", ids[0])])

    sweep(checkpoint_database, Policy(keep_last=1), protect=protect)

    assert asked == [("INTRANS", ["t"])]
    assert ids_of(checkpoint_database, "t") == [ids[0], ids[-1]]


def test_threads_of_langgraph_js_are_skipped_and_reported(checkpoint_database: str):
    marked = write_thread(
        checkpoint_database, "marked", 6, metadata={"delta_writes_versioned": True}
    )
    numbered = write_thread(checkpoint_database, "numbered", 6)
    with psycopg.connect(checkpoint_database) as connection:
        connection.execute(
            "UPDATE checkpoints SET checkpoint = jsonb_set(checkpoint - 'channel_values',"
            " '{channel_versions}', '{\"own\": 3}') WHERE thread_id = 'numbered'"
        )

    report = sweep(checkpoint_database, Policy(keep_last=1))

    assert set(report.skipped) == {"marked", "numbered"}
    assert ids_of(checkpoint_database, "marked") == marked
    assert ids_of(checkpoint_database, "numbered") == numbered


def test_a_full_sweep_removes_what_a_naive_delete_left_behind(checkpoint_database: str):
    write_thread(checkpoint_database, "cut", 6)
    write_thread(checkpoint_database, "gone", 6)
    with psycopg.connect(checkpoint_database) as connection:
        connection.execute(
            "DELETE FROM checkpoints WHERE thread_id = 'gone' OR metadata ->> 'step' < '3'"
        )

    foreseen = sweep(checkpoint_database, full=True, dry_run=True)
    report = sweep(checkpoint_database, full=True)

    assert foreseen.rows == report.rows
    assert [count(checkpoint_database, table) for table in TABLES] == [2, 3, 2]


def test_young_writes_without_a_checkpoint_stay(checkpoint_database: str):
    write_thread(checkpoint_database, "t", 3, newest=ago(minutes=1))
    with psycopg.connect(checkpoint_database) as connection:
        connection.execute("DELETE FROM checkpoints")

    sweep(checkpoint_database, full=True)

    assert count(checkpoint_database, "checkpoint_writes") == 3


def test_a_huge_thread_is_worked_off_in_bounded_transactions(checkpoint_database: str):
    ids = write_thread(checkpoint_database, "huge", 400)
    write_thread(checkpoint_database, "huge", 90, namespace="memory")

    report = sweep(checkpoint_database, Policy(keep_last=5), batch_rows=100)

    assert ids_of(checkpoint_database, "huge") == ids[-5:]
    assert report.batches >= 9
    assert sweep(checkpoint_database, Policy(keep_last=5), full=True).total_rows == 0


def test_one_long_thread_is_cut_like_many_short_ones(checkpoint_database: str):
    write_thread(checkpoint_database, "huge", 300)
    in_slices = sweep(checkpoint_database, Policy(keep_last=5), batch_rows=50)
    with psycopg.connect(checkpoint_database) as connection:
        for table in TABLES:
            connection.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(table)))
    write_thread(checkpoint_database, "huge", 300)

    at_once = sweep(checkpoint_database, Policy(keep_last=5))

    assert (in_slices.rows, in_slices.kept) == (at_once.rows, at_once.kept)


def test_a_locked_row_delays_its_own_thread_only(checkpoint_database: str):
    for n in range(6):
        write_thread(checkpoint_database, f"t{n}", 6)
    with psycopg.connect(checkpoint_database) as holder:
        holder.execute("SELECT FROM checkpoints WHERE thread_id = 't3' FOR UPDATE")

        report = sweep(checkpoint_database, Policy(keep_last=1), lock_timeout_seconds=0.05)

        assert list(report.errors) == ["t3"]
        assert "lock timeout" in report.errors["t3"]
        assert report.threads_pruned == 5
        assert report.retries > 3


def test_the_second_of_two_pruners_gives_way(checkpoint_database: str):
    with psycopg.connect(checkpoint_database, autocommit=True) as first:
        first.execute("SELECT pg_advisory_lock(%s)", (ADVISORY_KEY,))

        with pytest.raises(AlreadyRunningError, match="another pruner"):
            sweep(checkpoint_database)


def test_unknown_tables_are_refused_before_anything_is_touched(checkpoint_database: str):
    write_thread(checkpoint_database, "t", 30)
    with psycopg.connect(checkpoint_database) as connection:
        connection.execute("ALTER TABLE checkpoint_blobs ADD COLUMN compressed boolean")
        connection.execute("INSERT INTO checkpoint_migrations VALUES (10)")

    with pytest.raises(SchemaDriftError, match="compressed boolean"):
        sweep(checkpoint_database, Policy(keep_last=1))

    assert count(checkpoint_database, "checkpoints") == 30


def test_an_unknown_migration_is_refused(checkpoint_database: str):
    with psycopg.connect(checkpoint_database) as connection:
        connection.execute("INSERT INTO checkpoint_migrations VALUES (10)")

    with pytest.raises(SchemaDriftError, match="at 10, known: 9"):
        sweep(checkpoint_database)


def test_a_database_without_the_tables_is_refused(empty_database: str):
    with pytest.raises(SchemaDriftError, match="table checkpoints does not exist"):
        sweep(empty_database)


def test_nothing_written_since_the_last_sweep_is_seen_without_looking(checkpoint_database: str):
    write_thread(checkpoint_database, "t", 30)
    pruner = Pruner(checkpoint_database, Policy(keep_last=3))
    pruner.sweep()
    pruner.sweep()

    with psycopg.connect(checkpoint_database, autocommit=True) as other:
        # Whoever looks takes the pruners' lock; this one does not even try.
        other.execute("SELECT pg_advisory_lock(%s)", (ADVISORY_KEY,))
        report = pruner.sweep()

    assert (report.threads_seen, report.total_rows) == (0, 0)


def test_a_thread_written_to_since_is_found_again(checkpoint_database: str):
    write_thread(checkpoint_database, "t", 30)
    pruner = Pruner(checkpoint_database, Policy(keep_last=3))
    pruner.sweep()
    pruner.sweep()
    ids = write_thread(checkpoint_database, "new", 5, newest=ago(), spacing=timedelta(seconds=1))

    pruner.sweep()

    assert ids_of(checkpoint_database, "new") == ids[-3:]


def test_another_policy_does_not_trust_the_watermark(checkpoint_database: str):
    write_thread(checkpoint_database, "t", 30)
    first = sweep(checkpoint_database, Policy(keep_last=6))

    report = sweep(checkpoint_database, Policy(keep_last=2), watermark=first.watermark)

    assert report.rows["checkpoints"] == 4


def test_an_index_on_the_id_finds_the_changed_threads(checkpoint_database: str):
    write_thread(checkpoint_database, "old", 30)
    with psycopg.connect(checkpoint_database) as connection:
        connection.execute("CREATE INDEX ON checkpoints (checkpoint_id)")
    pruner = Pruner(checkpoint_database, Policy(keep_last=3))
    pruner.sweep()
    write_thread(checkpoint_database, "new", 6, newest=ago(), spacing=timedelta(seconds=1))

    report = pruner.sweep()

    assert (report.threads_seen, report.threads_pruned) == (1, 1)


def test_only_the_threads_given_as_candidates_are_looked_at(checkpoint_database: str):
    write_thread(checkpoint_database, "dirty", 6)
    write_thread(checkpoint_database, "clean", 6)

    report = sweep(checkpoint_database, Policy(keep_last=1), candidates=["dirty"])

    assert report.threads_seen == 1
    assert len(ids_of(checkpoint_database, "clean")) == 6


def test_values_wait_for_the_grace_when_the_guard_is_not_there(checkpoint_database: str):
    write_thread(checkpoint_database, "t", 12)
    seen = []

    def pause(seconds: float) -> None:
        seen.append((seconds > 50, count(checkpoint_database, "checkpoint_blobs")))
        raise InterruptedError

    with pytest.raises(InterruptedError):
        sweep(
            checkpoint_database,
            Policy(keep_last=1, blob_grace=timedelta(minutes=1)),
            pause=pause,
        )

    assert seen == [(True, 16)]
    assert count(checkpoint_database, "checkpoints") == 1


def write_traceless_thread(conninfo: str, thread_id: str) -> None:
    """Write what runs with durability "exit" leave: of each its last step."""
    newest = datetime.now(UTC)
    for n, name in enumerate(
        write_thread(conninfo, thread_id, 6, newest=newest, spacing=timedelta(seconds=1))
    ):
        set_metadata(conninfo, name, source="loop", step=3 * n + 1)


def test_values_wait_where_runs_leave_no_trace_until_those_have_settled(checkpoint_database: str):
    write_traceless_thread(checkpoint_database, "t")
    policy = Policy(keep_last=1)

    foreseen = sweep(checkpoint_database, policy, dry_run=True)
    first = sweep(checkpoint_database, policy)
    left = count(checkpoint_database, "checkpoint_blobs")
    settled = Policy(keep_last=1, settle=NOW)
    second = sweep(checkpoint_database, settled, watermark=first.watermark)

    assert foreseen.rows == first.rows == dict(zip(TABLES, (5, 0, 5), strict=True))
    assert (foreseen.waiting, first.waiting, second.waiting) == (("t",), ("t",), ())
    assert (left, second.rows["checkpoint_blobs"]) == (8, 6)


def test_under_the_guard_no_values_wait(checkpoint_database: str):
    install_guard(checkpoint_database)
    write_traceless_thread(checkpoint_database, "t")

    report = sweep(checkpoint_database, Policy(keep_last=1))

    assert report.waiting == ()
    assert report.rows["checkpoint_blobs"] == 6


def test_values_go_at_once_where_every_step_leaves_its_trace(checkpoint_database: str):
    write_thread(
        checkpoint_database, "t", 30, newest=datetime.now(UTC), spacing=timedelta(seconds=1)
    )

    report = sweep(checkpoint_database, Policy(keep_last=6))

    assert report.waiting == ()
    assert count(checkpoint_database, "checkpoint_blobs") == 8


def test_expired_store_items_go_in_batches_and_others_stay(checkpoint_database: str):
    write_store(checkpoint_database, 2_500, expires_at=ago(minutes=1))
    write_store(checkpoint_database, 3, expires_at=ago(minutes=-10))

    report = sweep(checkpoint_database)

    assert report.store_rows == 2_500
    assert count(checkpoint_database, "store") == 3


def test_store_items_expire_also_when_no_checkpoint_was_saved(checkpoint_database: str):
    pruner = Pruner(checkpoint_database)
    pruner.sweep()
    write_store(checkpoint_database, 7, expires_at=ago(minutes=1))

    report = pruner.sweep()

    assert (report.store_rows, report.threads_seen) == (7, 0)


def test_touched_tables_are_vacuumed(checkpoint_database: str):
    write_thread(checkpoint_database, "t", 60)

    report = sweep(checkpoint_database, Policy(keep_last=1))

    assert [(done.table, done.problem) for done in report.vacuums] == [
        (table, None) for table in sorted(TABLES)
    ]
    assert {size.table for size in report.sizes} == set(TABLES)


def test_a_throttled_sweep_vacuums_no_faster_than_autovacuum(checkpoint_database: str):
    with psycopg.connect(checkpoint_database, autocommit=True) as connection:
        vacuum_tables(connection, gently=True)

        assert connection.execute("SHOW vacuum_cost_delay").fetchone() == ("2ms",)


def test_however_many_rows_the_planner_expects_to_stay_they_are_looked_up_by_hash(
    checkpoint_database: str,
):
    for n in range(20):
        write_thread(checkpoint_database, f"t{n}", 200)
    parameters = plan_parameters([f"t{n}" for n in range(20)], Policy(), now=datetime.now(UTC))
    with psycopg.connect(checkpoint_database, autocommit=True) as connection:
        connection.execute("ANALYZE")
        connection.execute("SET work_mem = '64kB'")
        connection.execute("SET hash_mem_multiplier = 1")
        plan = connection.execute(b"EXPLAIN " + planned("delete_unkept"), parameters).fetchall()

    (condition,) = [line for (line,) in plan if "checkpoint_id >= ''" in line and "SubPlan" in line]
    assert "hashed SubPlan" in condition


def test_a_throttled_sweep_pauses_for_writers(checkpoint_database: str):
    for n in range(4):
        write_thread(checkpoint_database, f"t{n}", 200)
    pauses: list[float] = []

    report = sweep(
        checkpoint_database,
        Policy(keep_last=1),
        throttle=Throttle(duty_cycle=0.25),
        batch_rows=250,
        pause=pauses.append,
    )

    assert report.total_rows > 0
    assert report.paused_seconds == pytest.approx(sum(pauses))
    assert sum(pauses) > 0


def test_progress_ends_with_everything_done(checkpoint_database: str):
    for n in range(3):
        write_thread(checkpoint_database, f"t{n}", 9)
    told = []

    report = sweep(
        checkpoint_database, Policy(keep_last=1), batch_threads=1, on_progress=told.append
    )

    assert [(step.threads_done, step.threads_total) for step in told] == [(1, 3), (2, 3), (3, 3)]
    assert told[-1].rows == report.total_rows


def test_a_sweep_that_fails_leaves_the_lock_to_the_next(checkpoint_database: str):
    write_thread(checkpoint_database, "t", 9)

    def fail(*_: object) -> Protection:
        raise RuntimeError("the caller's own trouble")

    with pytest.raises(RuntimeError):
        sweep(checkpoint_database, protect=fail, policy=Policy(keep_last=1))

    assert sweep(checkpoint_database, Policy(keep_last=1)).threads_pruned == 1


def test_sweeps_of_two_databases_do_not_get_in_each_others_way(
    checkpoint_database: str, create_database, langgraph_template: str
):
    other = create_database(langgraph_template)
    write_thread(other, "t", 9)
    inside = threading.Event()
    results = []

    def protect(*_: object) -> Protection:
        inside.set()
        results.append(sweep(checkpoint_database, Policy(keep_last=1)))
        return Protection()

    sweep(other, Policy(keep_last=1), protect=protect)

    assert inside.is_set()
    assert len(results) == 1
    assert conninfo_to_dict(other)["dbname"] != conninfo_to_dict(checkpoint_database)["dbname"]
