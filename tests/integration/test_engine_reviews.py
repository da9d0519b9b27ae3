import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.errors import (
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidDecisionError,
    InvalidValueError,
    NotFoundError,
    PreconditionFailedError,
)
from engine.gates.gate import Gate
from engine.reviews.ballots import Ballot
from engine.reviews.board import ReviewFilter
from engine.reviews.decision import Decision

ACTOR = {"actor": "ana", "via": "api"}


def answer_of(gate: Gate) -> Any:
    return gate.answer["decisions"][0]


# Deciding


async def test_a_decision_is_written_with_the_run_that_tells_the_graph(room: Any) -> None:
    (gate,) = await room.ask(room.hitl())

    decided = await room.decide(gate.gate_id, room.approve(fingerprint=gate.fingerprint))

    (run,) = await room.resume_runs(gate.thread_id)
    assert (decided.state, decided.decided_by) == ("decided", "ana")
    assert decided.resume_run_id == run.run_id
    assert run.payload == {"resume": {gate.interrupt_id: decided.answer}}
    assert list(run.gate_ids) == [gate.gate_id]
    assert await room.actions(gate.gate_id) == ["gate.opened", "gate.decided"]


async def test_an_edit_keeps_its_numbers(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(args={"amount": 4200.5}))
    edit = Ballot(decisions=[Decision(type="edit", args={"amount": "4300"})], version=1)

    decided = await room.decide(gate.gate_id, edit)

    assert answer_of(decided)["edited_action"]["args"] == {"amount": 4300}


async def test_an_invalid_decision_writes_nothing(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(args={"amount": 1}))
    edit = Ballot(decisions=[Decision(type="edit", args={"amount": "much"})], version=1, note="hm")

    with pytest.raises(InvalidDecisionError) as caught:
        await room.decide(gate.gate_id, edit)

    assert caught.value.values["errors"][0]["pointer"] == "/args/amount"
    assert (await room.gate(gate.gate_id)).state == "open"
    assert await room.actions(gate.gate_id) == ["gate.opened"]


async def test_another_proposal_than_the_one_seen_is_not_decided(room: Any) -> None:
    (gate,) = await room.ask(room.hitl())

    with pytest.raises(PreconditionFailedError, match="proposal changed"):
        await room.decide(gate.gate_id, room.approve(fingerprint="0" * 64))
    with pytest.raises(PreconditionFailedError, match="version 7 was read"):
        await room.decide(gate.gate_id, room.approve(version=7))


async def test_a_latecomer_learns_who_when_what_and_why(room: Any) -> None:
    (gate,) = await room.ask(room.hitl())
    await room.decide(gate.gate_id, room.reject("too dear", version=1), actor="ben")

    with pytest.raises(ConflictError) as caught:
        await room.decide(gate.gate_id, room.approve(version=1))

    values = caught.value.values
    assert values["decided_by"] == "ben"
    assert values["decided_at"]
    assert values["decision"]["decisions"][0] == {"type": "reject", "message": "too dear"}


async def test_five_racing_callers_on_fifty_gates_leave_one_winner_each(room: Any) -> None:
    gates = []
    for _ in range(50):
        gates += await room.ask(room.hitl(proposer="carla"))

    async def one_gate(gate: Gate) -> list[Any]:
        calls = [
            room.decide(gate.gate_id, room.approve(version=1), actor="ana"),
            room.decide(gate.gate_id, room.approve(version=1), actor="ben"),
            room.decide(gate.gate_id, room.reject(version=1), actor="dora"),
            room.decide(gate.gate_id, room.approve(version=1), actor="carla"),
            room.decide(gate.gate_id, room.approve(fingerprint="0" * 64), actor="eve"),
        ]
        return await asyncio.gather(*calls, return_exceptions=True)

    outcomes = [await one_gate(gate) for gate in gates]

    winners = [sum(isinstance(one, Gate) for one in calls) for calls in outcomes]
    carriers = [len(await room.resume_runs(gate.thread_id)) for gate in gates]
    refusals = {type(one) for calls in outcomes for one in calls if not isinstance(one, Gate)}
    assert winners == [1] * 50
    assert carriers == [1] * 50
    assert refusals <= {ConflictError, ForbiddenError, PreconditionFailedError}


