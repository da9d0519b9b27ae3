from typing import Any

import pytest

from engine.links import Links
from engine.notifications import NotificationOptions, Notifications
from engine.outbox import Outbox
from engine.project import Webhooks
from engine.webhooks import WebhookSender, make_policy

EVERYWHERE = {
    "webhook": "https://hooks.test/reviews",
    "slack": "https://chat.test/hook",
    "email": "desk@example.org",
    "public_url": "https://holdfast.test/",
}


def notify(room: Any, **options: Any) -> None:
    """Let the room's gates tell people, with these options."""
    policy = make_policy(Webhooks(), private_hosts=[])
    outbox = Outbox(database=room.database, sender=WebhookSender(policy=policy, key=b"k"))
    links = Links(database=room.database, gates=room.gates, reviews=room.reviews, key=b"k")
    notifications = Notifications(
        outbox=outbox,
        people=room.people,
        links=links,
        options=NotificationOptions(**options),
    )
    room.gates.listen(notifications.on_gate)


async def messages(room: Any, kind: str) -> list[dict[str, Any]]:
    return await room.rows(
        "SELECT target, payload FROM holdfast.outbox WHERE kind = %s ORDER BY created_at", kind
    )


async def test_a_new_review_is_told_once_by_every_way(room: Any) -> None:
    notify(room, **EVERYWHERE)

    (gate,) = await room.ask(room.hitl(title="Pay Fix AG", why_now="over the limit"))

    (hook,) = await messages(room, "webhook")
    (slack,) = await messages(room, "slack")
    (mail,) = await messages(room, "email")
    assert hook["payload"]["type"] == "review.opened"
    assert hook["payload"]["data"]["review_id"] == gate.gate_id
    assert "Pay Fix AG" in slack["payload"]["text"]
    assert mail["payload"]["subject"] == "New review: Pay Fix AG"
    assert f"https://holdfast.test/console/reviews/{gate.gate_id}" in mail["payload"]["text"]


async def test_arguments_stay_inside_unless_they_are_asked_for(room: Any) -> None:
    notify(room, **EVERYWHERE)
    await room.ask(room.hitl(args={"iban": "DE89"}))

    told = [await messages(room, kind) for kind in ("webhook", "slack", "email")]

    assert "DE89" not in str(told)


async def test_arguments_are_told_when_they_are_asked_for(room: Any) -> None:
    notify(room, **EVERYWHERE, arguments=True)
    await room.ask(room.hitl(args={"iban": "DE89"}))

    for kind in ("webhook", "slack", "email"):
        assert "DE89" in str(await messages(room, kind))


async def test_the_person_asked_gets_a_link_of_their_own(room: Any) -> None:
    notify(room, public_url="https://holdfast.test")

    await room.ask(room.hitl(assignees=["ana"]))

    (mail,) = await messages(room, "email")
    (link,) = await room.rows("SELECT person, used_at FROM holdfast.gate_links")
    assert mail["target"] == "ana@example.org"
    assert "https://holdfast.test/r/" in mail["payload"]["text"]
    assert link == {"person": "ana", "used_at": None}


async def test_high_risk_is_mailed_without_a_link_that_decides(room: Any) -> None:
    notify(room, public_url="https://holdfast.test")

    await room.ask(room.hitl(assignees=["ana"], risk="high"))

    (mail,) = await messages(room, "email")
    assert "/r/" not in mail["payload"]["text"]
    assert "/console/reviews/" in mail["payload"]["text"]


async def test_whoever_is_asked_next_is_told(room: Any) -> None:
    notify(room, webhook=EVERYWHERE["webhook"])
    (gate,) = await room.ask(
        room.hitl(assignees=["ben"], escalations=[{"after_seconds": 60, "to": ["ana"]}])
    )

    await room.pass_time(gate.gate_id, 61)
    await room.timers.fire_due()

    (mail,) = await messages(room, "email")
    hooks = await messages(room, "webhook")
    assert mail["target"] == "ana@example.org"
    assert [one["payload"]["type"] for one in hooks] == ["review.opened", "review.escalated"]
    assert hooks[1]["payload"]["data"]["assignees"] == ["ana"]


async def test_nothing_is_told_of_what_is_rolled_back(room: Any) -> None:
    notify(room, webhook=EVERYWHERE["webhook"])
    (gate,) = await room.ask(room.hitl())

    async def delegate_and_fail(connection: Any) -> None:
        await room.reviews.delegate(connection, gate.gate_id, to=["ben"], actor="ana", via="api")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await room.call(delegate_and_fail)

    assert len(await messages(room, "webhook")) == 1


async def test_markup_of_an_agent_means_nothing_in_slack(room: Any) -> None:
    notify(room, slack=EVERYWHERE["slack"])

    await room.ask(room.hitl(title="<https://evil.test|Pay>"))

    (slack,) = await messages(room, "slack")
    assert "<https://evil.test" not in slack["payload"]["text"]
