import asyncio
from collections.abc import AsyncIterator
from unittest.mock import ANY

import psycopg
import pytest

from engine.audit import Audit
from engine.database import Database, open_database


@pytest.fixture
async def database(migrated_database: str) -> AsyncIterator[Database]:
    async with open_database(migrated_database, max_connections=12) as database:
        yield database


@pytest.fixture
def audit(database: Database) -> Audit:
    return Audit(database=database)


async def append(audit: Audit, action: str, **values: object) -> None:
    async with audit.database.transaction() as connection:
        await audit.append(connection, actor="ada", via="api", action=action, **values)


async def test_entries_come_back_newest_first_and_by_thread(audit: Audit) -> None:
    await append(audit, "thread.created", thread_id="t1")
    await append(audit, "thread.created", thread_id="t2")
    await append(audit, "thread.deleted", thread_id="t1", details={"why": "asked"})

    entries = await audit.list(thread_id="t1")

    assert [(entry.seq, entry.action) for entry in entries] == [
        (3, "thread.deleted"),
        (1, "thread.created"),
    ]
    assert entries[0].details == {"why": "asked"}


async def test_entries_are_found_by_person_and_time(audit: Audit) -> None:
    await append(audit, "first")
    await append(audit, "second")
    await append(audit, "third")
    first, second, third = sorted(await audit.list(), key=lambda entry: entry.seq)

    between = await audit.list(actor="Ada", since=second.at, until=third.at)

    assert [entry.action for entry in between] == ["second"]
    assert await audit.list(actor="ben") == []
    assert await audit.count(actor="ada", until=third.at) == 2
    assert await audit.count(since=first.at, before_seq=third.seq) == 2


async def test_concurrent_transactions_make_one_unbroken_chain(audit: Audit) -> None:
    await asyncio.gather(*(append(audit, f"run.created.{n}") for n in range(40)))

    report = await audit.verify()

    assert (report.entries, report.broken_at) == (40, None)


async def test_transactions_that_log_before_they_lock_rows_cannot_deadlock(audit: Audit) -> None:
    async with audit.database.transaction() as connection:
        await connection.execute("INSERT INTO holdfast.threads (thread_id) VALUES ('t')")
    first, second = asyncio.Event(), asyncio.Event()

    async def log_then_lock() -> None:
        async with audit.database.transaction() as connection:
            await audit.append(connection, actor="a", via="api", action="first")
            first.set()
            await second.wait()
            await connection.execute("UPDATE holdfast.threads SET status = 'busy'")

    async def lock_then_log() -> None:
        async with audit.database.transaction() as connection:
            await connection.execute("UPDATE holdfast.threads SET status = 'error'")
            second.set()
            await first.wait()
            await audit.append(connection, actor="b", via="api", action="second")

    await asyncio.gather(log_then_lock(), lock_then_log())

    assert {entry.action for entry in await audit.list()} == {"first", "second"}


async def test_an_entry_of_a_rolled_back_transaction_leaves_no_gap(audit: Audit) -> None:
    await append(audit, "one")
    async with (
        audit.database.pool.connection() as connection,
        connection.transaction(force_rollback=True),
    ):
        await audit.append(connection, actor="ada", via="api", action="undone")
    await append(audit, "two")

    report = await audit.verify()

    assert (report.entries, report.broken_at) == (2, None)


async def test_the_log_cannot_be_changed_by_statements(audit: Audit) -> None:
    await append(audit, "one")

    async with audit.database.pool.connection() as connection:
        with pytest.raises(psycopg.Error, match="append-only"):
            await connection.execute("UPDATE holdfast.audit SET actor = 'eve'")
        with pytest.raises(psycopg.Error, match="append-only"):
            await connection.execute("DELETE FROM holdfast.audit")


async def tamper(database: Database, change: str) -> None:
    async with database.transaction() as connection:
        await connection.execute("ALTER TABLE holdfast.audit DISABLE TRIGGER USER")
        await connection.execute(change)
        await connection.execute("ALTER TABLE holdfast.audit ENABLE TRIGGER USER")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE holdfast.audit SET actor = 'eve' WHERE seq = 2", "was changed"),
        ("UPDATE holdfast.audit SET details = '{\"a\": 2}' WHERE seq = 2", "was changed"),
        ("UPDATE holdfast.audit SET at = at + interval '1 us' WHERE seq = 2", "was changed"),
        ("DELETE FROM holdfast.audit WHERE seq = 2", "is missing"),
        ("UPDATE holdfast.audit SET prev_hash = 'x' WHERE seq = 2", "another predecessor"),
    ],
)
async def test_verify_finds_what_a_superuser_changed(
    audit: Audit, change: str, reason: str
) -> None:
    for number in range(3):
        await append(audit, f"action.{number}", thread_id="Ünïcode", details={"a": 1, "ß": [None]})
    await tamper(audit.database, change)

    report = await audit.verify()

    assert report.broken_at in (2, 3)
    assert reason in report.reason


async def test_text_that_postgres_refuses_does_not_lose_the_entry(audit: Audit) -> None:
    await append(
        audit, "odd", details={"nul": "a\0b", "surrogate": "\ud800", "deep": [{"x": "\0"}]}
    )

    (entry,) = await audit.list()

    assert entry.details == {"nul": "a\ufffdb", "surrogate": ANY, "deep": [{"x": "\ufffd"}]}
    assert (await audit.verify()).broken_at is None