async def test_only_those_who_are_asked_decide(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(assignees=["ben", "team:finance"]))

    with pytest.raises(ForbiddenError, match="'ana' may not"):
        await room.decide(gate.gate_id, room.approve(version=1))

    assert (
        await room.decide(gate.gate_id, room.approve(version=1), actor="fay")
    ).state == "decided"


async def test_a_team_that_nobody_has_listed_takes_everybody(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(assignees=["team:unheard"]))

    assert (await room.decide(gate.gate_id, room.approve(version=1))).state == "decided"


async def test_a_stand_in_decides_for_who_is_away_and_the_log_says_so(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(assignees=["ben"]))
    await room.call(
        room.people.set_absence,
        person="ben",
        delegate="ana",
        starts_at=None,
        ends_at=datetime.now(UTC) + timedelta(days=1),
        actor="ben",
        via="api",
    )

    decided = await room.decide(gate.gate_id, room.approve(version=1))

    assert decided.decision["for"] == "ben"


async def test_stand_ins_who_stand_in_for_each_other_end_nowhere(room: Any) -> None:
    ends_at = datetime.now(UTC) + timedelta(days=1)
    for person, delegate in (("ben", "dora"), ("dora", "ben")):
        await room.call(
            room.people.set_absence,
            person=person,
            delegate=delegate,
            starts_at=None,
            ends_at=ends_at,
            actor=person,
            via="api",
        )
    (gate,) = await room.ask(room.hitl(assignees=["ben"]))

    with pytest.raises(ForbiddenError):
        await room.decide(gate.gate_id, room.approve(version=1), actor="ana")


async def test_an_absence_in_the_past_is_refused(room: Any) -> None:
    with pytest.raises(InvalidValueError, match="ends_at"):
        await room.call(
            room.people.set_absence,
            person="ben",
            delegate="ana",
            starts_at=None,
            ends_at=datetime.now(UTC) - timedelta(days=1),
            actor="ben",
            via="api",
        )


# Votes


async def test_the_last_needed_vote_resumes_the_graph(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(quorum=2))

    first = await room.decide(gate.gate_id, room.approve(version=1), actor="ana")
    second = await room.decide(gate.gate_id, room.approve(version=1), actor="ben")

    assert (first.state, second.state) == ("open", "decided")
    assert answer_of(second)["decided_by"] == "ana, ben"
    assert await room.actions(gate.gate_id) == ["gate.opened", "gate.voted", "gate.decided"]


async def test_one_person_votes_once(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(quorum=2))

    for _ in range(3):
        voted = await room.decide(gate.gate_id, room.approve(version=1))

    assert voted.state == "open"
    async with room.database.pool.connection() as connection:
        assert len(await room.reviews.votes(connection, gate.gate_id)) == 1


async def test_votes_for_different_things_do_not_add_up(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(quorum=2))
    edit = Ballot(decisions=[Decision(type="edit", args={"amount": 9.0})], version=1)

    await room.decide(gate.gate_id, room.approve(version=1), actor="ana")
    voted = await room.decide(gate.gate_id, edit, actor="ben")

    assert voted.state == "open"


async def test_one_rejection_ends_a_vote(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(quorum=3))
    await room.decide(gate.gate_id, room.approve(version=1), actor="ana")

    rejected = await room.decide(gate.gate_id, room.reject(version=1), actor="ben")

    assert rejected.state == "decided"
    assert answer_of(rejected)["type"] == "reject"


async def test_another_proposal_voids_the_votes(room: Any) -> None:
    run = await room.interrupted_run()
    (gate,) = await room.ask(room.hitl(quorum=2), run=run, interrupt_id="a" * 32)
    await room.decide(gate.gate_id, room.approve(version=1), actor="ana")

    value = room.hitl(args={"amount": 99}, quorum=2)
    await room.record(run, [room.interrupt(value, interrupt_id="a" * 32)])

    voted = await room.decide(gate.gate_id, room.approve(version=2), actor="ben")
    assert voted.state == "open"


