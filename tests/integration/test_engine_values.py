"""Poison in, thread alive: whatever a node returns, the next input works."""

from typing import Any

import pytest

from engine.errors import InvalidDecisionError, InvalidValueError
from engine.runs.request import RunRequest
from engine.runs.run import Run
from engine.runtime import Engine

REPLACED = {
    "nul": "a\ufffdb",
    "nul_inside": {"deep": ["a\ufffdb"]},
    "surrogate": "a\ufffdb",
    "surrogate_key": {"a\ufffd": 1},
}
BIG = "x" * (9 * 1_048_576)
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


@pytest.mark.parametrize(
    ("field", "value", "pointer"),
    [
        ("input", {"kind": BIG}, "/input"),
        ("command", {"update": {"kind": BIG}}, "/command"),
        ("metadata", {"note": BIG[:300_000]}, "/metadata"),
        ("config", {"configurable": {"note": BIG[:300_000]}}, "/config"),
    ],
)
async def test_what_no_checkpoint_could_hold_is_refused_before_it_is_accepted(
    engine: Engine, field: str, value: Any, pointer: str
) -> None:
    with pytest.raises(InvalidValueError) as refused:
        await engine.runs.create(RunRequest(assistant_id="poison", **{field: value}))

    assert refused.value.pointer == pointer


async def test_an_answer_that_no_checkpoint_could_hold_leaves_its_question_open(
    engine: Engine,
) -> None:
    asked = await engine.runs.create(RunRequest(assistant_id="ask", input={"questions": ["?"]}))
    await engine.runs.wait(asked.run_id)

    with pytest.raises(InvalidDecisionError, match="at most 1048576 bytes"):
        await engine.runs.create(
            RunRequest(
                assistant_id="ask", thread_id=asked.thread_id, command={"resume": BIG[:2_000_000]}
            )
        )

    async with engine.database.transaction() as connection:
        (gate,) = await engine.gates.live(connection, asked.thread_id)
    assert gate.state == "open"


async def test_an_event_too_big_to_be_an_answer_is_refused(engine: Engine) -> None:
    poisoned = await drink(engine, "sound")

    async with engine.database.transaction() as connection:
        with pytest.raises(InvalidValueError, match="/payload"):
            await engine.signals.send(
                connection,
                thread_id=poisoned.thread_id,
                name="paid",
                payload=BIG,
                actor="bank",
                via="api",
            )
