"""Processes wake each other through the database."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from engine.bus import Bus, open_bus
from engine.database import Database, open_database


@pytest.fixture
async def database(migrated_database: str) -> AsyncIterator[Database]:
    async with open_database(migrated_database, max_connections=4) as database:
        yield database


@pytest.fixture
async def bus(database: Database) -> AsyncIterator[Bus]:
    async with open_bus(database) as bus:
        yield bus


@pytest.fixture
async def other_bus(database: Database) -> AsyncIterator[Bus]:
    """The bus of another process."""
    async with open_bus(database) as bus:
        yield bus


async def test_a_notification_wakes_a_subscriber_in_another_process(database, bus, other_bus):
    async with other_bus.subscribe("run:1") as subscription:
        async with database.transaction() as connection:
            await bus.notify(connection, "run:1")

        assert await subscription.wait(5)


async def test_hints_that_gather_arrive_all_in_another_process(database, bus, other_bus):
    topics = [f"run:{number}" for number in range(120)]
    subscriptions = [other_bus.attach(topic) for topic in topics]

    bus.hint(*topics)
    bus.hint("run:0")
    await bus.settle()

    assert all([await subscription.wait(5) for subscription in subscriptions])


async def test_nobody_is_woken_before_the_commit(database, bus):
    async with bus.subscribe("run:1", "marker") as subscription:
        await subscription.wait(0)
        async with database.transaction() as connection:
            await bus.notify(connection, "run:1")
            async with database.pool.connection() as outside, bus.subscribe("marker") as marker:
                await bus.notify(outside, "marker")
                await marker.wait(5)
            await subscription.wait(0)  # the marker's own wake-up
            early = await subscription.wait(0)
        late = await subscription.wait(5)

    assert (early, late) == (False, True)


async def test_an_undone_transaction_wakes_nobody(database, bus):
    async with bus.subscribe("run:1") as subscription, bus.subscribe("marker") as marker:
        async with database.transaction() as connection:
            await bus.notify(connection, "run:1")
            raise psycopg.Rollback
        async with database.pool.connection() as connection:
            await bus.notify(connection, "marker")
        await marker.wait(5)

        assert not await subscription.wait(0)


async def test_a_wake_up_before_the_wait_is_not_lost(database, bus):
    async with bus.subscribe("run:1") as subscription:
        bus.wake_locally("run:1")

        assert await subscription.wait(0)
        assert not await subscription.wait(0)


async def test_one_subscription_may_listen_to_several_topics(bus):
    async with bus.subscribe("run:1", "run:2") as subscription:
        bus.wake_locally("run:2")

        assert await subscription.wait(0)


async def test_a_handler_gets_the_payload(database, bus, other_bus):
    got: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    other_bus.handle("follow", lambda topic, payload: got.put_nowait((topic, payload)))
    async with database.pool.connection() as connection:
        await bus.notify(connection, "follow", "run:1")

    async with asyncio.timeout(5):
        assert await got.get() == ("follow", "run:1")


async def test_a_broken_connection_is_opened_again_and_wakes_everybody(
    database, bus, migrated_database
):
    async with bus.subscribe("run:1") as subscription:
        with psycopg.connect(migrated_database, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'holdfast bus' AND datname = current_database()"
            )
        woken = await subscription.wait(10)
        await bus.wait_connected(10)
        async with database.pool.connection() as connection:
            await bus.notify(connection, "run:1")

        assert woken
        assert await subscription.wait(5)


async def test_a_foreign_notification_is_ignored(database, bus):
    async with bus.subscribe("run:1") as subscription:
        async with database.pool.connection() as connection:
            await connection.execute("SELECT pg_notify('holdfast', 'not json')")
            await bus.notify(connection, "run:1")

        assert await subscription.wait(5)
        assert bus.connected


async def test_nothing_is_left_of_a_subscription_that_ended(bus):
    async with bus.subscribe("run:1"):
        pass

    assert bus._subscriptions == {}
