"""Reviews over HTTP, with a worker that runs the graph which asks."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.settings import load_settings
from engine.runtime import Engine
from tests.lifespan import running

GRAPHS = Path(__file__).resolve().parents[1] / "graphs" / "langgraph.json"
WAIT_SECONDS = 20.0
APPROVED = {"decisions": [{"type": "approve"}]}


def hitl(**review: Any) -> dict[str, Any]:
    return {
        "action_requests": [{"name": "pay", "args": {"amount": 4200.5}}],
        "review_configs": [
            {"action_name": "pay", "allowed_decisions": ["approve", "edit", "reject"]}
        ],
        "review": review,
    }


class Api:
    """A server on a free port, and the ways of a reviewer."""

    def __init__(self, app: FastAPI, url: str) -> None:
        self.app = app
        self.client = httpx.AsyncClient(base_url=url, timeout=WAIT_SECONDS)

    @property
    def engine(self) -> Engine:
        engine: Engine = self.app.state.engine
        return engine

    async def ask(self, *questions: Any, **options: Any) -> dict[str, Any]:
        """Start a run that asks, wait until it does, and return the first review."""
        thread = (await self.client.post("/threads", json={})).json()
        await self.client.post(
            f"/threads/{thread['thread_id']}/runs/wait",
            json={"assistant_id": "ask", "input": {"questions": [*questions], **options}},
        )
        found: dict[str, Any] = (await self.open_on(thread["thread_id"]))[0]
        return found

    async def open_on(self, thread_id: str) -> list[dict[str, Any]]:
        page = await self.client.get(
            "/reviews", params={"thread_id": thread_id, "state": "open", "signals": True}
        )
        reviews: list[dict[str, Any]] = page.json()["reviews"]
        return reviews

    async def decide(
        self,
        review: dict[str, Any],
        *,
        headers: dict[str, str] | None = None,
        user: str = "ana",
        **body: Any,
    ) -> httpx.Response:
        content = {"fingerprint": review["fingerprint"], **body}
        return await self.client.post(
            f"/reviews/{review['id']}/decision",
            json=content,
            headers={"x-holdfast-user": user, **(headers or {})},
        )

    async def result(self, answer: httpx.Response) -> dict[str, Any]:
        """Return the thread's values after the run that a decision started."""
        state = answer.json()
        path = f"/threads/{state['thread_id']}/runs/{state['resume_run_id']}/join"
        values: dict[str, Any] = (await self.client.get(path)).json()
        return values


@asynccontextmanager
async def serving(database_url: str, **settings: Any) -> AsyncIterator[Api]:
    settings = {"config": GRAPHS, "undo_seconds": 0.0, "samples": False, **settings}
    app = create_app(load_settings(**settings), database_url=database_url)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    async with running(app):
        serve = asyncio.create_task(server.serve())
        async with asyncio.timeout(WAIT_SECONDS):
            while not server.started:  # noqa: ASYNC110  # uvicorn offers no event for it
                await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        api = Api(app, f"http://127.0.0.1:{port}")
        try:
            async with api.client:
                yield api
        finally:
            server.should_exit = True
            server.force_exit = True
            await serve


@pytest.fixture
async def api(migrated_database: str) -> AsyncIterator[Api]:
    async with serving(migrated_database) as api:
        yield api


async def test_a_decision_reaches_the_graph(api: Api) -> None:
    review = await api.ask(hitl(title="Pay Fix AG"))

    answer = await api.decide(review, type="approve", message="go on")

    (told,) = (await api.result(answer))["answers"]
    assert answer.status_code == 202
    assert answer.json()["state"] == "decided"
    assert told == {"decisions": [{"type": "approve", "message": "go on", "decided_by": "ana"}]}


async def test_an_edit_from_a_text_form_arrives_as_a_number(api: Api) -> None:
    review = await api.ask(hitl())

    answer = await api.decide(review, type="edit", args={"amount": "4300"})

    (told,) = (await api.result(answer))["answers"]
    assert told["decisions"][0]["edited_action"]["args"] == {"amount": 4300}


