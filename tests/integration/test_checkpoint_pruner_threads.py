"""What the saver owes for whole threads and runs."""

import psycopg
import pytest
from langgraph.checkpoint.postgres import PostgresSaver

from checkpoint_pruner.errors import CheckpointPrunedError, ThreadExistsError
from checkpoint_pruner.guard import install_guard
from checkpoint_pruner.threads import copy_thread, delete_runs, delete_threads, prune_threads
from engine.pruning_saver import PruningSaver
from tests.pruner.oracle import compare, open_world
from tests.pruner.rows import count, ids_of, write_thread
from tests.pruner.zoo import SHAPES


@pytest.fixture
async def connection(checkpoint_database: str):
    async with await psycopg.AsyncConnection.connect(
        checkpoint_database, autocommit=True
    ) as opened:
        yield opened


@pytest.mark.parametrize("name", ["delta", "plain_two_deep", "stateful_gate"])
async def test_a_copied_thread_is_the_thread(checkpoint_database: str, connection, name: str):
    for world in open_world(checkpoint_database):
        source = world.build(SHAPES[name], "sync")

        await copy_thread(connection, source, "copy")

        assert world.rows("copy") == world.rows(source)
        assert (
            compare(world, SHAPES[name], "sync", original=source, pruned="copy", keep_last=9) == []
        )


async def test_a_thread_is_not_copied_onto_another(checkpoint_database: str, connection):
    write_thread(checkpoint_database, "a", 3)
    ids = write_thread(checkpoint_database, "b", 4)

    with pytest.raises(ThreadExistsError, match="'b' has checkpoints already"):
        await copy_thread(connection, "a", "b")

    assert ids_of(checkpoint_database, "b") == ids


async def test_a_deleted_run_takes_its_values_along(checkpoint_database: str, connection):
    write_thread(checkpoint_database, "t", 3, metadata={"run_id": "one"})
    write_thread(checkpoint_database, "t", 3, namespace="child:u", metadata={"run_id": "one"})
    kept = write_thread(checkpoint_database, "other", 3, metadata={"run_id": "two"})

    removed = await delete_runs(connection, ["one"])

    assert removed == (6, 8, 6)
    assert ids_of(checkpoint_database, "other") == kept
    assert count(checkpoint_database, "checkpoint_blobs") == 4


async def test_a_deleted_run_leaves_the_history_that_later_runs_are_built_on(
    checkpoint_database: str, connection
):
    for world in open_world(checkpoint_database):
        thread = world.build(SHAPES["delta"], "sync")
        driver = world.driver(SHAPES["delta"], thread, "sync")
        before = driver.state().values
        [_, *older] = driver.ids()
        world.connection.execute(
            'UPDATE checkpoints SET metadata = metadata || \'{"run_id": "old"}\''
            " WHERE thread_id = %s AND checkpoint_id = ANY(%s)",
            (thread, older),
        )

        await delete_runs(connection, ["old"], thread_ids=[thread])

        assert driver.state().values == before


async def test_deleting_threads_removes_all_three_tables_rows(checkpoint_database: str, connection):
    write_thread(checkpoint_database, "a", 3)
    write_thread(checkpoint_database, "b", 3)

    removed = await delete_threads(connection, ["a", "b"])

    assert removed == (6, 8, 6)
    assert count(checkpoint_database, "checkpoint_writes") == 0


async def test_pruning_a_thread_keeps_its_newest_checkpoint(checkpoint_database: str, connection):
    ids = write_thread(checkpoint_database, "t", 9)

    removed = await prune_threads(connection, ["t"])

    assert ids_of(checkpoint_database, "t") == ids[-1:]
    assert removed == (8, 10, 8)


async def test_the_saver_turns_the_guards_refusal_into_an_error_with_names(
    checkpoint_database: str,
):
    ids = write_thread(checkpoint_database, "t", 6)
    install_guard(checkpoint_database)
    config = {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": ids[-1]}}
    with PostgresSaver.from_conn_string(checkpoint_database) as stock:
        head = stock.get_tuple(config)
    async with PruningSaver.from_conn_string(checkpoint_database) as saver:
        await saver.adelete_thread("t")

        with pytest.raises(CheckpointPrunedError) as refused:
            await saver.aput(
                config, {**head.checkpoint, "id": "2" + ids[-1][1:]}, head.metadata, {}
            )

    assert refused.value.checkpoint_id == ids[-1]


@pytest.mark.parametrize(
    ("threads", "strategy", "error"),
    [("one", "keep_latest", TypeError), (["t"], "all", ValueError)],
)
async def test_the_saver_refuses_what_the_library_refuses(
    checkpoint_database: str, threads, strategy: str, error: type[Exception]
):
    async with PruningSaver.from_conn_string(checkpoint_database) as saver:
        with pytest.raises(error):
            await saver.aprune(threads, strategy=strategy)
