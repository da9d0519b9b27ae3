"""Checkpoints and tasks' writes that wait for each other, and what comes of it when they cannot."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from langgraph.checkpoint.base import empty_checkpoint
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from checkpoint_pruner.guard import install_guard
from engine.checkpoint_writer import MAX_ROWS
from engine.saver import RunSaver, sever

ROOT = {"thread_id": "t", "checkpoint_ns": ""}


@pytest.fixture
async def connection(checkpoint_database: str) -> AsyncIterator[AsyncConnection]:
    async with await AsyncConnection.connect(
        checkpoint_database, autocommit=True, row_factory=dict_row, prepare_threshold=0
    ) as opened:
        yield opened


async def count(database: str, table: str) -> int:
    """Return how many rows others see."""
    async with await AsyncConnection.connect(database) as other:
        cursor = await other.execute(f"SELECT count(*) FROM {table}")
        row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


def at(checkpoint: Any) -> Any:
    return {"configurable": {**ROOT, "checkpoint_id": checkpoint["id"]}}


async def test_what_a_task_wrote_commits_with_the_checkpoint_of_its_superstep(
    connection: AsyncConnection, checkpoint_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.checkpoint_writer.PATIENCE_SECONDS", 60.0)
    saver = RunSaver(connection, gathers=True)
    first, second = empty_checkpoint(), empty_checkpoint()
    await saver.aput({"configurable": ROOT}, first, {"source": "loop", "step": 0}, {})

    await saver.aput_writes(at(first), [("text", "hello")], "task")
    before = await count(checkpoint_database, "checkpoint_writes")
    await saver.aput(at(first), second, {"source": "loop", "step": 1}, {})

    assert before == 0
    assert await count(checkpoint_database, "checkpoint_writes") == 1


async def test_an_input_that_starts_a_node_of_the_graph_does_not_wait(
    connection: AsyncConnection, checkpoint_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.checkpoint_writer.PATIENCE_SECONDS", 60.0)
    waiting, functional = (RunSaver(connection, gathers=True) for _ in range(2))
    waiting.triggers = {"__start__": ["__start__"]}  # a step of LangGraph's own comes first
    functional.triggers = {"__start__": ["workflow"]}
    metadata: Any = {"source": "input", "step": -1}

    await waiting.aput({"configurable": ROOT}, empty_checkpoint(), metadata, {})
    before = await count(checkpoint_database, "checkpoints")
    await functional.aput({"configurable": ROOT}, empty_checkpoint(), metadata, {})

    assert (before, await count(checkpoint_database, "checkpoints")) == (0, 1)
    await waiting.settle()


async def test_what_nothing_follows_is_stored_by_itself(
    connection: AsyncConnection, checkpoint_database: str
) -> None:
    saver = RunSaver(connection, gathers=True)
    stored = saver.writer.batch.stored

    await saver.aput_writes(at(empty_checkpoint()), [("text", "hello")], "task")
    await asyncio.wait_for(asyncio.shield(stored), 10)

    assert await count(checkpoint_database, "checkpoint_writes") == 1


async def test_a_question_does_not_wait(
    connection: AsyncConnection, checkpoint_database: str
) -> None:
    saver = RunSaver(connection, gathers=True)

    await saver.aput_writes(at(empty_checkpoint()), [("__interrupt__", ["sure?"])], "task")

    assert await count(checkpoint_database, "checkpoint_writes") == 1


async def test_a_reader_finds_what_waits(connection: AsyncConnection) -> None:
    saver = RunSaver(connection, gathers=True)
    checkpoint = empty_checkpoint()
    await saver.aput({"configurable": ROOT}, checkpoint, {"source": "input", "step": -1}, {})
    await saver.aput_writes(at(checkpoint), [("text", "hello")], "task")

    found = await saver.aget_tuple({"configurable": ROOT})

    assert found is not None
    assert found.pending_writes == [("task", "text", "hello")]


async def test_what_was_lost_behind_the_run_is_told_to_the_next_who_stores(
    connection: AsyncConnection,
) -> None:
    saver = RunSaver(connection, gathers=True)
    stored = saver.writer.batch.stored
    await saver.aput_writes(at(empty_checkpoint()), [("text", "hello")], "task")
    sever(connection)
    with pytest.raises(psycopg.OperationalError):
        await asyncio.wait_for(asyncio.shield(stored), 10)

    with pytest.raises(psycopg.OperationalError):
        await saver.settle()


async def test_more_rows_than_a_statement_takes_are_stored_together(
    connection: AsyncConnection, checkpoint_database: str
) -> None:
    saver = RunSaver(connection)
    writes = [("text", str(place)) for place in range(2 * MAX_ROWS + 1)]

    await saver.aput_writes(at(empty_checkpoint()), writes, "task")

    assert await count(checkpoint_database, "checkpoint_writes") == len(writes)


async def test_a_checkpoint_and_its_parent_travel_together_past_the_guard(
    connection: AsyncConnection, checkpoint_database: str
) -> None:
    install_guard(checkpoint_database)
    saver = RunSaver(connection, gathers=True)
    first, second = empty_checkpoint(), empty_checkpoint()

    await saver.aput({"configurable": ROOT}, first, {"source": "input", "step": -1}, {})
    await saver.aput(at(first), second, {"source": "loop", "step": 0}, {})

    assert await count(checkpoint_database, "checkpoints") == 2


async def test_only_a_thread_known_to_be_fresh_is_not_looked_up(
    connection: AsyncConnection,
) -> None:
    sever(connection)

    assert await RunSaver(connection, fresh=True).aget_tuple({"configurable": ROOT}) is None
    with pytest.raises(psycopg.OperationalError):
        await RunSaver(connection).aget_tuple({"configurable": ROOT})
