import asyncio
import gc
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from typing import Any, cast

import psycopg
import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base import id as checkpoint_ids
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.errors import NodeError
from langgraph.graph import START, StateGraph
from langgraph.types import Command
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from engine.saver import RunOverError, RunSaver, attached, keep_ids_after, sever


class RefusedError(Exception):
    pass


AHEAD_TICKS = 3600 * 10_000_000  # an hour in hundreds of nanoseconds


@pytest.fixture
async def connection(checkpoint_database: str) -> AsyncIterator[AsyncConnection]:
    async with await AsyncConnection.connect(
        checkpoint_database, autocommit=True, row_factory=dict_row, prepare_threshold=0
    ) as opened:
        yield opened


async def test_it_keeps_the_contract_of_a_checkpointer(checkpoint_database: str) -> None:
    @checkpointer_test(name="RunSaver")
    async def savers() -> AsyncIterator[RunSaver]:
        async with await AsyncConnection.connect(
            checkpoint_database, autocommit=True, row_factory=dict_row, prepare_threshold=0
        ) as opened:
            yield RunSaver(opened)

    report = await validate(savers)

    assert report.passed_all_base()


async def test_reading_a_head_from_the_future_lets_later_ids_follow_it(
    connection: AsyncConnection,
) -> None:
    saver = RunSaver(connection)
    config = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    ahead = checkpoint_ids.uuid6()
    future = checkpoint_ids.UUID(
        int=(ahead.int & ((1 << 80) - 1)) | ((ahead.time + AHEAD_TICKS) >> 12) << 80
    )
    checkpoint = {**empty_checkpoint(), "id": str(future)}
    await saver.aput(config, checkpoint, {"source": "loop", "step": 1}, {})

    found = await saver.aget_tuple(config)

    assert found is not None
    assert str(checkpoint_ids.uuid6()) > found.checkpoint["id"]


def test_ids_never_go_back() -> None:
    before = checkpoint_ids.uuid6()

    keep_ids_after(str(uuid.UUID(int=before.int)))
    keep_ids_after("1ef00000-0000-6000-8000-000000000000")
    keep_ids_after("no id at all")

    assert checkpoint_ids.uuid6().int > before.int


async def test_a_severed_connection_fails_at_once(connection: AsyncConnection) -> None:
    sever(connection)

    with pytest.raises(psycopg.OperationalError):
        await connection.execute("SELECT 1")


async def test_an_operation_that_hangs_is_cut_off(
    connection: AsyncConnection, checkpoint_database: str
) -> None:
    saver = RunSaver(connection, timeout_seconds=0.3)
    async with await AsyncConnection.connect(checkpoint_database) as other:
        await other.execute("LOCK TABLE checkpoints")

        with pytest.raises(psycopg.OperationalError):
            await saver.aget_tuple({"configurable": {"thread_id": "t"}})


async def test_nothing_more_is_saved_for_a_run_that_has_ended(connection: AsyncConnection) -> None:
    saver = RunSaver(connection)
    config = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    async with saver.exclusive():
        late = asyncio.create_task(saver.aput(config, empty_checkpoint(), {}, {}))
        saver.retire()

    with pytest.raises(RunOverError):
        await late

    assert await RunSaver(connection).aget_tuple(config) is None


def test_langgraph_without_strict_mode_is_refused() -> None:
    program = (
        "import langgraph.checkpoint.serde._msgpack\n"
        "from engine.saver import require_strict_msgpack\n"
        "require_strict_msgpack()\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "LANGGRAPH_STRICT_MSGPACK"}

    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode != 0
    assert "LANGGRAPH_STRICT_MSGPACK is off" in ended.stderr


async def test_an_error_made_where_a_handled_one_lay_still_fails_the_run(
    connection: AsyncConnection,
) -> None:
    handled: list[int] = []

    async def order(_: dict[str, Any]) -> None:
        raise RefusedError("first")

    async def handle(_: dict[str, Any], error: NodeError) -> Command:
        handled.append(id(error.error))
        return Command(goto="deliver")

    async def deliver(_: dict[str, Any]) -> None:
        gc.collect()
        made = [RefusedError("second") for _ in range(10_000)]
        raise next((error for error in made if id(error) == handled[0]), made[0])

    graph = (
        StateGraph(dict)
        .add_node("order", order, error_handler=cast("Any", handle), destinations=("deliver",))
        .add_node("deliver", deliver)
        .add_edge(START, "order")
        .compile()
    )

    with pytest.raises(RefusedError, match="second"):
        await attached(graph, RunSaver(connection), None).ainvoke(
            {}, {"configurable": {"thread_id": "t"}}, durability="sync"
        )
