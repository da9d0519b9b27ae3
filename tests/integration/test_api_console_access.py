"""The console behind a project's own authentication: everybody sees and decides their own only."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.routes.reviews import review_frames
from state.review import gate

GRAPHS = Path(__file__).resolve().parents[1] / "graphs"
PLAIN = {"Accept": "text/html"}

OpenApi = Callable[..., AbstractAsyncContextManager[Any]]


@pytest.fixture
async def office(open_api: OpenApi, tmp_path: Path) -> AsyncIterator[Any]:
    """Return the application with one waiting review each of ada and bob."""
    config = tmp_path / "langgraph.json"
    content = {
        "graphs": {"ask": f"{GRAPHS}/ask.py:graph"},
        "auth": {"path": f"{GRAPHS}/auth.py:auth"},
    }
    config.write_text(json.dumps(content))
    async with open_api(config) as api:
        yield api


def as_user(name: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}", **PLAIN, **more}


async def ask(api: Any, name: str, title: str) -> dict[str, Any]:
    """Let a graph ask on a thread of `name`'s, and return the review."""
    headers = {"Authorization": f"Bearer {name}"}
    question = gate(title=title, action="pay", args={"amount": 1}, undo_in=timedelta(0))
    thread = await api.sdk.threads.create(headers=headers)
    await api.sdk.runs.create(
        thread["thread_id"], "ask", input={"questions": [question]}, headers=headers
    )
    await api.work()
    found = await api.http.get(
        "/reviews", params={"thread_id": thread["thread_id"]}, headers=headers
    )
    return dict(found.json()["reviews"][0])


def form_of(review: dict[str, Any], **more: str) -> dict[str, str]:
    return {
        "type": "approve",
        "version": str(review["version"]),
        "fingerprint": review["fingerprint"],
        **more,
    }


async def test_the_queue_shows_a_reviewers_own_reviews_only(office: Any) -> None:
    await ask(office, "ada", "Pay for ada")
    await ask(office, "bob", "Pay for bob")

    seen = (await office.http.get("/console/reviews", headers=as_user("ada"))).text
    by_root = (await office.http.get("/console/reviews", headers=as_user("root"))).text

    assert "Pay for ada" in seen
    assert "Pay for bob" not in seen
    assert "Pay for bob" in by_root


async def test_no_screen_shows_what_is_somebody_elses(office: Any) -> None:
    review = await ask(office, "bob", "Secret of bob")
    thread_id, review_id = review["thread_id"], review["id"]
    history = await office.sdk.threads.get_history(
        thread_id, limit=2, headers={"Authorization": "Bearer bob"}
    )
    step = f"/console/threads/{thread_id}/steps/{history[0]['checkpoint_id']}"
    asked = {
        f"/console/reviews/{review_id}": 404,
        f"/console/reviews/queue?current={review_id}&version=0&state=open": 200,
        f"/console/reviews/alike/{review['shape']}": 200,
        "/console/runs": 200,
        f"/console/runs?search={thread_id}": 200,
        "/console/threads": 200,
        f"/console/threads/{thread_id}": 404,
        f"/console/threads/{thread_id}/history.json": 404,
        step: 404,
        "/console/graphs/ask": 200,
        f"/console/graphs/ask/nodes/ask_in_turn?thread={thread_id}": 404,
        "/console/storage": 403,
        "/console/audit": 403,
        "/console/audit/export.csv": 403,
        "/console/health": 403,
    }

    answers = {path: await office.http.get(path, headers=as_user("ada")) for path in asked}

    assert {path: answer.status_code for path, answer in answers.items()} == asked
    told = re.compile(f"Secret of bob|{review_id}")
    for path, answer in answers.items():
        if path.startswith(("/console/runs", "/console/threads", "/console/graphs")):
            told_here = re.compile(f"Secret of bob|{review_id}|/console/threads/{thread_id}")
            assert not told_here.search(answer.text.replace(f"search={thread_id}", "")), path
        assert not told.search(answer.text.replace(path, "")), path


COMMANDS = (
    "decision", "claim", "release", "comment", "snooze", "extend", "delegate", "undo", "repair",
)  # fmt: skip


