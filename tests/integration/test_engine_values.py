"""Poison in, thread alive: whatever a node returns, the next input works."""

from typing import Any

import pytest

from engine.runs.request import RunRequest
from engine.runs.run import Run
from engine.runtime import Engine

REPLACED = {
    "nul": "a\ufffdb",
    "nul_inside": {"deep": ["a\ufffdb"]},
    "surrogate": "a\ufffdb",
    "surrogate_key": {"a\ufffd": 1},
}
REFUSED = ("nan", "infinity", "big_integer", "big_integer_inside", "deep", "big")


async def drink(engine: Engine, kind: str, thread_id: str | None = None) -> Run:
    run = await engine.runs.create(
        RunRequest(assistant_id="poison", thread_id=thread_id, input={"kind": kind})
    )
    over = await engine.runs.wait(run.run_id)
    assert over is not None
    return over


@pytest.mark.parametrize("kind", REPLACED)
async def test_text_that_postgres_cannot_hold_is_replaced(engine: Engine, kind: str) -> None:
    run = await drink(engine, kind)

    async with engine.database.pool.connection() as connection:
        cursor = await connection.execute('SELECT "values" AS state FROM holdfast.threads')
        row: Any = await cursor.fetchone()
    assert run.status == "succeeded"
    assert row["state"]["value"] == REPLACED[kind]


@pytest.mark.parametrize("kind", REFUSED)
async def test_a_value_that_cannot_be_kept_fails_its_run_by_name(engine: Engine, kind: str) -> None:
    run = await drink(engine, kind)

    assert run.status == "failed"
    assert run.error is not None
    assert run.error["error"] == "InvalidValueError"
    assert "/value" in run.error["message"]


@pytest.mark.parametrize("kind", [*REPLACED, *REFUSED])
async def test_the_thread_goes_on_after_any_poison(engine: Engine, kind: str) -> None:
    poisoned = await drink(engine, kind)

    after = await drink(engine, "sound", poisoned.thread_id)

    assert after.status == "succeeded"
    assert after.output["value"] == "sound"
