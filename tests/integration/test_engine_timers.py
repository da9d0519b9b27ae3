import asyncio
from typing import Any

import pytest

from engine.errors import GoneError
from engine.gates.gate import Gate


async def later(room: Any, gate: Gate, seconds: float) -> Gate:
    """Let time pass, let the timers fire, and return the gate as it is then."""
    await room.pass_time(gate.gate_id, seconds)
    await room.timers.fire_due()
    changed: Gate = await room.gate(gate.gate_id)
    return changed


async def test_a_gate_that_nobody_answers_expires_and_the_graph_is_told_so(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(expires_in_seconds=60, on_expiry="reject"))

    expired = await later(room, gate, 61)

    (run,) = await room.resume_runs(gate.thread_id)
    assert (expired.state, expired.decided_by) == ("expired", "timer")
    assert run.payload["resume"][gate.interrupt_id]["decisions"][0]["type"] == "expired"
    assert expired.resume_run_id == run.run_id


async def test_a_declared_answer_is_given_when_the_time_is_over(room: Any) -> None:
    outcome = {"action": "answer", "value": {"decisions": [{"type": "approve"}]}}
    (gate,) = await room.ask(room.hitl(expires_in_seconds=60, on_expiry=outcome))

    expired = await later(room, gate, 61)

    assert expired.answer["decisions"][0]["type"] == "approve"
    assert expired.answer["decisions"][0]["expired"] is True


async def test_a_deadline_may_come_from_the_graphs_defaults(room: Any) -> None:
    room.gates._defaults = {"echo": {"expires_in_seconds": 60, "on_expiry": "reject"}}
    (gate,) = await room.ask({"question": "go on?"})

    expired = await later(room, gate, 61)

    assert expired.answer["type"] == "expired"


async def test_nothing_fires_before_its_time(room: Any) -> None:
    (gate,) = await room.ask(
        room.hitl(expires_in_seconds=60, remind_in_seconds=30, on_expiry="reject")
    )

    assert await room.timers.fire_due() == 0
    assert (await room.gate(gate.gate_id)).state == "open"


async def test_a_reminder_is_given_once(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(remind_in_seconds=30))

    await later(room, gate, 31)
    await later(room, gate, 31)

    assert await room.actions(gate.gate_id) == ["gate.opened", "gate.reminded"]


async def test_a_question_climbs_its_chain_hop_by_hop(room: Any) -> None:
    chain = [{"after_seconds": 60, "to": ["ben"]}, {"after_seconds": 60, "to": "team:finance"}]
    (gate,) = await room.ask(room.hitl(assignees=["ana"], escalations=chain))

    first = await later(room, gate, 61)
    second = await later(room, gate, 61)
    third = await later(room, gate, 61)

    assert [list(one.assignees) for one in (first, second, third)] == [
        ["ben"],
        ["team:finance"],
        ["team:finance"],
    ]
    assert await room.actions(gate.gate_id) == [
        "gate.opened",
        "gate.escalated",
        "gate.escalated",
    ]


async def test_an_expiry_that_escalates_asks_the_next_and_gives_the_time_again(room: Any) -> None:
    chain = [{"after_seconds": 1e6, "to": ["ben"]}]
    (gate,) = await room.ask(
        room.hitl(expires_in_seconds=60, on_expiry="escalate", escalations=chain)
    )

    escalated = await later(room, gate, 61)

    assert (escalated.state, list(escalated.assignees)) == ("open", ["ben"])
    assert 59 < (escalated.expires_at - escalated.read_at).total_seconds() <= 60


async def test_at_the_end_of_the_chain_the_question_stays_open_without_a_deadline(
    room: Any,
) -> None:
    (gate,) = await room.ask(room.hitl(expires_in_seconds=60, on_expiry="escalate"))

    overdue = await later(room, gate, 61)

    assert (overdue.state, overdue.expires_at, overdue.wake_at) == ("open", None, None)
    assert (await room.actions(gate.gate_id))[-1] == "gate.overdue"
    assert (await room.decide(gate.gate_id, room.approve(version=1))).state == "decided"


async def test_who_comes_after_the_timer_is_too_late(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(expires_in_seconds=60, on_expiry="reject"))
    await later(room, gate, 61)

    with pytest.raises(GoneError, match="expired"):
        await room.decide(gate.gate_id, room.approve(version=1))


async def test_a_person_and_the_timers_of_many_processes_meet_in_one_place(room: Any) -> None:
    for round_ in range(20):
        (gate,) = await room.ask(room.hitl(expires_in_seconds=60, on_expiry="reject"))
        # At the very edge: some rounds are won by the person, some by the clock.
        await room.pass_time(gate.gate_id, 59.995 + (round_ % 2) / 100)

        outcomes = await asyncio.gather(
            room.decide(gate.gate_id, room.approve(version=1)),
            *(room.timers.fire(gate.gate_id) for _ in range(3)),
            return_exceptions=True,
        )
        await room.pass_time(gate.gate_id, 1)
        await room.timers.fire_due()

        settled = await room.gate(gate.gate_id)
        person_won = isinstance(outcomes[0], Gate)
        assert settled.state == ("decided" if person_won else "expired")
        assert len(await room.resume_runs(gate.thread_id)) == 1


async def test_a_timer_that_came_due_while_nobody_was_there_fires_once(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(expires_in_seconds=60, on_expiry="reject"))
    await room.pass_time(gate.gate_id, 86_400)

    fired = await asyncio.gather(*(room.timers.fire_due() for _ in range(4)))

    assert sum(fired) == 1
    assert (await room.actions(gate.gate_id)).count("gate.expired") == 1


async def test_a_gate_that_cannot_be_served_does_not_keep_the_others_waiting(
    room: Any, caplog: pytest.LogCaptureFixture
) -> None:
    (broken,) = await room.ask(room.hitl(expires_in_seconds=30, on_expiry="reject"))
    (sound,) = await room.ask(room.hitl(expires_in_seconds=60, on_expiry="reject"))
    await room.execute("UPDATE holdfast.gates SET review = '{}' WHERE gate_id = %s", broken.gate_id)
    await room.pass_time(broken.gate_id, 61)

    expired = await later(room, sound, 61)

    assert expired.state == "expired"
    assert "timer_failed" in caplog.text