async def test_two_questions_of_one_node_are_asked_and_decided_in_turn(api: Api) -> None:
    first = await api.ask(hitl(title="one"), hitl(title="two"))

    await api.result(await api.decide(first, type="approve"))
    (second,) = await api.open_on(first["thread_id"])
    answer = await api.decide(second, type="reject", message="no")

    told = (await api.result(answer))["answers"]
    assert (first["title"], second["title"]) == ("one", "two")
    assert first["id"] != second["id"]
    assert [one["decisions"][0]["type"] for one in told] == ["approve", "reject"]


async def test_questions_asked_at_once_are_decided_apart(api: Api) -> None:
    first = await api.ask(hitl(title="one"), hitl(title="two"), at_once=True)
    reviews = {one["title"]: one for one in await api.open_on(first["thread_id"])}

    await api.result(await api.decide(reviews["two"], type="reject"))
    left = await api.open_on(first["thread_id"])
    answer = await api.decide(reviews["one"], type="approve")

    told = (await api.result(answer))["answers"]
    assert [one["id"] for one in left] == [reviews["one"]["id"]]
    assert [one["decisions"][0]["type"] for one in told] == ["approve", "reject"]


async def test_both_decided_before_the_graph_moves_are_both_told(api: Api) -> None:
    first = await api.ask(hitl(title="one"), hitl(title="two"), at_once=True)
    one, two = await api.open_on(first["thread_id"])

    answers = await asyncio.gather(api.decide(one, type="approve"), api.decide(two, type="approve"))
    for answer in answers:
        await api.result(answer)

    state = (await api.client.get(f"/threads/{first['thread_id']}/state")).json()
    assert [answer.status_code for answer in answers] == [202, 202]
    assert len(state["values"]["answers"]) == 2


async def test_the_detail_is_one_screen_with_an_etag(api: Api) -> None:
    review = await api.ask(
        hitl(evidence=[["Stock", "empty"]], effects={"approve": "goes out"}, reasons=["dear"])
    )

    answer = await api.client.get(f"/reviews/{review['id']}")

    detail = answer.json()
    assert answer.headers["etag"] == '"1"'
    assert detail["actions"][0]["args_schema"]["properties"]["amount"] == {"type": "number"}
    assert detail["evidence"] == [{"label": "Stock", "value": "empty", "href": None}]
    assert detail["effects"] == {"approve": "goes out"}
    assert detail["reasons"] == ["dear"]
    assert [line["action"] for line in detail["activity"]] == ["gate.opened"]
    assert detail["refusal"] is None
    assert detail["fingerprint"] == review["fingerprint"]


async def test_if_match_guards_a_decision(api: Api) -> None:
    review = await api.ask(hitl())
    body = {"type": "approve"}
    path = f"/reviews/{review['id']}/decision"

    stale = await api.client.post(path, json=body, headers={"if-match": '"7"'})
    wrong = await api.client.post(path, json=body, headers={"if-match": '"x"'})
    blind = await api.client.post(path, json=body)
    fresh = await api.client.post(path, json=body, headers={"if-match": '"1"'})

    statuses = [answer.status_code for answer in (stale, wrong, blind, fresh)]
    assert statuses == [412, 422, 422, 202]
    assert fresh.headers["etag"] == '"2"'


async def test_the_loser_reads_who_won_when_with_what_and_why(api: Api) -> None:
    review = await api.ask(hitl())
    await api.decide(review, user="ben", type="reject", message="too dear")

    late = await api.decide(review, type="approve")

    body = late.json()
    assert late.status_code == 409
    assert body["decided_by"] == "ben"
    assert body["decision"]["decisions"][0]["message"] == "too dear"
    assert body["decided_at"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"type": "edit", "args": {"amount": "much"}}, "/args/amount"),
        ({"type": "edit"}, "/args"),
        ({"type": "respond", "message": "x"}, "/type"),
        ({"type": "answer"}, "/value"),
        ({"type": "approve", "goto": "__end__"}, "/goto"),
        ({"type": "fly"}, "/type"),
        ({"decisions": []}, "/decisions"),
        ({}, ""),
    ],
)
async def test_a_forged_decision_is_refused_with_a_pointer(
    api: Api, body: dict[str, Any], pointer: str
) -> None:
    review = await api.ask(hitl())

    answer = await api.decide(review, **body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].rstrip("/") == pointer
    assert [one["id"] for one in await api.open_on(review["thread_id"])] == [review["id"]]


