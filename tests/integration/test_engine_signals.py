import asyncio
from typing import Any

import pytest

from engine.errors import InvalidDecisionError, InvalidValueError, NotFoundError

SCHEMA = {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]}


def waiting(name: str = "paid", schema: Any = None, **review: Any) -> dict[str, Any]:
    value: dict[str, Any] = {"type": "signal", "name": name, "review": review}
    return value if schema is None else {**value, "payload_schema": schema}


async def send(room: Any, thread_id: str, payload: Any = None, **options: Any) -> Any:
    options = {"name": "paid", "actor": "bank", "via": "api", **options}
    return await room.call(room.signals.send, thread_id=thread_id, payload=payload, **options)


async def test_an_event_answers_the_gate_that_waits_for_it(room: Any) -> None:
    (gate,) = await room.ask(waiting())

    receipt = await send(room, gate.thread_id, {"amount": 5})

    (run,) = await room.resume_runs(gate.thread_id)
    assert receipt.signal.gate_id == gate.gate_id
    assert run.payload["resume"] == {gate.interrupt_id: {"amount": 5}}
    decided = await room.gate(gate.gate_id)
    assert (decided.state, decided.decided_by) == ("decided", "signal:paid")


async def test_an_event_of_another_name_waits_for_its_own_gate(room: Any) -> None:
    (gate,) = await room.ask(waiting("shipped"))

    receipt = await send(room, gate.thread_id)

    assert receipt.signal.delivered_at is None
    assert (await room.gate(gate.gate_id)).state == "open"


async def test_an_event_that_comes_early_answers_the_gate_when_it_opens(room: Any) -> None:
    run = await room.interrupted_run()
    await send(room, run.thread_id, {"amount": 5}, signal_id="e1")

    still_open = await room.ask(waiting(), run=run)

    (gate,) = await room.of_thread(run.thread_id)
    assert still_open == []
    assert (gate.state, gate.answer) == ("decided", {"amount": 5})
    assert (await room.signals.list(run.thread_id))[0].gate_id == gate.gate_id


async def test_the_same_event_sent_again_is_absorbed(room: Any) -> None:
    (gate,) = await room.ask(waiting())

    receipts = [await send(room, gate.thread_id, signal_id="e1") for _ in range(3)]

    assert [one.duplicate for one in receipts] == [False, True, True]
    assert len(await room.resume_runs(gate.thread_id)) == 1


async def test_one_event_racing_with_itself_is_delivered_once(room: Any) -> None:
    (gate,) = await room.ask(waiting())

    receipts = await asyncio.gather(*(send(room, gate.thread_id, signal_id="e1") for _ in range(8)))

    assert sum(not one.duplicate for one in receipts) == 1
    assert len(await room.resume_runs(gate.thread_id)) == 1


async def test_a_second_event_is_kept_for_the_next_gate(room: Any) -> None:
    (gate,) = await room.ask(waiting())
    await send(room, gate.thread_id, 1, signal_id="e1")

    second = await send(room, gate.thread_id, 2, signal_id="e2")

    assert second.signal.delivered_at is None


async def test_a_payload_that_does_not_fit_is_refused_and_not_kept(room: Any) -> None:
    (gate,) = await room.ask(waiting(schema=SCHEMA))

    with pytest.raises(InvalidDecisionError) as caught:
        await send(room, gate.thread_id, {"amount": "much"})

    assert caught.value.values["errors"][0]["pointer"] == "/value/amount"
    assert await room.signals.list(gate.thread_id) == []


async def test_an_early_payload_that_does_not_fit_leaves_the_gate_open(room: Any) -> None:
    run = await room.interrupted_run()
    await send(room, run.thread_id, {"amount": "much"}, signal_id="e1")
    await send(room, run.thread_id, {"amount": 5}, signal_id="e2")

    await room.ask(waiting(schema=SCHEMA), run=run)

    (gate,) = await room.of_thread(run.thread_id)
    assert gate.answer == {"amount": 5}
    assert "signal.refused" in await room.actions(gate.gate_id)


async def test_an_event_after_the_deadline_is_kept_and_the_gate_expires(room: Any) -> None:
    (gate,) = await room.ask(waiting(expires_in_seconds=60, on_expiry="reject"))
    await room.pass_time(gate.gate_id, 61)

    receipt = await send(room, gate.thread_id)
    await room.timers.fire_due()

    assert receipt.signal.delivered_at is None
    expired = await room.gate(gate.gate_id)
    assert (expired.state, expired.answer["type"]) == ("expired", "expired")


async def test_an_event_for_an_unknown_thread_or_without_a_name_is_refused(room: Any) -> None:
    with pytest.raises(NotFoundError):
        await send(room, "nobody")
    with pytest.raises(InvalidValueError):
        await send(room, "nobody", name=" ")
