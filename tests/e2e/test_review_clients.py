"""Agent Inbox and Agent Chat UI: the requests that they send, and what becomes of the thread.

The requests are those that the unmodified clients were seen to send; only ids differ.
"""

import json
from typing import Any

import httpx
import pytest


@pytest.fixture
def http(graph_server):
    with httpx.Client(base_url=graph_server.url, timeout=60) as client:
        yield client


def purchase(**arguments: Any) -> dict[str, Any]:
    """A question as langchain's own middleware asks it."""
    return {
        "action_requests": [
            {"name": "create_order", "args": {"amount": 4200.5, **arguments}, "description": "buy"}
        ],
        "review_configs": [
            {
                "action_name": "create_order",
                "allowed_decisions": ["approve", "edit", "reject"],
                "args_schema": {
                    "type": "object",
                    "properties": {"amount": {"type": "number"}, "note": {"type": "string"}},
                },
            }
        ],
    }


def interrupt_for_inbox() -> dict[str, Any]:
    """A question in Agent Inbox's own form."""
    return {
        "action_request": {"action": "create_order", "args": {"amount": 4200.5}},
        "config": {
            "allow_accept": True,
            "allow_edit": True,
            "allow_respond": True,
            "allow_ignore": True,
        },
        "description": "buy",
    }


def waiting(http: httpx.Client, *questions: Any) -> dict[str, Any]:
    """Return the thread, as Agent Inbox finds it, that waits at the first question."""
    thread = http.post("/threads", json={"metadata": {}}).json()
    body = {"assistant_id": "ask", "input": {"questions": list(questions)}}
    http.post(f"/threads/{thread['thread_id']}/runs/wait", json=body)
    found = http.post(
        "/threads/search",
        json={
            "metadata": {"graph_id": "ask"},
            "ids": [thread["thread_id"]],
            "status": "interrupted",
            "limit": 10,
            "offset": 0,
        },
    ).json()
    assert len(found) == 1
    return found[0]


def inbox_answers(http: httpx.Client, thread_id: str, answer: dict[str, Any]) -> str:
    with http.stream(
        "POST",
        f"/threads/{thread_id}/runs/stream",
        json={"command": {"resume": [answer]}, "stream_mode": "events", "assistant_id": "ask"},
    ) as response:
        return response.read().decode()


def chat_answers(
    http: httpx.Client, thread: dict[str, Any], decisions: list[dict[str, Any]]
) -> httpx.Response:
    (state,) = http.post(f"/threads/{thread['thread_id']}/history", json={"limit": 1}).json()
    return http.post(
        f"/threads/{thread['thread_id']}/runs/stream",
        json={
            "assistant_id": "ask",
            "input": {},
            "command": {"resume": {"decisions": decisions}},
            "checkpoint": {
                key: state["checkpoint"][key] for key in ("checkpoint_id", "checkpoint_ns")
            },
            "stream_mode": ["values", "messages-tuple", "custom"],
            "stream_subgraphs": True,
            "stream_resumable": True,
            "on_disconnect": "cancel",
        },
    )


def answers(http: httpx.Client, thread_id: str) -> list[Any]:
    return http.get(f"/threads/{thread_id}/state").json()["values"].get("answers", [])


def status(http: httpx.Client, thread_id: str) -> str:
    return http.get(f"/threads/{thread_id}").json()["status"]


def test_the_list_shows_the_question_under_its_task(http):
    thread = waiting(http, interrupt_for_inbox())

    ((question,),) = thread["interrupts"].values()
    assert question["value"]["action_request"]["action"] == "create_order"
    assert set(question) >= {"id", "value"}
    assert thread["metadata"]["graph_id"] == "ask"


def test_inbox_accepts(http):
    thread = waiting(http, interrupt_for_inbox())

    stream = inbox_answers(http, thread["thread_id"], {"type": "accept", "args": None})

    assert "event: metadata" in stream
    assert "event: error" not in stream
    ((answer,),) = answers(http, thread["thread_id"])
    assert answer["type"] == "accept"


def test_inbox_edits_and_numbers_stay_numbers(http):
    thread = waiting(http, interrupt_for_inbox())

    inbox_answers(
        http,
        thread["thread_id"],
        {"type": "edit", "args": {"action": "create_order", "args": {"amount": "4300"}}},
    )

    ((answer,),) = answers(http, thread["thread_id"])
    assert answer["args"]["args"]["amount"] == 4300


