import asyncio
import uuid
from typing import Any

import pytest

from engine.errors import (
    ConflictError,
    EngineError,
    ForbiddenError,
    GoneError,
    InvalidDecisionError,
)
from engine.gates.answers import AcceptedResume


async def resume(room: Any, thread_id: str, value: Any, **options: Any) -> AcceptedResume:
    options = {"actor": "ana", **options}
    return await room.call(room.gates.accept_resume, thread_id, value, **options)


APPROVED = {"decisions": [{"type": "approve"}]}


async def test_a_new_interrupt_opens_a_gate_under_its_own_id(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(title="Pay Fix AG"), interrupt_id="a" * 32)

    assert gate.gate_id == gate.interrupt_id == "a" * 32
    assert (gate.title, gate.state, gate.version) == ("Pay Fix AG", "open", 1)
    assert await room.actions(gate.gate_id) == ["gate.opened"]


async def test_an_interrupt_that_is_still_pending_keeps_its_gate(room: Any) -> None:
    run = await room.interrupted_run()
    (gate,) = await room.ask(room.hitl(), run=run, interrupt_id="a" * 32)

    opened = await room.record(run, [room.interrupt(room.hitl(), interrupt_id="a" * 32)])

    assert opened == []
    assert [one.gate_id for one in await room.of_thread(run.thread_id)] == [gate.gate_id]
    assert (await room.gate(gate.gate_id)).updated_at == gate.updated_at


async def test_another_proposal_under_the_same_id_makes_another_version(room: Any) -> None:
    run = await room.interrupted_run()
    (gate,) = await room.ask(room.hitl(), run=run, interrupt_id="a" * 32)

    await room.record(run, [room.interrupt(room.hitl(args={"amount": 99}), interrupt_id="a" * 32)])

    changed = await room.gate(gate.gate_id)
    assert changed.version == 2
    assert changed.fingerprint != gate.fingerprint
    assert await room.actions(gate.gate_id) == ["gate.opened", "gate.reproposed"]


async def test_new_evidence_for_the_same_proposal_keeps_the_version(room: Any) -> None:
    run = await room.interrupted_run()
    (gate,) = await room.ask(room.hitl(), run=run, interrupt_id="a" * 32)
    value = room.hitl(evidence=[["Stock", "empty"]])

    await room.record(run, [room.interrupt(value, interrupt_id="a" * 32)])

    refreshed = await room.gate(gate.gate_id)
    assert refreshed.version == 1
    assert refreshed.question.evidence[0].value == "empty"


async def test_a_gate_that_is_not_pending_any_more_is_superseded(room: Any) -> None:
    run = await room.interrupted_run()
    (gate,) = await room.ask(room.hitl(), run=run)

    await room.record(run, [])

    assert (await room.gate(gate.gate_id)).state == "superseded"


async def test_a_copied_threads_question_gets_an_id_of_its_own(room: Any) -> None:
    (first,) = await room.ask(room.hitl(), interrupt_id="a" * 32)

    (second,) = await room.ask(room.hitl(), interrupt_id="a" * 32)

    assert second.gate_id == f"{'a' * 32}.2"
    assert (first.ordinal, second.ordinal) == (1, 1)


async def test_a_decided_question_that_nobody_answers_any_more_is_asked_anew(room: Any) -> None:
    run = await room.interrupted_run()
    (gate,) = await room.ask(room.hitl(), run=run, interrupt_id="a" * 32)
    await room.decide(gate.gate_id, room.approve(version=1))
    (carrier,) = await room.resume_runs(run.thread_id)

    opened = await room.record(carrier, [room.interrupt(room.hitl(), interrupt_id="a" * 32)])

    assert opened == [f"{'a' * 32}.2"]
    assert (await room.gate(opened[0])).ordinal == 2


async def test_a_decided_question_whose_answer_is_under_way_is_not_asked_again(room: Any) -> None:
    run = await room.interrupted_run()
    ids = ["a" * 32, "b" * 32]
    await room.record(run, [room.interrupt(room.hitl(), interrupt_id=one) for one in ids])
    for one in ids:
        await room.decide(one, room.approve(version=1))
    first, second = sorted(await room.resume_runs(run.thread_id), key=lambda one: one.seq)

    opened = await room.record(first, [room.interrupt(room.hitl(), interrupt_id="b" * 32)])

    assert opened == []
    assert (await room.gate("b" * 32)).resume_run_id == second.run_id


async def test_a_bare_resume_answers_the_one_open_question(room: Any) -> None:
    (gate,) = await room.ask(room.hitl())

    accepted = await resume(room, gate.thread_id, APPROVED)

    assert accepted.gate_ids == (gate.gate_id,)
    assert accepted.values[gate.interrupt_id]["decisions"][0]["type"] == "approve"
    assert (await room.gate(gate.gate_id)).state == "decided"


async def test_a_second_click_learns_who_came_first(room: Any) -> None:
    (gate,) = await room.ask(room.hitl())
    await resume(room, gate.thread_id, APPROVED)

    with pytest.raises(ConflictError, match="'ana' decided 'approve'") as caught:
        await resume(room, gate.thread_id, APPROVED, actor="ben")

    assert caught.value.values["decided_by"] == "ana"
    assert caught.value.values["decision"]["type"] == "approve"