async def test_the_proposer_and_strangers_are_refused(api: Api) -> None:
    review = await api.ask(hitl(proposer="carla", assignees=["ana", "carla"]))

    proposer = await api.decide(review, user="carla", type="approve")
    stranger = await api.decide(review, user="eve", type="approve")
    asked = await api.decide(review, user="ana", type="approve")

    assert [one.status_code for one in (proposer, stranger, asked)] == [403, 403, 202]


async def test_four_eyes_keep_the_author_of_the_run_from_deciding(api: Api) -> None:
    api.client.headers["x-holdfast-user"] = "carla"
    review = await api.ask(hitl(four_eyes=True))

    own = await api.decide(review, user="carla", type="approve")
    other = await api.decide(review, user="ana", type="approve")

    assert (own.status_code, other.status_code) == (403, 202)


async def test_an_answer_from_a_page_of_another_checkpoint_is_refused(api: Api) -> None:
    review = await api.ask(hitl())
    detail = (await api.client.get(f"/reviews/{review['id']}")).json()

    async def answer(checkpoint_id: str) -> httpx.Response:
        return await api.client.post(
            f"/threads/{review['thread_id']}/runs/wait",
            json={
                "assistant_id": "ask",
                "input": {},
                "command": {"resume": APPROVED},
                "checkpoint": {"checkpoint_id": checkpoint_id, "checkpoint_ns": ""},
                "on_disconnect": "cancel",
            },
        )

    stale = await answer("1f000000-0000-6000-8000-000000000000")
    fresh = await answer(detail["checkpoint_id"])

    assert (stale.status_code, fresh.status_code) == (409, 200)
    assert stale.json()["checkpoint_id"] == detail["checkpoint_id"]
    assert fresh.json()["answers"][0]["decisions"][0]["type"] == "approve"


async def test_the_same_key_is_the_same_decision(api: Api) -> None:
    review = await api.ask(hitl())
    key = {"idempotency-key": "k1"}

    first = await api.decide(review, headers=key, type="approve")
    again = await api.decide(review, headers=key, type="approve")
    other = await api.decide(review, headers=key, type="reject")

    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 422)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json()


async def test_a_decision_is_taken_back_inside_its_window(api: Api) -> None:
    review = await api.ask(hitl())
    scheduled = await api.decide(review, type="approve", undo_seconds=60)

    undone = await api.client.post(
        f"/reviews/{review['id']}/undo", headers={"x-holdfast-user": "ana"}
    )

    assert scheduled.json()["state"] == "scheduled"
    assert scheduled.json()["resume_run_id"] is None
    assert undone.json()["state"] == "open"


async def test_a_short_window_ends_by_itself(api: Api) -> None:
    review = await api.ask(hitl())

    async with asyncio.timeout(WAIT_SECONDS), api.engine.feed.watch() as events:
        await api.decide(review, type="approve", undo_seconds=0.2)
        async for event in events:
            if event.name == "decided":
                break

    state = await api.client.get(f"/reviews/{review['id']}")
    assert (await api.result(state))["answers"]


async def test_an_expired_review_is_gone_and_the_graph_hears_expired(api: Api) -> None:
    async with asyncio.timeout(WAIT_SECONDS), api.engine.feed.watch() as events:
        review = await api.ask(hitl(expires_in_seconds=0.5, on_expiry="reject"))
        async for event in events:
            if event.name == "expired":
                break

    late = await api.decide(review, type="approve")
    state = await api.client.get(f"/reviews/{review['id']}")
    assert late.status_code == 410
    (told,) = (await api.result(state))["answers"]
    assert told["decisions"][0]["type"] == "expired"


async def test_agent_inboxs_answer_reaches_langchains_form(api: Api) -> None:
    review = await api.ask(hitl())
    edit = {"type": "edit", "args": {"action": "pay", "args": {"amount": "4300"}}}

    answer = await api.client.post(
        f"/threads/{review['thread_id']}/runs/wait",
        json={"assistant_id": "ask", "command": {"resume": [edit]}},
    )

    (told,) = answer.json()["answers"]
    assert told["decisions"][0]["edited_action"] == {"name": "pay", "args": {"amount": 4300}}