# Undo


async def test_a_scheduled_decision_reaches_the_graph_only_when_its_time_is_over(room: Any) -> None:
    (gate,) = await room.ask(room.hitl())
    scheduled = await room.decide(gate.gate_id, room.approve(version=1, undo_seconds=5))

    early = await room.timers.fire_due()
    before = await room.resume_runs(gate.thread_id)
    await room.pass_time(gate.gate_id, 6)
    late = await room.timers.fire_due()

    assert (scheduled.state, early, before) == ("scheduled", 0, [])
    assert late == 1
    assert (await room.gate(gate.gate_id)).state == "decided"
    assert len(await room.resume_runs(gate.thread_id)) == 1


async def test_a_decision_is_taken_back_as_if_it_had_not_been(room: Any) -> None:
    (gate,) = await room.ask(room.hitl())
    await room.decide(gate.gate_id, room.approve(version=1, undo_seconds=5))

    undone = await room.call(room.reviews.undo, gate.gate_id, **ACTOR)

    assert (undone.state, undone.version, undone.decided_by) == ("open", 3, None)
    assert await room.timers.fire_due() == 0
    assert await room.actions(gate.gate_id) == ["gate.opened", "gate.scheduled", "gate.undone"]


async def test_only_who_decided_takes_it_back_and_only_in_time(room: Any) -> None:
    (gate,) = await room.ask(room.hitl())
    await room.decide(gate.gate_id, room.approve(version=1, undo_seconds=5))

    with pytest.raises(ForbiddenError):
        await room.call(room.reviews.undo, gate.gate_id, actor="ben", via="api")
    await room.pass_time(gate.gate_id, 6)
    with pytest.raises(ConflictError, match="is over"):
        await room.call(room.reviews.undo, gate.gate_id, **ACTOR)


async def test_undo_and_the_end_of_its_window_meet_in_one_place(room: Any) -> None:
    for _ in range(10):
        (gate,) = await room.ask(room.hitl())
        await room.decide(gate.gate_id, room.approve(version=1, undo_seconds=5))
        await room.pass_time(gate.gate_id, 5)

        undone, fired = await asyncio.gather(
            room.call(room.reviews.undo, gate.gate_id, **ACTOR),
            room.timers.fire(gate.gate_id),
            return_exceptions=True,
        )

        carriers = len(await room.resume_runs(gate.thread_id))
        assert carriers == (0 if isinstance(undone, Gate) else 1)
        assert fired is (carriers == 1)


# Claims, delegation, comments


async def test_a_claim_keeps_others_off_until_it_lapses(room: Any) -> None:
    (gate,) = await room.ask(room.hitl())
    await room.call(room.reviews.claim, gate.gate_id, lease_seconds=60, **ACTOR)

    with pytest.raises(ConflictError, match="'ana' works on it"):
        await room.decide(gate.gate_id, room.approve(version=1), actor="ben")
    await room.pass_time(gate.gate_id, 61)

    assert (
        await room.decide(gate.gate_id, room.approve(version=1), actor="ben")
    ).state == "decided"


async def test_a_lapsed_claim_is_cleared_by_the_timer(room: Any) -> None:
    (gate,) = await room.ask(room.hitl())
    await room.call(room.reviews.claim, gate.gate_id, **ACTOR)
    await room.pass_time(gate.gate_id, 601)

    await room.timers.fire_due()

    cleared = await room.gate(gate.gate_id)
    assert (cleared.state, cleared.claimed_by, cleared.wake_at) == ("open", None, None)


async def test_a_claimed_review_is_given_back_by_its_holder(room: Any) -> None:
    (gate,) = await room.ask(room.hitl())
    await room.call(room.reviews.claim, gate.gate_id, **ACTOR)

    with pytest.raises(ConflictError):
        await room.call(room.reviews.release, gate.gate_id, actor="ben", via="api")
    released = await room.call(room.reviews.release, gate.gate_id, **ACTOR)

    assert released.state == "open"


