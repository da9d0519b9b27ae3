"""Every POST that starts or decides something: sent twice with one key, it is done once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

# POSTs that change nothing, or that carry a key of their own.
READERS = (
    "/search",
    "/count",
    "/history",
    "/namespaces",
    "/versions",
    "/state/checkpoint",
    "/stream/events",
)
# Repeating these is what it is to do them once: they say what is to be, not what is to happen.
REPEATABLE = {"/assistants/{assistant_id}/latest"}
# A link is a key itself, and its page a form.
OWN_KEY = {"/r/{token}"}
RUN = {"assistant_id": "echo", "input": {"text": "once"}}
HITL = {
    "action_requests": [{"name": "pay", "args": {"amount": 1}}],
    "review_configs": [{"action_name": "pay", "allowed_decisions": ["approve", "reject"]}],
    "review": {"expires_at": "2100-01-01T00:00:00Z"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A request that can be sent.

    Attributes:
        body: None sends none.
        other: a body that says something else.
    """

    path: str
    body: Any
    other: Any


async def _thread(api: Any, **run: Any) -> str:
    thread = await api.sdk.threads.create()
    if run:
        await api.sdk.runs.create(thread["thread_id"], run["assistant_id"], input=run["input"])
        await api.work()
    return str(thread["thread_id"])


async def _review(api: Any, question: Any = HITL, **state: Any) -> dict[str, Any]:
    await _thread(api, assistant_id="ask", input={"questions": [question], **state})
    (line,) = (await api.http.get("/reviews")).json()["reviews"]
    found: dict[str, Any] = (await api.http.get(f"/reviews/{line['id']}")).json()
    return found


async def new_thread(_: Any) -> Post:
    return Post(path="/threads", body={"metadata": {"a": 1}}, other={"metadata": {"a": 2}})


async def thread_copy(api: Any) -> Post:
    return Post(path=f"/threads/{await _thread(api, **RUN)}/copy", body=None, other={"a": 1})


async def pruning(api: Any) -> Post:
    threads = [await _thread(api, **RUN)]
    body = {"thread_ids": threads, "strategy": "delete"}
    return Post(path="/threads/prune", body=body, other={**body, "strategy": "keep_latest"})


async def state(api: Any) -> Post:
    path = f"/threads/{await _thread(api, **RUN)}/state"
    return Post(path=path, body={"values": {"text": "a"}}, other={"values": {"text": "b"}})


async def signal(api: Any) -> Post:
    path = f"/threads/{await _thread(api)}/signals/paid"
    return Post(path=path, body={"payload": 1}, other={"payload": 2})


async def run(api: Any) -> Post:
    path = f"/threads/{await _thread(api)}/runs"
    return Post(path=path, body=RUN, other={**RUN, "input": {"text": "other"}})


async def stateless_run(_: Any) -> Post:
    return Post(path="/runs", body=RUN, other={**RUN, "metadata": {"a": 1}})


async def batch(_: Any) -> Post:
    return Post(path="/runs/batch", body=[RUN, RUN], other=[RUN])


async def cancelling(api: Any) -> Post:
    thread_id = await _thread(api)
    made = await api.sdk.runs.create(thread_id, "echo", input={"text": "a"})
    path = f"/threads/{thread_id}/runs/{made['run_id']}/cancel"
    return Post(path=path, body=None, other={"a": 1})


async def rollback(api: Any) -> Post:
    post = await cancelling(api)
    return Post(path=f"{post.path}?action=rollback", body=None, other={"a": 1})


async def cancelling_many(api: Any) -> Post:
    thread_id = await _thread(api)
    made = await api.sdk.runs.create(thread_id, "echo", input={"text": "a"})
    body = {"thread_id": thread_id, "run_ids": [made["run_id"]]}
    return Post(path="/runs/cancel?action=rollback", body=body, other={"status": "all"})


async def cron(_: Any) -> Post:
    body = {"assistant_id": "echo", "schedule": "0 5 * * *", "input": {}}
    return Post(path="/runs/crons", body=body, other={**body, "schedule": "0 6 * * *"})