async def test_a_second_click_of_another_client_does_not_approve_the_next_question(
    api: Api,
) -> None:
    review = await api.ask(hitl(title="EUR 10"), hitl(title="EUR 10 million"))
    path = f"/threads/{review['thread_id']}/runs/wait"
    click = {
        "assistant_id": "ask",
        "command": {"resume": {review["id"]: APPROVED}},
    }

    await api.client.post(path, json=click)
    second = await api.client.post(path, json=click)

    assert second.status_code == 409
    (left,) = await api.open_on(review["thread_id"])
    assert left["title"] == "EUR 10 million"


async def test_an_answer_that_the_node_fails_with_is_repaired(api: Api) -> None:
    review = await api.ask("how many?", wants_numbers=True)
    failed = await api.decide(review, type="answer", value="many")
    await api.result(failed)
    nothing_open = await api.open_on(review["thread_id"])

    repaired = await api.client.post(f"/reviews/{review['id']}/repair")
    path = f"/threads/{review['thread_id']}/runs/{repaired.json()['run_id']}/join"
    await api.client.get(path)
    (anew,) = await api.open_on(review["thread_id"])
    answer = await api.decide(anew, type="answer", value=41)

    assert nothing_open == []
    assert repaired.status_code == 202
    assert (await api.result(answer))["answers"] == [42]


async def test_a_sound_review_is_not_repaired(api: Api) -> None:
    review = await api.ask(hitl())

    answer = await api.client.post(f"/reviews/{review['id']}/repair")

    assert answer.status_code == 409


async def test_alike_reviews_are_decided_in_one_request(api: Api) -> None:
    reviews = [await api.ask(hitl()) for _ in range(2)]
    seen = [{"id": one["id"], "fingerprint": one["fingerprint"]} for one in reviews]

    answer = await api.client.post("/reviews/decide", json={"reviews": seen, "type": "approve"})

    outcomes = answer.json()["outcomes"]
    assert answer.status_code == 200
    assert {one["review"]["state"] for one in outcomes} == {"decided"}
    assert reviews[0]["shape"] == reviews[1]["shape"]


async def test_what_surrounds_a_decision(api: Api) -> None:
    review = await api.ask(hitl(expires_in_seconds=3600))
    until = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()

    async def post(command: str, body: Any = None, user: str = "ana") -> httpx.Response:
        return await api.client.post(
            f"/reviews/{review['id']}/{command}",
            json={} if body is None else body,
            headers={"x-holdfast-user": user},
        )

    claimed = await post("claim", {"lease_seconds": 60})
    others_claim = await post("claim", user="ben")
    released = await post("release")
    comment = await post("comment", {"body": "hm"})
    snoozed = await post("snooze", {"until": until})
    extended = await post("extend", {"seconds": 600})
    delegated = await post("delegate", {"to": ["ben"]})
    not_mine = await post("claim")

    assert claimed.json()["claimed_by"] == "ana"
    assert (others_claim.status_code, others_claim.json()["claimed_by"]) == (409, "ana")
    assert released.json()["state"] == "open"
    assert (comment.status_code, comment.json()["audience"]) == (201, "internal")
    assert snoozed.json()["snoozed_until"]
    assert extended.json()["expires_at"] > review["expires_at"]
    assert delegated.json()["assignees"] == ["ben"]
    assert not_mine.status_code == 403


async def test_the_list_shows_what_it_is_asked_for(api: Api) -> None:
    hers = await api.ask(hitl(title="hers", assignees=["ana"]))
    his = await api.ask(hitl(title="his", assignees=["ben"], expires_in_seconds=3600))
    later = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    ana = {"x-holdfast-user": "ana"}

    async def listed(**params: Any) -> list[str]:
        page = await api.client.get("/reviews", params=params, headers=ana)
        return [one["id"] for one in page.json()["reviews"]]

    mine = await listed(mine=True)
    newest = await listed(sort="newest")
    with_signals = await listed(signals=True)
    put_off = await api.client.post(
        f"/reviews/{hers['id']}/snooze", json={"until": later}, headers=ana
    )
    awake = await listed(snoozed=False)
    everything = await listed(snoozed=True)

    assert mine == [hers["id"]]
    assert newest == [his["id"], hers["id"]]
    assert sorted(with_signals) == sorted([hers["id"], his["id"]])
    assert put_off.status_code == 200
    assert awake == [his["id"]]
    assert sorted(everything) == sorted([hers["id"], his["id"]])


