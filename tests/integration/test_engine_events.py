"""Events reach every follower once, in order, in whatever process it sits."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import uuid4

import pytest

from engine import events as events_module
from engine.bus import Bus, open_bus
from engine.database import Database, open_database
from engine.event_table import Recorded
from engine.events import RUN_DONE, Events, Following, open_events
from engine.streaming import StreamEvent

THREAD = "thread-1"


@dataclass
class Process:
    database: Database
    bus: Bus
    events: Events

    async def run_starts(self) -> str:
        run_id = str(uuid4())
        async with self.database.transaction() as connection:
            await connection.execute(
                "INSERT INTO holdfast.threads (thread_id) VALUES (%s) ON CONFLICT DO NOTHING",
                (THREAD,),
            )
            await connection.execute(
                "INSERT INTO holdfast.runs (run_id, thread_id, assistant_id, graph_id)"
                " VALUES (%s, %s, 'a', 'g')",
                (run_id, THREAD),
            )
        return run_id

    async def run_ends(self, run_id: str) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(
                "UPDATE holdfast.runs SET status = 'running' WHERE run_id = %s", (run_id,)
            )
            await connection.execute(
                "UPDATE holdfast.runs SET status = 'succeeded', finished_at = now()"
                " WHERE run_id = %s",
                (run_id,),
            )
            await self.bus.notify(connection, f"run:{run_id}")

    async def execute(
        self, run_id: str, count: int, *, resumable: bool = False, followed_by: str | None = None
    ) -> None:
        """Stream `count` events and end, as a worker does."""
        async with self.events.record(
            run_id=run_id, thread_id=THREAD, resumable=resumable, followed_by=followed_by
        ) as recording:
            for number in range(count):
                if recording.wanted():
                    await recording.append(StreamEvent("values", str(number)))
                await asyncio.sleep(0)
            await recording.flush()
            await self.run_ends(run_id)
            await recording.finish("succeeded")

    async def stored(self, run_id: str) -> int:
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT count(*) AS n FROM holdfast.run_events WHERE run_id = %s", (run_id,)
            )
            return (await cursor.fetchone())["n"]


@pytest.fixture
async def start_process(migrated_database: str) -> AsyncIterator[Callable]:
    async with AsyncExitStack() as stack:

        async def start() -> Process:
            database = await stack.enter_async_context(
                open_database(migrated_database, max_connections=4)
            )
            bus = await stack.enter_async_context(open_bus(database))
            events = await stack.enter_async_context(open_events(database=database, bus=bus))
            return Process(database=database, bus=bus, events=events)

        yield start


@pytest.fixture
async def here(start_process: Callable) -> Process:
    return await start_process()


@pytest.fixture
async def elsewhere(start_process: Callable) -> Process:
    return await start_process()


async def collect(following: Following) -> list[str]:
    async with asyncio.timeout(20):
        return [item.event.data async for item in following if item.event.event == "values"]


async def first(following: Following, count: int) -> list[Recorded]:
    found: list[Recorded] = []
    async with asyncio.timeout(20):
        async for recorded in following:
            found.append(recorded)
            if len(found) == count:
                return found
    return found


def numbers(count: int, start: int = 0) -> list[str]:
    return [str(number) for number in range(start, count)]


async def test_a_follower_in_the_same_process_sees_all_and_nothing_is_stored(here):
    run_id = await here.run_starts()
    following = here.events.follow_run(run_id, fresh=True)

    seen, _ = await asyncio.gather(
        collect(following), here.execute(run_id, 50, followed_by=here.bus.process_id)
    )

    assert seen == numbers(50)
    assert await here.stored(run_id) == 0


async def test_a_follower_in_another_process_sees_all(here, elsewhere):
    run_id = await here.run_starts()
    following = here.events.follow_run(run_id, fresh=True)

    seen, _ = await asyncio.gather(
        collect(following), elsewhere.execute(run_id, 50, followed_by=here.bus.process_id)
    )

    assert seen == numbers(50)


async def test_a_run_that_nobody_follows_records_nothing(here):
    run_id = await here.run_starts()

    await here.execute(run_id, 5)

    assert await here.stored(run_id) == 0


async def test_a_resumable_run_is_replayed_after_its_end(here, elsewhere):
    run_id = await here.run_starts()
    await here.execute(run_id, 20, resumable=True)

    seen = await collect(elsewhere.events.follow_run(run_id, after=-1))

    assert seen == numbers(20)


async def test_a_replay_begins_after_the_last_event_seen(here):
    run_id = await here.run_starts()
    await here.execute(run_id, 20, resumable=True)
    head = await first(here.events.follow_run(run_id, after=-1), 8)

    seen = await collect(here.events.follow_run(run_id, after=head[-1].seq))

    assert seen == numbers(20, 8)


async def test_a_replay_goes_over_into_what_happens_without_gap_or_repetition(here):
    run_id = await here.run_starts()
    async with here.events.record(
        run_id=run_id, thread_id=THREAD, resumable=True, followed_by=None
    ) as recording:
        for number in range(10):
            await recording.append(StreamEvent("values", str(number)))
        following = here.events.follow_run(run_id, after=-1)
        collecting = asyncio.create_task(collect(following))
        for number in range(10, 30):
            await recording.append(StreamEvent("values", str(number)))
            await asyncio.sleep(0)
        await recording.flush()
        await here.run_ends(run_id)

    assert await collecting == numbers(30)


async def test_someone_who_joins_late_without_an_id_sees_what_happens_from_then_on(here):
    run_id = await here.run_starts()
    async with here.events.record(run_id=run_id, thread_id=THREAD, resumable=True) as recording:
        await recording.append(StreamEvent("values", "before"))
        joining = asyncio.create_task(collect(here.events.follow_run(run_id)))
        await asyncio.sleep(0)  # the follower begins
        await recording.append(StreamEvent("values", "after"))
        await recording.flush()
        await here.run_ends(run_id)

    assert await joining == ["after"]


async def test_the_executor_hears_of_a_follower_elsewhere_and_begins_to_keep(here, elsewhere):
    run_id = await here.run_starts()
    async with elsewhere.events.record(run_id=run_id, thread_id=THREAD) as recording:
        unwanted = recording.wanted()
        collecting = asyncio.create_task(collect(here.events.follow_run(run_id)))
        async with asyncio.timeout(10), elsewhere.bus.subscribe("follow") as announced:
            while not recording.wanted():
                await announced.wait(1)
        await recording.append(StreamEvent("values", "heard"))
        await recording.flush()
        await elsewhere.run_ends(run_id)

    assert unwanted is False
    assert await collecting == ["heard"]


async def test_what_is_written_because_somebody_follows_is_news_to_the_follower(here, elsewhere):
    run_id = await here.run_starts()
    announce = here.events.announce
    async with elsewhere.events.record(
        run_id=run_id, thread_id=THREAD, resumable=True
    ) as recording:

        async def announce_to_a_quick_one(key: str) -> None:
            await announce(key)
            await recording.append(StreamEvent("values", "at once"))
            await recording.flush()
            await elsewhere.run_ends(run_id)

        here.events.announce = announce_to_a_quick_one

        seen = await collect(here.events.follow_run(run_id))

    assert seen == ["at once"]


async def test_a_second_attempt_continues_the_ids_of_the_first(here, elsewhere):
    run_id = await here.run_starts()
    async with here.events.record(run_id=run_id, thread_id=THREAD, resumable=True) as recording:
        await recording.append(StreamEvent("values", "first attempt"))
        await recording.flush()
    async with elsewhere.events.record(
        run_id=run_id, thread_id=THREAD, resumable=True
    ) as recording:
        await recording.append(StreamEvent("values", "second attempt"))
        await recording.flush()
        await elsewhere.run_ends(run_id)

    seen = await collect(here.events.follow_run(run_id, after=-1))

    assert seen == ["first attempt", "second attempt"]


async def test_a_thread_is_followed_from_run_to_run(here, elsewhere):
    following = here.events.follow_thread(THREAD, after=-1)
    collecting = asyncio.create_task(first(following, 6))
    one, two = await here.run_starts(), await here.run_starts()

    await here.execute(one, 2, resumable=True)
    await elsewhere.execute(two, 2, resumable=True)
    seen = await collecting

    assert [(item.run_id, item.event.event) for item in seen] == [
        (one, "values"),
        (one, "values"),
        (one, RUN_DONE),
        (two, "values"),
        (two, "values"),
        (two, RUN_DONE),
    ]
    assert [item.seq for item in seen] == sorted(item.seq for item in seen)


async def test_a_run_that_ended_unseen_ends_the_following(here):
    run_id = await here.run_starts()
    await here.execute(run_id, 3)

    assert await collect(here.events.follow_run(run_id)) == []


async def test_a_run_that_is_gone_ends_the_following(here):
    assert await collect(here.events.follow_run(str(uuid4()), after=-1)) == []


async def test_a_follower_who_reads_too_slowly_is_let_go(here, monkeypatch):
    monkeypatch.setattr(events_module, "MAX_FOLLOWER_QUEUE", 3)
    run_id = await here.run_starts()
    following = here.events.follow_run(run_id, fresh=True)
    await here.execute(run_id, 10, followed_by=here.bus.process_id)

    assert len(await collect(following)) <= 3


async def test_a_follower_who_leaves_costs_nothing_any_more(here):
    run_id = await here.run_starts()
    following = here.events.follow_run(run_id, fresh=True)

    following.close()
    following.close()

    assert not here.events.has_local_follower(run_id, THREAD)


async def test_old_events_are_tidied_away(here):
    run_id = await here.run_starts()
    await here.execute(run_id, 4, resumable=True)
    await here.events.flush()
    async with here.database.pool.connection() as connection:
        await connection.execute(
            "UPDATE holdfast.run_events SET created_at = created_at - interval '1 day'"
        )

    removed = await here.events.table.tidy()

    assert (removed, await here.stored(run_id)) == (5, 0)