async def thread_cron(api: Any) -> Post:
    post = await cron(api)
    path = f"/threads/{await _thread(api)}/runs/crons"
    return Post(path=path, body=post.body, other=post.other)


async def assistant(_: Any) -> Post:
    body = {"graph_id": "echo", "name": "one"}
    return Post(path="/assistants", body=body, other={"graph_id": "echo", "name": "two"})


async def one_decision(api: Any) -> Post:
    review = await _review(api)
    path = f"/reviews/{review['id']}/decision"
    return Post(path=path, body=decided(review, "approve"), other=decided(review, "reject"))


async def bulk_decision(api: Any) -> Post:
    review = await _review(api)
    seen = {"id": review["id"], "fingerprint": review["fingerprint"]}
    body = {"reviews": [seen], "type": "approve"}
    return Post(path="/reviews/decide", body=body, other={**body, "type": "reject"})


async def command(api: Any) -> Post:
    start = {"id": 1, "method": "run.start", "params": RUN}
    path = f"/threads/{await _thread(api)}/commands"
    return Post(path=path, body=start, other={**start, "params": {**RUN, "input": {}}})


def decided(review: dict[str, Any], kind: str, **more: Any) -> dict[str, Any]:
    return {"fingerprint": review["fingerprint"], "type": kind, **more}


def around(name: str, body: Any, other: Any) -> Callable[[Any], Awaitable[Post]]:
    """Return what surrounds a decision."""

    async def make(api: Any) -> Post:
        return Post(path=f"/reviews/{(await _review(api))['id']}/{name}", body=body, other=other)

    return make


POSTS: dict[str, Callable[[Any], Awaitable[Post]]] = {
    "/threads": new_thread,
    "/threads/{thread_id}/copy": thread_copy,
    "/threads/prune": pruning,
    "/threads/{thread_id}/state": state,
    "/threads/{thread_id}/signals/{name}": signal,
    "/threads/{thread_id}/runs": run,
    "/runs": stateless_run,
    "/runs/batch": batch,
    "/threads/{thread_id}/runs/{run_id}/cancel": cancelling,
    "/threads/{thread_id}/runs/{run_id}/cancel?action=rollback": rollback,
    "/runs/cancel": cancelling_many,
    "/runs/crons": cron,
    "/threads/{thread_id}/runs/crons": thread_cron,
    "/assistants": assistant,
    "/reviews/{review_id}/decision": one_decision,
    "/reviews/decide": bulk_decision,
    "/reviews/{review_id}/claim": around("claim", {"lease_seconds": 60}, {"lease_seconds": 90}),
    "/reviews/{review_id}/comment": around("comment", {"body": "a"}, {"body": "b"}),
    "/reviews/{review_id}/delegate": around(
        "delegate", {"to": ["bob"]}, {"to": ["cho"], "reason": "away"}
    ),
    "/reviews/{review_id}/extend": around("extend", {"seconds": 60}, {"seconds": 90}),
    "/reviews/{review_id}/snooze": around(
        "snooze", {"until": None}, {"until": "2100-01-01T00:00:00Z"}
    ),
    "/threads/{thread_id}/commands": command,
}
# The run that they start is proven in `test_api_routes_runs.py`: their answer is a stream or late.
JOINED = {
    "/threads/{thread_id}/runs/stream",
    "/threads/{thread_id}/runs/wait",
    "/runs/stream",
    "/runs/wait",
}
# Needs a state of its own.
APART = {
    "/reviews/{review_id}/undo",
    "/reviews/{review_id}/release",
    "/reviews/{review_id}/repair",
}


async def send(api: Any, post: Post, key: str, body: Any) -> Any:
    return await api.http.post(post.path, json=body, headers={"Idempotency-Key": key})


def said(answer: Any) -> Any:
    """Return what an answer says, whatever the order of its fields; None without a body."""
    document = answer.json() if answer.content else None
    if isinstance(document, dict):
        document.pop("meta", None)  # of a command: where the thread's events are by now
    return document