async def test_the_list_leads_to_more_pages_and_counts(api: Api) -> None:
    for title in ("one", "two", "three"):
        await api.ask(hitl(title=title, risk="high" if title == "two" else "low"))

    page = (await api.client.get("/reviews", params={"limit": 2})).json()
    high = (await api.client.get("/reviews", params={"risk": "high"})).json()

    assert (len(page["reviews"]), page["total"], page["next_offset"]) == (2, 3, 2)
    assert page["counts"] == {"waiting": 3, "scheduled": 0, "high_risk": 1, "overdue": 0}
    assert [one["title"] for one in high["reviews"]] == ["two"]


async def test_what_happens_is_streamed(api: Api) -> None:
    names: list[str] = []
    asked: asyncio.Task[Any] | None = None
    async with (
        asyncio.timeout(WAIT_SECONDS),
        api.client.stream("GET", "/reviews/events") as response,
    ):
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                names.append(line.removeprefix("event: "))
                asked = asked or asyncio.create_task(api.ask(hitl()))
            if line.startswith("data: ") and names[-1] == "opened":
                event = json.loads(line.removeprefix("data: "))
                break
    assert asked is not None

    assert names == ["resync", "opened"]
    assert event["review_id"] == (await asked)["id"]


async def test_a_signal_answers_its_gate_over_http(api: Api) -> None:
    review = await api.ask({"type": "signal", "name": "paid", "review": {"title": "Payment"}})
    path = f"/threads/{review['thread_id']}/signals/paid"

    first = await api.client.post(path, json={"payload": {"amount": 5}, "id": "e1"})
    again = await api.client.post(path, json={"payload": {"amount": 5}, "id": "e1"})
    listed = (await api.client.get(f"/threads/{review['thread_id']}/signals")).json()

    state = await api.client.get(f"/reviews/{review['id']}")
    assert (first.status_code, first.json()["duplicate"]) == (202, False)
    assert again.json()["duplicate"] is True
    assert [one["review_id"] for one in listed] == [review["id"]]
    assert (await api.result(state))["answers"] == [{"amount": 5}]


