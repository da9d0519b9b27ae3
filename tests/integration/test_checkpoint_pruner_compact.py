"""Compact mode: the same rows as a sweep, in one transaction, or none at all."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

import checkpoint_pruner.compact
from checkpoint_pruner import Policy, sweep
from checkpoint_pruner.compact import compact
from checkpoint_pruner.errors import CompactionError, ConfirmationRequiredError
from checkpoint_pruner.guard import install_guard
from checkpoint_pruner.report import TABLES
from tests.pruner.rows import NOW, count, ids_of, write_thread


def digest(conninfo: str) -> list[object]:
    """Return everything in the three tables."""
    with psycopg.connect(conninfo) as connection:
        return [
            connection.execute(
                f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} AS t"
            ).fetchone()
            for table in TABLES
        ]


def fill(conninfo: str) -> None:
    for n in range(4):
        ids = write_thread(conninfo, f"t{n}", 30)
        write_thread(conninfo, f"t{n}", 12, namespace="memory")
        write_thread(conninfo, f"t{n}", 4, namespace="child:u1", parents={"": ids[3]})


def test_what_is_left_is_what_a_full_sweep_leaves(
    checkpoint_database: str, create_database, langgraph_template: str
):
    fill(checkpoint_database)
    with psycopg.connect(checkpoint_database) as connection:
        name = connection.info.dbname
    swept = create_database(name)
    policy = Policy(keep_last=3, settle=NOW)
    sweep(swept, policy, full=True)

    done = compact(checkpoint_database, policy, confirmed=True)

    assert digest(checkpoint_database) == digest(swept)
    assert done.bytes_after is not None
    assert done.bytes_after <= done.bytes_before


def test_a_dry_run_foresees_the_rows_and_changes_nothing(checkpoint_database: str):
    fill(checkpoint_database)
    before = digest(checkpoint_database)

    foreseen = compact(checkpoint_database, Policy(keep_last=3), dry_run=True)
    unchanged = digest(checkpoint_database)
    done = compact(checkpoint_database, Policy(keep_last=3), confirmed=True)

    assert unchanged == before
    assert foreseen.rows_after == done.rows_after


def test_it_does_not_begin_unasked(checkpoint_database: str):
    fill(checkpoint_database)
    before = digest(checkpoint_database)

    with pytest.raises(ConfirmationRequiredError, match="locks the checkpoint tables"):
        compact(checkpoint_database, Policy(keep_last=1))

    assert digest(checkpoint_database) == before


def test_a_failure_half_way_leaves_everything_as_it_was(
    checkpoint_database: str, monkeypatch: pytest.MonkeyPatch
):
    fill(checkpoint_database)
    before = digest(checkpoint_database)
    counts = iter([dict.fromkeys(TABLES, 1), dict.fromkeys(TABLES, 0)])
    monkeypatch.setattr(checkpoint_pruner.compact, "_count", lambda _: next(counts))

    with pytest.raises(CompactionError, match="put back"):
        compact(checkpoint_database, Policy(keep_last=1), confirmed=True)

    assert digest(checkpoint_database) == before


def test_somebody_at_the_table_is_not_waited_for_without_end(checkpoint_database: str):
    fill(checkpoint_database)
    with psycopg.connect(checkpoint_database) as reader:
        reader.execute("SELECT count(*) FROM checkpoints")

        with pytest.raises(psycopg.errors.LockNotAvailable):
            compact(
                checkpoint_database, Policy(keep_last=1), confirmed=True, lock_timeout_seconds=0.05
            )


def test_it_works_under_the_guard(checkpoint_database: str):
    fill(checkpoint_database)
    install_guard(checkpoint_database)
    with psycopg.connect(checkpoint_database) as connection:
        connection.execute(
            'UPDATE checkpoints SET metadata = metadata || \'{"source": "fork"}\''
            " WHERE thread_id = 't1'"
        )

    done = compact(checkpoint_database, Policy(keep_last=2), confirmed=True)

    assert done.rows_after["checkpoints"] < done.rows_before["checkpoints"]


def test_threads_of_langgraph_js_come_back_whole(checkpoint_database: str):
    ids = write_thread(checkpoint_database, "js", 9, metadata={"delta_writes_versioned": True})
    fill(checkpoint_database)

    compact(checkpoint_database, Policy(keep_last=1), confirmed=True)

    assert ids_of(checkpoint_database, "js") == ids


def test_young_writes_without_a_checkpoint_come_back(checkpoint_database: str):
    write_thread(checkpoint_database, "t", 3, newest=datetime.now(UTC) - timedelta(minutes=1))
    with psycopg.connect(checkpoint_database) as connection:
        connection.execute("DELETE FROM checkpoints")

    compact(checkpoint_database, confirmed=True)

    assert count(checkpoint_database, "checkpoint_writes") == 3