async def test_a_form_posted_at_somebody_elses_review_does_nothing(office: Any) -> None:
    review = await ask(office, "bob", "Not for ada")
    form = form_of(review, message="mine now", to="ada", minutes="5")

    answers = {
        command: await office.http.post(
            f"/console/reviews/{review['id']}/{command}", data=form, headers=as_user("ada")
        )
        for command in COMMANDS
    }

    assert {command: one.status_code for command, one in answers.items()} == dict.fromkeys(
        COMMANDS, 404
    )
    (entry,) = await office.engine.audit.list(gate_id=review["id"])
    assert entry.action == "gate.opened"


async def test_a_forged_list_decides_nobody_elses_reviews(office: Any) -> None:
    review = await ask(office, "bob", "Not for ada")
    picked = f"{review['id']}|{review['version']}|{review['fingerprint']}"
    bulk = {
        "reviews": [{"id": review["id"], "fingerprint": review["fingerprint"]}],
        "type": "approve",
    }

    by_form = await office.http.post(
        f"/console/reviews/alike/{review['shape']}",
        data={"type": "approve", "pick": picked},
        headers=as_user("ada"),
    )
    by_api = await office.http.post("/reviews/decide", json=bulk, headers=as_user("ada"))

    assert (by_form.status_code, by_api.status_code) == (404, 404)
    (entry,) = await office.engine.audit.list(gate_id=review["id"])
    assert entry.action == "gate.opened"


async def test_runs_and_steps_of_somebody_else_are_left_alone(office: Any) -> None:
    review = await ask(office, "bob", "Not for ada")
    thread_id = review["thread_id"]
    runs = await office.engine.runs.list(thread_id)

    for path, form in {
        "/console/runs/cancel": {"run_id": runs[0].run_id},
        "/console/runs/retry": {"run_id": runs[0].run_id},
    }.items():
        await office.http.post(path, data=form, headers=as_user("ada"))
    forked = await office.http.post(
        f"/console/threads/{thread_id}/steps/none", data={"where": "here"}, headers=as_user("ada")
    )
    swept = await office.http.post(
        "/console/storage/sweep", data={"keep": "1"}, headers=as_user("ada")
    )

    assert (forked.status_code, swept.status_code) == (404, 403)
    assert await office.engine.runs.list(thread_id) == runs


async def test_the_audit_log_names_who_is_signed_in_whatever_the_browser_says(office: Any) -> None:
    review = await ask(office, "ada", "Pay for ada")
    office.http.cookies.set("holdfast_user", "carla")

    answer = await office.http.post(
        f"/console/reviews/{review['id']}/decision",
        data=form_of(review),
        headers=as_user("ada", **{"X-Holdfast-User": "carla"}),
    )

    assert answer.status_code == 303
    last = (await office.engine.audit.list(gate_id=review["id"]))[0]
    assert (last.action, last.actor, last.via) == ("gate.decided", "ada", "console")


async def test_who_is_not_signed_in_reads_so_on_a_page(office: Any) -> None:
    browser = await office.http.get("/console/reviews", headers=PLAIN)
    program = await office.http.get("/console/reviews")

    assert (browser.status_code, program.status_code) == (401, 401)
    assert "say who you are" in browser.text
    assert "<h1>Sign in first</h1>" in browser.text
    assert program.json()["detail"] == "say who you are"


async def test_the_stream_of_events_tells_of_ones_own_reviews_only(office: Any) -> None:
    events = review_frames(office.engine, None, {"owner": "ada"})
    assert b"resync" in await anext(events)

    await ask(office, "bob", "Not for ada")
    review = await ask(office, "ada", "Pay for ada")
    told = await asyncio.wait_for(anext(events), 10)
    await events.aclose()

    assert json.loads(told.split(b"data: ")[1])["review_id"] == review["id"]


async def test_who_is_signed_out_while_typing_is_led_to_sign_in_and_back(office: Any) -> None:
    review = await ask(office, "ada", "Half typed")
    typed = form_of(review, message="half a sentence")

    refused = await office.http.post(
        f"/console/reviews/{review['id']}/decision",
        data=typed,
        headers={**PLAIN, "HX-Request": "true"},
    )

    assert refused.status_code == 401
    # Only the toast changes: the page keeps the form, and opening it again restores the draft.
    assert 'hx-target="#review"' not in refused.text
    assert '<a class="button" href="">Sign in again</a>' in refused.text
    again = await office.http.get(f"/reviews/{review['id']}", headers=as_user("ada"))
    assert again.json()["state"] == "open"