async def test_no_post_that_does_something_is_left_out(api: Any) -> None:
    paths = (await api.http.get("/openapi.json")).json()["paths"]

    posts = {path for path, item in paths.items() if "post" in item}
    doing = {path for path in posts if not path.endswith(READERS)} - REPEATABLE - OWN_KEY
    assert doing == {path for path in POSTS if "?" not in path} | JOINED | APART


@pytest.mark.parametrize("path", POSTS)
async def test_what_is_sent_again_is_answered_again_and_done_once(api: Any, path: str) -> None:
    post = await POSTS[path](api)

    first = await send(api, post, "k", post.body)
    await api.work()  # whatever it began is over when it is asked again
    again = await send(api, post, "k", post.body)
    other = await send(api, post, "k", post.other)

    assert first.status_code < 300, first.text
    assert again.status_code == first.status_code
    assert said(again) == said(first)
    if "commands" in path:  # its errors are answers
        assert other.json()["error"] == "invalid_argument"
        return
    assert again.headers["Idempotent-Replayed"] == "true"
    assert other.status_code == 422


@pytest.mark.parametrize(
    "path",
    ["/threads", "/runs", "/runs/batch", "/runs/crons", "/reviews/{review_id}/decision"],
)
async def test_what_is_sent_eight_times_at_once_is_done_once(api: Any, path: str) -> None:
    post = await POSTS[path](api)

    answers = await asyncio.gather(*(send(api, post, "k", post.body) for _ in range(8)))

    assert {answer.status_code for answer in answers} == {answers[0].status_code}
    assert all(said(answer) == said(answers[0]) for answer in answers)
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 7


async def test_while_the_first_request_is_at_work_its_repetition_is_told_to_come_back(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()
    create = type(api.engine.threads).create

    async def slowly(*positional: Any, **named: Any) -> Any:
        begun.set()
        await may_end.wait()
        return await create(*positional, **named)

    monkeypatch.setattr(type(api.engine.threads), "create", slowly)
    post = await new_thread(api)
    first = asyncio.create_task(send(api, post, "k", post.body))
    await begun.wait()

    again = await send(api, post, "k", post.body)

    may_end.set()
    assert (again.status_code, again.headers["Retry-After"]) == (409, "1")
    assert (await first).status_code == 200


async def test_a_request_that_was_refused_leaves_its_key_free(api: Any) -> None:
    thread_id = str(uuid4())
    post = Post(path=f"/threads/{thread_id}/runs", body=RUN, other=None)

    refused = await send(api, post, "k", RUN)
    await api.sdk.threads.create(thread_id=thread_id)
    taken = await send(api, post, "k", RUN)

    assert (refused.status_code, taken.status_code) == (404, 200)
    assert "Idempotent-Replayed" not in taken.headers


async def test_the_answer_of_a_stateless_run_outlives_the_run(api: Any) -> None:
    post = Post(path="/runs/wait", body=RUN, other=None)
    first = asyncio.create_task(send(api, post, "k", RUN))
    while not (await api.engine.runs.list(statuses=("queued",), limit=1)):  # noqa: ASYNC110 - row
        await asyncio.sleep(0)
    await api.work()
    answer = await first
    async with api.engine.database.transaction() as connection:
        await connection.execute("DELETE FROM holdfast.threads")

    again = await send(api, post, "k", RUN)

    assert answer.json() == again.json() == {"text": "once", "count": 1}
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_a_repair_is_done_once(api: Any) -> None:
    review = await _review(api, "how many?", wants_numbers=True)
    answer = decided(review, "answer", value="many")
    await api.http.post(f"/reviews/{review['id']}/decision", json=answer)
    await api.work()
    post = Post(path=f"/reviews/{review['id']}/repair", body={}, other=None)

    first = await send(api, post, "k", {})
    again = await send(api, post, "k", {})

    assert first.status_code == 202, first.text
    assert said(again) == said(first)
