"""The guard trigger: late writers fail loudly instead of losing channels."""

import threading
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.types.json import Jsonb

from checkpoint_pruner import CheckpointPrunedError, Policy, sweep
from checkpoint_pruner.guard import guard_status, install_guard, remove_guard, translate
from checkpoint_pruner.threads import copy_thread, delete_threads
from tests.pruner.rows import checkpoint_id, ids_of, write_thread

INSERT = (
    "INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id,"
    " checkpoint, metadata) VALUES (%s, %s, %s, %s, '{\"v\": 4}', %s)"
    " ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id) DO UPDATE SET metadata = '{}'"
)


def save(
    connection: psycopg.Connection,
    thread_id: str,
    parent: str | None,
    *,
    namespace: str = "",
    name: str | None = None,
    root: str | None = None,
) -> None:
    """Save a checkpoint as a late writer would."""
    connection.execute(
        INSERT,
        (
            thread_id,
            namespace,
            name or checkpoint_id(datetime.now(UTC)),
            parent,
            Jsonb({"source": "loop", "parents": {"": root} if root else {}}),
        ),
    )


@pytest.fixture
def guarded(checkpoint_database: str) -> str:
    install_guard(checkpoint_database)
    return checkpoint_database


def test_installing_twice_and_removing_leaves_no_trace(checkpoint_database: str):
    install_guard(checkpoint_database)
    again = install_guard(checkpoint_database)

    removed = remove_guard(checkpoint_database)

    assert (again.installed, again.enabled) == (True, True)
    assert (removed.installed, removed.enabled) == (False, False)
    with psycopg.connect(checkpoint_database) as connection:
        left = connection.execute(
            "SELECT (SELECT count(*) FROM pg_proc WHERE proname LIKE 'checkpoint_pruner%'),"
            " to_regclass('checkpoint_pruner_tombstones')"
        ).fetchone()
    assert left == (0, None)


def test_a_child_of_a_pruned_checkpoint_is_refused_by_name(guarded: str):
    ids = write_thread(guarded, "t", 6)
    sweep(guarded, Policy(keep_last=1))

    with psycopg.connect(guarded) as late, pytest.raises(psycopg.Error) as refused:
        save(late, "t", ids[2])

    error = translate(refused.value)
    assert isinstance(error, CheckpointPrunedError)
    assert (error.thread_id, error.checkpoint_ns, error.checkpoint_id) == ("t", "", ids[2])


def test_a_child_of_a_living_checkpoint_is_saved(guarded: str):
    ids = write_thread(guarded, "t", 6)
    sweep(guarded, Policy(keep_last=1))

    with psycopg.connect(guarded) as writer:
        save(writer, "t", ids[-1])

    assert len(ids_of(guarded, "t")) == 2


def test_saving_the_same_checkpoint_again_is_an_update(guarded: str):
    ids = write_thread(guarded, "t", 6)
    sweep(guarded, Policy(keep_last=1))

    with psycopg.connect(guarded) as writer:
        save(writer, "t", ids[-2], name=ids[-1])

    assert ids_of(guarded, "t") == [ids[-1]]


def test_a_writer_that_comes_first_keeps_its_parents_values(guarded: str):
    ids = write_thread(guarded, "t", 7)
    reports = []
    with psycopg.connect(guarded) as writer:
        child = checkpoint_id(datetime.now(UTC))
        save(writer, "t", ids[2], name=child)
        sweeping = threading.Thread(
            target=lambda: reports.append(sweep(guarded, Policy(keep_last=1)))
        )
        sweeping.start()
        with psycopg.connect(guarded, autocommit=True) as watcher:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while watcher.execute(waiting).fetchone() == (0,) and sweeping.is_alive():
                pass
        writer.execute(
            "UPDATE checkpoints SET checkpoint = (SELECT checkpoint FROM checkpoints WHERE"
            " checkpoint_id = %s) WHERE checkpoint_id = %s",
            (ids[2], child),
        )
        writer.commit()
        sweeping.join()

    with psycopg.connect(guarded) as reader:
        named = reader.execute(
            "SELECT count(*) FROM checkpoints c, jsonb_each_text(c.checkpoint->'channel_versions')"
            " v JOIN checkpoint_blobs b ON b.channel = v.key AND b.version = v.value"
            " WHERE c.checkpoint_id = %s",
            (child,),
        ).fetchone()
    assert reports[0].errors == {}
    assert named == (2,)