async def test_only_oneself_is_sent_away(api: Api) -> None:
    body = {"delegate": "ben", "ends_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()}

    async def put(user: str) -> httpx.Response:
        return await api.client.put("/absences/ana", json=body, headers={"x-holdfast-user": user})

    forged = await put("ben")
    own = await put("ana")
    listed = (await api.client.get("/absences")).json()
    back = await api.client.delete("/absences/ana", headers={"x-holdfast-user": "ana"})

    assert (forged.status_code, own.status_code, back.status_code) == (403, 200, 204)
    assert [one["delegate"] for one in listed] == ["ben"]
    assert (await api.client.get("/absences")).json() == []


async def test_who_stands_in_from_tomorrow_does_not_stand_in_today(api: Api) -> None:
    now = datetime.now(UTC)
    body = {
        "delegate": "ben",
        "starts_at": (now + timedelta(days=1)).isoformat(),
        "ends_at": (now + timedelta(days=2)).isoformat(),
    }
    mine = await api.ask(hitl(assignees=["ana"]))

    put = await api.client.put("/absences/ana", json=body, headers={"x-holdfast-user": "ana"})
    early = await api.decide(mine, decisions=[{"type": "approve"}], user="ben")

    assert datetime.fromisoformat(put.json()["starts_at"]) == now + timedelta(days=1)
    assert early.status_code == 403


async def test_a_comment_to_the_agent_reaches_it_with_the_decision(api: Api) -> None:
    review = await api.ask(hitl())
    comment = {"body": "mind the limit", "audience": "agent"}

    await api.client.post(
        f"/reviews/{review['id']}/comment", json=comment, headers={"x-holdfast-user": "ben"}
    )
    decided = await api.decide(review, decisions=[{"type": "reject", "message": "no"}])

    values = await api.result(decided)
    assert "ben: mind the limit" in json.dumps(values)


async def test_every_route_is_documented_with_its_refusals(api: Api) -> None:
    paths = (await api.client.get("/openapi.json")).json()["paths"]

    decision = paths["/reviews/{review_id}/decision"]["post"]
    assert set(decision["responses"]) >= {"202", "403", "404", "409", "410", "412", "422"}
    headers = {one["name"].lower() for one in decision["parameters"] if one["in"] == "header"}
    assert headers >= {"if-match", "idempotency-key"}
    assert {"/reviews/events", "/reviews/decide", "/r/{token}", "/absences/{person}"} <= set(paths)


# Links


async def link_to(api: Api, review: dict[str, Any], person: str = "ana") -> str | None:
    async with api.engine.database.transaction() as connection:
        gate = await api.engine.gates.get(connection, review["id"])
        return await api.engine.links.make(connection, gate, person)


async def test_looking_at_a_link_decides_nothing_however_often(api: Api) -> None:
    review = await api.ask(hitl(title="Pay <b>Fix</b>"))
    token = await link_to(api, review)

    pages = [await api.client.get(f"/r/{token}", headers={"accept": "text/html"}) for _ in range(3)]

    assert {page.status_code for page in pages} == {200}
    assert ">Pay &lt;b&gt;Fix&lt;/b&gt;</h1>" in pages[0].text
    assert "default-src 'none'" in pages[0].headers["content-security-policy"]
    assert (await api.client.get(f"/r/{token}")).json()["choices"] == ["approve", "reject"]
    assert await api.open_on(review["thread_id"])


async def test_a_link_decides_once_as_its_person(api: Api) -> None:
    review = await api.ask(hitl(), hitl())
    token = await link_to(api, review)

    first = await api.client.post(f"/r/{token}", data={"type": "approve", "message": ""})
    second = await api.client.post(f"/r/{token}", data={"type": "approve"})

    assert (first.status_code, second.status_code) == (202, 409)
    assert (first.json()["decided_by"], first.json()["decided_via"]) == ("ana", "link")


async def test_a_link_is_good_for_one_vote(api: Api) -> None:
    review = await api.ask(hitl(quorum=2))
    token = await link_to(api, review)

    votes = [await api.client.post(f"/r/{token}", json={"type": "approve"}) for _ in range(2)]

    assert [vote.status_code for vote in votes] == [202, 409]
    assert votes[1].json()["detail"] == "the link was used"


async def test_a_refused_link_decision_leaves_the_link_unused(api: Api) -> None:
    review = await api.ask(hitl(assignees=["ben"]))
    token = await link_to(api, review, "ana")

    refused = await api.client.post(f"/r/{token}", json={"type": "approve"})

    assert refused.status_code == 403
    assert (await api.client.get(f"/r/{token}")).json()["used"] is False


async def test_a_link_to_another_proposal_is_worthless(api: Api) -> None:
    review = await api.ask(hitl())
    token = await link_to(api, {**review})
    async with api.engine.database.transaction() as connection:
        await connection.execute(
            "UPDATE holdfast.gates SET fingerprint = 'other' WHERE gate_id = %s", [review["id"]]
        )

    shown = await api.client.get(f"/r/{token}")
    answer = await api.client.post(f"/r/{token}", json={"type": "approve"})

    assert (shown.json()["changed"], shown.json()["choices"]) == (True, [])
    assert answer.status_code == 412


async def test_a_forged_link_is_not_found_and_an_edit_is_not_taken(api: Api) -> None:
    review = await api.ask(hitl())
    token = await link_to(api, review)

    forged = await api.client.get(f"/r/{token}x")
    edit = await api.client.post(f"/r/{token}", json={"type": "edit", "args": {}})
    page = await api.client.post(
        f"/r/{token}", data={"type": "fly"}, headers={"accept": "text/html"}
    )

    assert (forged.status_code, edit.status_code, page.status_code) == (404, 422, 422)
    assert page.headers["content-type"].startswith("text/html")


async def test_there_is_no_link_to_a_review_of_high_risk(api: Api) -> None:
    review = await api.ask(hitl(risk="high"))

    assert await link_to(api, review) is None
