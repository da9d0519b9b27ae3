import asyncio
from collections.abc import AsyncIterator

import pytest

from engine.database import Database, open_database
from engine.errors import IdempotencyInFlightError, IdempotencyMismatchError, InvalidValueError
from engine.idempotency import Call, Idempotency, Replay, make_call


@pytest.fixture
async def database(migrated_database: str) -> AsyncIterator[Database]:
    async with open_database(migrated_database, max_connections=12) as database:
        yield database


@pytest.fixture
def idempotency(database: Database) -> Idempotency:
    return Idempotency(database=database)


def call(key: str = "k1", body: object = None, caller: str = "") -> Call:
    return make_call(
        key=key, method="POST", route="/runs", path="/runs", body=body or {}, caller=caller
    )


async def act(idempotency: Idempotency, made: list[str], request: Call) -> Replay | None:
    """Do what a route does: one transaction around the key, the work and the answer."""
    async with idempotency.database.transaction() as connection:
        replay = await idempotency.begin(connection, request)
        if replay is None:
            made.append(request.key)
            await idempotency.finish(
                connection, request, resource_id="r1", status=200, body={"run_id": "r1"}
            )
        return replay


async def test_the_second_call_gets_the_first_ones_answer(idempotency: Idempotency) -> None:
    made: list[str] = []
    await act(idempotency, made, call())

    replay = await act(idempotency, made, call())

    assert made == ["k1"]
    assert replay == Replay(resource_id="r1", status=200, headers={}, body={"run_id": "r1"})


async def test_eight_equal_calls_at_once_do_the_work_once(idempotency: Idempotency) -> None:
    made: list[str] = []

    replays = await asyncio.gather(*(act(idempotency, made, call()) for _ in range(8)))

    assert made == ["k1"]
    assert [replay.body for replay in replays if replay] == [{"run_id": "r1"}] * 7


async def test_another_body_under_the_same_key_is_refused(idempotency: Idempotency) -> None:
    await act(idempotency, [], call(body={"input": 1}))

    with pytest.raises(IdempotencyMismatchError):
        await act(idempotency, [], call(body={"input": 2}))


async def test_the_order_of_fields_does_not_make_another_body(idempotency: Idempotency) -> None:
    await act(idempotency, [], call(body={"a": 1, "b": 2}))

    assert await act(idempotency, [], call(body={"b": 2, "a": 1})) is not None


async def test_keys_of_different_callers_never_meet(idempotency: Idempotency) -> None:
    made: list[str] = []

    await act(idempotency, made, call(caller="ada"))
    await act(idempotency, made, call(caller="bob"))

    assert made == ["k1", "k1"]


async def test_a_call_that_failed_leaves_the_key_free(idempotency: Idempotency) -> None:
    async with (
        idempotency.database.pool.connection() as connection,
        connection.transaction(force_rollback=True),
    ):
        await idempotency.begin(connection, call())

    assert await act(idempotency, [], call()) is None


async def test_a_call_whose_answer_takes_long_is_joined_by_its_run(
    idempotency: Idempotency,
) -> None:
    async with idempotency.database.transaction() as connection:
        await idempotency.begin(connection, call())
        await idempotency.finish(connection, call(), resource_id="r1")

    replay = await act(idempotency, [], call())

    assert replay is not None
    assert (replay.resource_id, replay.status) == ("r1", None)


async def test_a_call_beside_an_uncommitted_one_is_told_to_come_back(
    idempotency: Idempotency,
) -> None:
    async with idempotency.database.transaction() as first:
        await idempotency.begin(first, call())
        async with idempotency.database.transaction() as second:
            await second.execute("SET LOCAL lock_timeout = '20ms'")
            with pytest.raises(IdempotencyInFlightError):
                await idempotency.begin(second, call())


async def test_a_key_is_forgotten_after_seven_days(idempotency: Idempotency) -> None:
    await act(idempotency, [], call("old"))
    await act(idempotency, [], call("new"))
    async with idempotency.database.transaction() as connection:
        await connection.execute(
            "UPDATE holdfast.idempotency_keys SET created_at = created_at - interval '8 days'"
            " WHERE key = 'old'"
        )

    assert await act(idempotency, [], call("old", body={"other": 1})) is None
    assert await idempotency.tidy() == 0
    assert await act(idempotency, [], call("new")) is not None


async def test_tidying_removes_only_what_is_old(idempotency: Idempotency) -> None:
    await act(idempotency, [], call("old"))
    async with idempotency.database.transaction() as connection:
        await connection.execute(
            "UPDATE holdfast.idempotency_keys SET created_at = created_at - interval '8 days'"
        )
    await act(idempotency, [], call("new"))

    assert await idempotency.tidy() == 1


@pytest.mark.parametrize("key", ["", "a" * 256, "ä", "a\nb", " lead"])
def test_a_key_must_be_printable_ascii_of_at_most_255(key: str) -> None:
    with pytest.raises(InvalidValueError):
        call(key)


def test_quotes_around_a_key_are_not_part_of_it() -> None:
    assert call('"k1"') == call("k1")
