import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from engine.bus import open_bus
from engine.database import Database, open_database
from engine.errors import OverloadedError
from engine.limits import Permits
from engine.provider_limits import ProviderLimits
from engine.runs.request import RunRequest
from engine.runtime import Engine, open_engine


@pytest.fixture
async def processes(migrated_database: str) -> AsyncIterator[list[Permits]]:
    """Two processes' permits: each with a pool, a bus and a connection of its own."""
    async with (
        open_database(migrated_database, max_connections=2) as first,
        open_database(migrated_database, max_connections=2) as second,
        open_bus(first) as first_bus,
        open_bus(second) as second_bus,
    ):
        permits = [
            Permits(database=first, bus=first_bus),
            Permits(database=second, bus=second_bus),
        ]
        yield permits
        for one in permits:
            await one.close()


async def test_no_more_than_the_places_are_held_over_all_processes(
    processes: list[Permits],
) -> None:
    holders, most = 0, 0
    pair = asyncio.Barrier(2)  # nobody leaves before a second one is in

    async def hold(permits: Permits) -> None:
        nonlocal holders, most
        async with permits.hold("llm:openai", places=2):
            holders += 1
            most = max(most, holders)
            await pair.wait()
            holders -= 1

    await asyncio.gather(*(hold(processes[number % 2]) for number in range(12)))

    assert (holders, most) == (0, 2)


async def test_a_process_that_dies_gives_its_places_free(processes: list[Permits]) -> None:
    doomed = processes[0].hold("llm:openai", places=1)
    await doomed.__aenter__()
    await processes[0].close()

    async with asyncio.timeout(10), processes[1].hold("llm:openai", places=1):
        pass


async def test_a_place_is_given_although_the_connection_was_lost_since_the_last_one(
    processes: list[Permits], end_connections: Callable[[str], None]
) -> None:
    async with processes[0].hold("llm:openai", places=1):
        pass
    end_connections("holdfast permits")

    async with asyncio.timeout(20), processes[0].hold("llm:openai", places=1):
        assert len(processes[0]._held["llm:openai"]) == 1


async def test_who_holds_a_place_goes_on_when_the_connection_is_lost(
    processes: list[Permits], end_connections: Callable[[str], None]
) -> None:
    async with processes[0].hold("llm:openai", places=1):
        end_connections("holdfast permits")

    async with asyncio.timeout(20), processes[1].hold("llm:openai", places=1):
        assert len(processes[1]._held["llm:openai"]) == 1


async def test_names_do_not_share_their_places(processes: list[Permits]) -> None:
    async with (
        asyncio.timeout(10),
        processes[0].hold("llm:openai", places=1),
        processes[1].hold("llm:other", places=1),
    ):
        pass


async def test_a_model_call_waits_for_its_provider(processes: list[Permits]) -> None:
    limits = ProviderLimits(permits=processes[0], limits={"genericfakechatmodel": 1})
    model = GenericFakeChatModel(messages=iter([AIMessage("hello")]))
    waiting: asyncio.Task[Any]
    async with processes[1].hold("llm:genericfakechatmodel", places=1):
        waiting = asyncio.create_task(model.ainvoke("hi", {"callbacks": [limits]}))
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done

    async with asyncio.timeout(10):
        assert (await waiting).content == "hello"


async def test_a_cancelled_model_call_gives_its_place_back(processes: list[Permits]) -> None:
    limits = ProviderLimits(permits=processes[0], limits={"p": 1})
    await limits.on_chat_model_start({}, [], run_id=uuid.uuid4(), metadata={"ls_provider": "p"})

    await limits.release_all()

    async with asyncio.timeout(10), processes[1].hold("llm:p", places=1):
        pass


@pytest.fixture
async def idle(engine_options: Any) -> AsyncIterator[Engine]:
    """An engine whose queue nobody works off, three deep at most."""
    async with open_engine(engine_options(run_worker=False, max_queue_depth=3)) as engine:
        yield engine


async def age(database: Database, seconds: float) -> None:
    async with database.pool.connection() as connection:
        await connection.execute(
            "UPDATE holdfast.runs SET not_before = not_before - make_interval(secs => %s)",
            (seconds,),
        )


async def test_a_queue_that_is_full_refuses_input_for_now(idle: Engine) -> None:
    for _ in range(3):
        await idle.runs.create(RunRequest(assistant_id="steps"))

    with pytest.raises(OverloadedError) as refused:
        await idle.runs.create(RunRequest(assistant_id="steps"))

    assert not refused.value.unavailable
    assert refused.value.retry_after_seconds > 0


async def test_a_queue_that_nobody_works_off_is_unavailable(idle: Engine) -> None:
    await idle.runs.create(RunRequest(assistant_id="steps"))
    await age(idle.database, 3600)
    idle.runs.guard._measured_at = -1e9

    with pytest.raises(OverloadedError) as refused:
        await idle.runs.create(RunRequest(assistant_id="steps"))

    assert refused.value.unavailable


async def test_runs_that_wait_at_a_question_do_not_fill_the_queue(engine_options: Any) -> None:
    async with open_engine(engine_options(max_queue_depth=2)) as engine:
        asked = await engine.runs.create(
            RunRequest(assistant_id="steps", input={"steps": 2, "gates": [1]})
        )
        await engine.runs.wait(asked.run_id)
        for _ in range(4):
            engine.runs.guard._measured_at = -1e9
            await engine.runs.create(
                RunRequest(assistant_id="steps", thread_id=asked.thread_id, input={"steps": 3})
            )
        engine.runs.guard._measured_at = -1e9

        answered = await engine.runs.create(
            RunRequest(assistant_id="steps", thread_id=asked.thread_id, command={"resume": "yes"})
        )

        over = await engine.runs.wait(answered.run_id)
        assert over is not None
        assert over.status == "succeeded"