async def test_a_bare_resume_with_two_open_questions_is_refused(room: Any) -> None:
    gates = await room.ask(room.hitl("one"), room.hitl("two"))

    with pytest.raises(ConflictError, match="name the one") as caught:
        await resume(room, gates[0].thread_id, APPROVED)

    assert set(caught.value.values["interrupt_ids"]) == {gate.interrupt_id for gate in gates}


async def test_questions_of_one_thread_are_answered_apart(room: Any) -> None:
    one, two = await room.ask(room.hitl("one"), room.hitl("two"))

    await resume(room, one.thread_id, {two.interrupt_id: APPROVED})

    assert (await room.gate(one.gate_id)).state == "open"
    assert (await room.gate(two.gate_id)).state == "decided"


async def test_an_answer_from_the_page_of_another_checkpoint_is_refused(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(), checkpoint_id="c2")

    with pytest.raises(ConflictError, match="checkpoint 'c1'") as caught:
        await resume(room, gate.thread_id, APPROVED, checkpoint_id="c1")

    assert caught.value.values["checkpoint_id"] == "c2"


@pytest.mark.parametrize("nothing", [None, {}])
async def test_an_empty_resume_is_refused(room: Any, nothing: Any) -> None:
    (gate,) = await room.ask(room.hitl())

    with pytest.raises(InvalidDecisionError):
        await resume(room, gate.thread_id, nothing)


async def test_a_resume_of_a_thread_that_asks_nothing_is_refused(room: Any) -> None:
    run = await room.interrupted_run()

    with pytest.raises(ConflictError, match="waits for no answer"):
        await resume(room, run.thread_id, APPROVED)


async def test_a_resume_for_an_unknown_interrupt_is_refused(room: Any) -> None:
    (gate,) = await room.ask(room.hitl())

    with pytest.raises(ConflictError, match="does not wait at interrupt"):
        await resume(room, gate.thread_id, {uuid.uuid4().hex: APPROVED})


async def test_a_resume_after_the_deadline_is_gone_though_no_timer_has_fired(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(expires_in_seconds=60))
    await room.pass_time(gate.gate_id, 61)

    with pytest.raises(GoneError, match="expired"):
        await resume(room, gate.thread_id, APPROVED)


async def test_the_proposer_cannot_resume(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(proposer="ana"))

    with pytest.raises(ForbiddenError, match="proposed this"):
        await resume(room, gate.thread_id, APPROVED)


async def test_the_database_itself_keeps_the_proposer_from_deciding(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(proposer="ana"))

    with pytest.raises(Exception, match="four_eyes"):
        await room.execute(
            "UPDATE holdfast.gates SET decided_by = 'ana' WHERE gate_id = %s", gate.gate_id
        )


async def test_a_gate_that_needs_votes_is_not_decided_by_one_resume(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(quorum=2))

    with pytest.raises(ConflictError, match="needs 2 votes"):
        await resume(room, gate.thread_id, APPROVED)


async def test_a_value_that_does_not_fit_leaves_the_gate_open(room: Any) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    (gate,) = await room.ask({"question": "how many?"}, response_schema=schema)

    with pytest.raises(InvalidDecisionError) as caught:
        await resume(room, gate.thread_id, {"n": "many"})

    assert caught.value.values["errors"][0]["pointer"] == "/value/n"
    assert (await room.gate(gate.gate_id)).state == "open"


async def test_text_becomes_the_number_that_the_schema_asks_for(room: Any) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "number"}}}
    (gate,) = await room.ask({"question": "how many?"}, response_schema=schema)

    accepted = await resume(room, gate.thread_id, {"n": "4200.5"})

    assert accepted.values[gate.interrupt_id] == {"n": 4200.5}


async def test_cancelling_closes_what_is_open_and_says_why(room: Any) -> None:
    (gate,) = await room.ask(room.hitl())

    cancelled = await room.call(
        room.gates.cancel_open, gate.thread_id, reason="new input", actor="ben", via="api"
    )

    assert cancelled == [gate.gate_id]
    assert (await room.gate(gate.gate_id)).state == "cancelled"
    entry = (await room.audit.list(gate_id=gate.gate_id))[0]
    assert (entry.actor, entry.details["reason"]) == ("ben", "new input")


async def test_of_racing_resumes_exactly_one_wins(room: Any) -> None:
    (gate,) = await room.ask(room.hitl())

    outcomes = await asyncio.gather(
        *(resume(room, gate.thread_id, APPROVED, actor=f"p{i}") for i in range(10)),
        return_exceptions=True,
    )

    winners = [one for one in outcomes if isinstance(one, AcceptedResume)]
    losers = [one for one in outcomes if isinstance(one, ConflictError)]
    assert (len(winners), len(losers)) == (1, 9)


async def test_poison_in_an_interrupts_value_is_stored(room: Any) -> None:
    value = {"question": "a\x00b\ud800", "n": float("nan"), "review": {"title": "x\u202ey"}}

    (gate,) = await room.ask(value)

    assert gate.title == "xy"
    assert "\x00" not in gate.value["question"]


async def test_a_listener_that_fails_undoes_the_whole_decision(room: Any) -> None:
    class RefusedError(EngineError):
        pass

    async def refuse(*_: Any) -> None:
        raise RefusedError("no")

    (gate,) = await room.ask(room.hitl())
    room.gates.listen(refuse)

    with pytest.raises(RefusedError):
        await room.decide(gate.gate_id, room.approve(version=1))

    assert (await room.gate(gate.gate_id)).state == "open"
    assert await room.resume_runs(gate.thread_id) == []