async def test_of_two_who_claim_at_once_one_gets_it(room: Any) -> None:
    (gate,) = await room.ask(room.hitl())

    outcomes = await asyncio.gather(
        *(room.call(room.reviews.claim, gate.gate_id, actor=who, via="api") for who in "abcde"),
        return_exceptions=True,
    )

    assert sum(isinstance(one, Gate) for one in outcomes) == 1


async def test_a_review_is_handed_over(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(assignees=["ana"], proposer="carla"))

    handed = await room.call(room.reviews.delegate, gate.gate_id, to=["ben"], **ACTOR)

    assert list(handed.assignees) == ["ben"]
    with pytest.raises(ForbiddenError):
        await room.decide(gate.gate_id, room.approve(version=1))
    with pytest.raises(InvalidValueError):
        await room.call(room.reviews.delegate, gate.gate_id, to=["carla"], actor="ben", via="api")


async def test_the_agent_hears_what_was_said_to_it_and_nothing_else(room: Any) -> None:
    (gate,) = await room.ask(room.hitl())
    for audience, body in (("agent", "mind the limit"), ("internal", "he always asks")):
        await room.call(
            room.reviews.comment, gate.gate_id, body=body, audience=audience, actor="ben", via="api"
        )

    decided = await room.decide(gate.gate_id, room.reject("no", version=1, note="between us"))

    assert answer_of(decided)["message"] == "ben: mind the limit\nno"
    detail = await room.reviews.get(gate.gate_id, viewer="ana")
    assert [one.body for one in detail.comments] == [
        "mind the limit",
        "he always asks",
        "between us",
    ]


async def test_nothing_is_said_to_an_agent_that_has_its_answer(room: Any) -> None:
    (gate,) = await room.ask(room.hitl())
    await room.decide(gate.gate_id, room.approve(version=1))

    with pytest.raises(ConflictError):
        await room.call(room.reviews.comment, gate.gate_id, body="wait", audience="agent", **ACTOR)


# Snooze, extend


async def test_a_snoozed_review_is_out_of_sight_until_its_time(room: Any) -> None:
    (gate,) = await room.ask(room.hitl())
    until = gate.read_at + timedelta(seconds=60)
    await room.call(room.reviews.snooze, gate.gate_id, until=until, **ACTOR)

    hidden = await room.reviews.list(ReviewFilter())
    await room.pass_time(gate.gate_id, 61)
    await room.timers.fire_due()
    shown = await room.reviews.list(ReviewFilter())

    assert (hidden.total, shown.total) == (0, 1)
    assert (await room.actions(gate.gate_id))[-1] == "gate.woken"


async def test_a_review_is_not_snoozed_beyond_its_deadline(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(expires_in_seconds=60))

    with pytest.raises(InvalidValueError, match="before the review expires"):
        await room.call(
            room.reviews.snooze, gate.gate_id, until=gate.read_at + timedelta(hours=1), **ACTOR
        )


async def test_every_deadline_moves_together(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(due_in_seconds=60, expires_in_seconds=120))

    extended = await room.call(room.reviews.extend, gate.gate_id, seconds=300, **ACTOR)

    assert extended.due_at - gate.due_at == timedelta(seconds=300)
    assert extended.expires_at - gate.expires_at == timedelta(seconds=300)


async def test_an_expired_review_is_not_extended(room: Any) -> None:
    (gate,) = await room.ask(room.hitl(expires_in_seconds=60))
    await room.pass_time(gate.gate_id, 61)

    with pytest.raises(GoneError):
        await room.call(room.reviews.extend, gate.gate_id, seconds=300, **ACTOR)


# Bulk


async def test_alike_reviews_are_decided_together(room: Any) -> None:
    gates = [(await room.ask(room.hitl(args={"amount": n})))[0] for n in range(3)]
    ballots = {gate.gate_id: room.approve(fingerprint=gate.fingerprint) for gate in gates}
    await room.decide(gates[1].gate_id, room.reject(version=1), actor="ben")

    outcomes = await room.call(room.reviews.decide_many, ballots, **ACTOR)

    by_id = {one.review_id: one for one in outcomes}
    assert by_id[gates[0].gate_id].gate.state == "decided"
    assert isinstance(by_id[gates[1].gate_id].error, ConflictError)
    assert by_id[gates[2].gate_id].gate.state == "decided"