async def test_a_late_writer_of_a_deleted_thread_does_not_bring_it_back(guarded: str):
    ids = write_thread(guarded, "t", 3)
    async with await psycopg.AsyncConnection.connect(guarded, autocommit=True) as connection:
        await delete_threads(connection, ["t"])

    with psycopg.connect(guarded, autocommit=True) as late:
        with pytest.raises(psycopg.Error) as continued:
            save(late, "t", ids[-1])
        with pytest.raises(psycopg.Error) as called:
            save(late, "t", None, namespace="child:u1", root=ids[-1])

    assert (continued.value.sqlstate, called.value.sqlstate) == ("LG409", "LG409")
    assert ids_of(guarded, "t") == []


async def test_the_id_of_a_deleted_thread_may_be_used_again(guarded: str):
    write_thread(guarded, "t", 3)
    async with await psycopg.AsyncConnection.connect(guarded, autocommit=True) as connection:
        await delete_threads(connection, ["t"])

    with psycopg.connect(guarded, autocommit=True) as writer:
        first = checkpoint_id(datetime.now(UTC))
        save(writer, "t", None, name=first)
        save(writer, "t", None, namespace="child:u1", root=first)

    assert ids_of(guarded, "t") == [first]


def test_a_restore_may_step_around_the_guard(guarded: str):
    with psycopg.connect(guarded) as restoring:
        restoring.execute("SET checkpoint_pruner.unguarded = 'on'")
        save(restoring, "t", "gone")

    assert len(ids_of(guarded, "t")) == 1


def test_the_status_of_a_disabled_trigger_is_told(guarded: str):
    with psycopg.connect(guarded) as connection:
        connection.execute("ALTER TABLE checkpoints DISABLE TRIGGER checkpoint_pruner_guard")

    status = guard_status(guarded)

    assert (status.schema, status.installed, status.enabled) == ("public", True, False)
    assert sweep(guarded).guarded is False


async def test_a_copy_steps_around_the_guard_and_no_longer(guarded: str):
    ids = write_thread(guarded, "t", 6)
    sweep(guarded, Policy(keep_last=2))
    with psycopg.connect(guarded) as connection:
        connection.execute(
            "UPDATE checkpoints SET parent_checkpoint_id = 'gone' WHERE checkpoint_id = %s",
            [ids[-2]],
        )

    async with (
        await psycopg.AsyncConnection.connect(guarded, autocommit=True) as connection,
        connection.transaction(),
    ):
        await copy_thread(connection, "t", "copy")
        cursor = await connection.execute(
            "SELECT current_setting('checkpoint_pruner.unguarded', true)"
        )
        setting = await cursor.fetchone()

    assert ids_of(guarded, "copy") == ids[-2:]
    assert setting == ("off",)


async def test_a_full_sweep_forgets_threads_that_were_deleted_long_ago(guarded: str):
    async with await psycopg.AsyncConnection.connect(guarded, autocommit=True) as connection:
        await delete_threads(connection, ["old", "new"])
        await connection.execute(
            "UPDATE checkpoint_pruner_tombstones SET deleted_at = now() - interval '31 days'"
            " WHERE thread_hash = hashtextextended('old', 0)"
        )

    sweep(guarded, full=True)

    with psycopg.connect(guarded) as connection:
        left = connection.execute(
            "SELECT thread_hash = hashtextextended('new', 0) FROM checkpoint_pruner_tombstones"
        ).fetchall()
    assert left == [(True,)]