def test_inbox_ignores_in_the_background(http):
    thread = waiting(http, interrupt_for_inbox())

    run = http.post(
        f"/threads/{thread['thread_id']}/runs",
        json={
            "command": {"resume": [{"type": "ignore", "args": None}]},
            "assistant_id": "ask",
        },
    ).json()
    http.get(f"/threads/{thread['thread_id']}/runs/{run['run_id']}/join")

    assert status(http, thread["thread_id"]) == "idle"


def test_inbox_marks_as_resolved(http):
    thread = waiting(http, interrupt_for_inbox())

    done = http.post(
        f"/threads/{thread['thread_id']}/state", json={"values": None, "as_node": "__end__"}
    )

    state = http.get(f"/threads/{thread['thread_id']}/state").json()
    assert done.is_success
    assert state["next"] == []
    assert status(http, thread["thread_id"]) == "idle"


def test_inbox_answers_the_middlewares_question_and_the_thread_lives(http):
    thread = waiting(http, purchase())

    inbox_answers(http, thread["thread_id"], {"type": "accept", "args": None})

    assert answers(http, thread["thread_id"]) == [{"decisions": [{"type": "approve"}]}]
    assert status(http, thread["thread_id"]) == "idle"


def test_chat_approves_although_it_sends_input_too(http):
    thread = waiting(http, purchase())

    response = chat_answers(http, thread, [{"type": "approve"}])

    assert response.headers["content-location"].startswith(f"/threads/{thread['thread_id']}/runs/")
    assert answers(http, thread["thread_id"]) == [{"decisions": [{"type": "approve"}]}]


def test_chat_edits_and_numbers_stay_numbers(http):
    thread = waiting(http, purchase(note="old"))
    edited = {"name": "create_order", "args": {"amount": "4300", "note": "12"}}

    chat_answers(http, thread, [{"type": "edit", "edited_action": edited}])

    ((decision,),) = [answer["decisions"] for answer in answers(http, thread["thread_id"])]
    assert decision["edited_action"]["args"] == {"amount": 4300, "note": "12"}


def test_an_answer_that_does_not_fit_is_refused_and_the_question_stays(http):
    thread = waiting(http, purchase())

    refused = chat_answers(http, thread, [{"type": "approve"}, {"type": "approve"}])
    stays = status(http, thread["thread_id"])
    accepted = chat_answers(http, thread, [{"type": "reject", "message": "too dear"}])

    assert (refused.status_code, stays) == (422, "interrupted")
    assert accepted.status_code == 200
    assert answers(http, thread["thread_id"])[0]["decisions"][0]["type"] == "reject"


def test_a_second_click_does_not_answer_the_next_question(http):
    thread = waiting(http, purchase(), purchase(amount=10_000_000.0))
    (state,) = http.post(f"/threads/{thread['thread_id']}/history", json={"limit": 1}).json()
    late = {
        "assistant_id": "ask",
        "input": {},
        "command": {"resume": {next(iter(thread["interrupts"].values()))[0]["id"]: {}}},
    }

    chat_answers(http, thread, [{"type": "approve"}])
    second = http.post(f"/threads/{thread['thread_id']}/runs/wait", json=late)

    assert state["next"] == ["ask_in_turn"]
    assert second.status_code in (409, 410)
    assert status(http, thread["thread_id"]) == "interrupted"


def test_the_chat_starts_a_conversation_and_finds_it_again(http):
    thread = http.post("/threads", json={"metadata": {}}).json()
    with http.stream(
        "POST",
        f"/threads/{thread['thread_id']}/runs/stream",
        json={
            "assistant_id": "talk",
            "input": {"messages": [{"type": "human", "content": "hello", "id": "h"}]},
            "stream_mode": ["values", "messages-tuple", "custom"],
            "stream_subgraphs": True,
            "stream_resumable": True,
            "on_disconnect": "continue",
        },
        headers={"content-type": "text/plain"},
    ) as response:
        text = response.read().decode()
    found = http.post(
        "/threads/search", json={"metadata": {"graph_id": "talk"}, "limit": 100}
    ).json()
    history = http.post(f"/threads/{thread['thread_id']}/history", json={"limit": 10}).json()

    assert "event: messages" in text
    assert thread["thread_id"] in {item["thread_id"] for item in found}
    assert isinstance(history[0]["checkpoint"], dict)
    assert json.dumps(history[0]["values"])


def test_both_ask_for_the_servers_info_first(http):
    info = http.get("/info").json()

    assert info["version"]
    assert info["flags"]["assistants"] is True