async def test_reviews_of_different_shapes_are_not_decided_together(room: Any) -> None:
    one, two = (await room.ask(room.hitl("pay")))[0], (await room.ask(room.hitl("mail")))[0]

    with pytest.raises(InvalidDecisionError, match="one shape"):
        await room.call(
            room.reviews.decide_many,
            {gate.gate_id: room.approve(version=1) for gate in (one, two)},
            **ACTOR,
        )


async def test_high_risk_is_never_decided_together(room: Any) -> None:
    (one,) = await room.ask(room.hitl(risk="high"))

    with pytest.raises(ForbiddenError, match="one by one"):
        await room.call(room.reviews.decide_many, {one.gate_id: room.approve(version=1)}, **ACTOR)


# Looking


async def test_the_most_urgent_comes_first_and_no_deadline_comes_last(room: Any) -> None:
    await room.ask(room.hitl(title="whenever"))
    await room.ask(room.hitl(title="tomorrow", due_in_seconds=86_400))
    await room.ask(room.hitl(title="soon", expires_in_seconds=60))

    page = await room.reviews.list(ReviewFilter())

    assert [item.title for item in page.items] == ["soon", "tomorrow", "whenever"]
    assert (await room.reviews.counts())["waiting"] == 3


async def test_a_list_is_narrowed(room: Any) -> None:
    await room.ask(room.hitl(title="Mine", assignees=["ana"], risk="high"))
    await room.ask(room.hitl(title="Finance's", assignees=["team:finance"]))
    await room.ask(room.hitl(title="Anybody's"))

    async def titles(**which: Any) -> set[str]:
        page = await room.reviews.list(ReviewFilter(**which))
        return {item.title for item in page.items}

    assert await titles(mine="ana") == {"Mine", "Anybody's"}
    assert await titles(mine="fay") == {"Finance's", "Anybody's"}
    assert await titles(risk="high") == {"Mine"}
    assert await titles(search="FINANCE") == {"Finance's"}


async def test_a_list_is_limited_to_what_belongs_to_the_caller(room: Any) -> None:
    (gate,) = await room.ask(room.hitl())
    await room.ask(room.hitl())
    await room.execute(
        """UPDATE holdfast.threads SET metadata = '{"owner": "ana"}' WHERE thread_id = %s""",
        gate.thread_id,
    )

    page = await room.reviews.list(ReviewFilter(scope={"owner": "ana"}))
    counts = await room.reviews.counts({"owner": "ana"})

    assert [item.gate_id for item in page.items] == [gate.gate_id]
    assert counts["waiting"] == 1


async def test_a_detail_holds_all_that_a_reviewer_needs(room: Any) -> None:
    run = await room.interrupted_run()
    (first,) = await room.ask(room.hitl(args={"amount": 1}), run=run)
    await room.decide(first.gate_id, room.reject("too little", version=1))
    (elsewhere,) = await room.ask(room.hitl(args={"amount": 2}))
    await room.decide(elsewhere.gate_id, room.approve(version=1))
    again = await room.interrupted_run(run.thread_id)
    (second,) = await room.ask(room.hitl(args={"amount": 3}, proposer="carla"), run=again)

    detail = await room.reviews.get(second.gate_id, viewer="carla")

    assert detail.previous["actions"][0]["args"] == {"amount": 1}
    assert detail.previous["decision"]["decisions"][0]["message"] == "too little"
    assert [one["gate_id"] for one in detail.similar] == [elsewhere.gate_id]
    assert [one.action for one in detail.activity] == ["gate.opened"]
    assert "proposed this" in detail.refusal
    assert (await room.reviews.get(second.gate_id, viewer="ana")).refusal is None


async def test_an_unknown_review_is_not_found(room: Any) -> None:
    with pytest.raises(NotFoundError):
        await room.reviews.get("nobody", viewer="ana")
