"""Errands of other agents: whose they are, and that any process answers for them."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("a2a")
pytest.importorskip("mcp")

GRAPHS = Path(__file__).resolve().parents[1] / "graphs"
ASKING = {"messages": [{"type": "human", "content": "hello", "id": "h"}], "ask": True}

OpenApi = Callable[..., AbstractAsyncContextManager[Any]]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A project whose callers own what they begin."""
    path = tmp_path / "langgraph.json"
    graphs = {name: f"{GRAPHS}/{name}.py:graph" for name in ("echo", "talk")}
    path.write_text(json.dumps({"graphs": graphs, "auth": {"path": f"{GRAPHS}/auth.py:auth"}}))
    return path


@pytest.fixture
async def guarded(config: Path, open_api: OpenApi) -> AsyncIterator[Any]:
    """The application of that project, without a worker."""
    async with open_api(config) as api:
        yield api


async def a2a(api: Any, method: str, params: dict[str, Any], *, user: str = "ada") -> Any:
    """Send one message to the agent `talk` and return the result, or the error."""
    answer = await api.http.post(
        "/a2a/talk",
        json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params},
        headers={"A2A-Version": "1.0", "Authorization": f"Bearer {user}"},
    )
    return answer.json().get("result") or answer.json()["error"]


async def mcp(api: Any, method: str, params: dict[str, Any], *, user: str = "ada") -> Any:
    answer = await api.http.post(
        "/mcp",
        json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params},
        headers={"Accept": "application/json", "Authorization": f"Bearer {user}"},
    )
    return answer.json()["result"]


def sent(data: Any = ASKING, **more: Any) -> dict[str, Any]:
    message = {"messageId": "m-1", "role": "ROLE_USER", "parts": [{"data": data}], **more}
    return {"message": message, "configuration": {"returnImmediately": True}}


async def test_a_task_belongs_to_who_began_it(guarded: Any) -> None:
    task = (await a2a(guarded, "SendMessage", sent()))["task"]

    thread = await guarded.sdk.threads.get(task["id"], headers={"Authorization": "Bearer ada"})
    others = await a2a(guarded, "GetTask", {"id": task["id"]}, user="bob")
    lists = [await a2a(guarded, "ListTasks", {}, user=user) for user in ("ada", "bob")]

    assert thread["metadata"]["owner"] == "ada"
    assert "not found" in others["message"]
    assert [len(found["tasks"]) for found in lists] == [1, 0]


async def test_two_callers_may_use_the_same_message_id(guarded: Any) -> None:
    first = await a2a(guarded, "SendMessage", sent())
    again = await a2a(guarded, "SendMessage", sent())
    second = await a2a(guarded, "SendMessage", sent(), user="bob")

    assert first["task"]["id"] == again["task"]["id"] != second["task"]["id"]


async def test_a_message_id_that_comes_with_another_message_is_refused(guarded: Any) -> None:
    task = (await a2a(guarded, "SendMessage", sent()))["task"]

    refused = await a2a(guarded, "SendMessage", sent({"messages": []}))

    runs = await guarded.sdk.runs.list(task["id"], headers={"Authorization": "Bearer ada"})
    assert "named another errand" in refused["message"]
    assert len(runs) == 1


async def test_a_task_that_was_deleted_is_not_begun_again_by_its_message(guarded: Any) -> None:
    task = (await a2a(guarded, "SendMessage", sent()))["task"]
    await guarded.work()
    await guarded.engine.threads.delete(task["id"])

    again = await a2a(guarded, "SendMessage", sent())

    assert "not found" in again["message"]


async def test_what_was_done_over_a2a_is_logged_under_the_callers_name(guarded: Any) -> None:
    task = (await a2a(guarded, "SendMessage", sent()))["task"]

    cancelled = await a2a(guarded, "CancelTask", {"id": task["id"]})

    (entry, *_) = await guarded.engine.audit.list(action="run.cancelled")
    assert cancelled["status"]["state"] == "TASK_STATE_CANCELED"
    assert (entry.actor, entry.via) == ("ada", "a2a")


async def test_another_process_tells_of_a_task_and_takes_its_answer(
    guarded: Any, open_api: OpenApi, config: Path
) -> None:
    task = (await a2a(guarded, "SendMessage", sent()))["task"]
    await guarded.work()
    async with open_api(config) as other:
        asked = await a2a(other, "GetTask", {"id": task["id"]})
        listed = await a2a(other, "ListTasks", {"status": "TASK_STATE_INPUT_REQUIRED"})
        answer = sent({"approved": True}, messageId="m-2", taskId=task["id"])
        await a2a(other, "SendMessage", answer)
        await other.work()
    ended = await a2a(guarded, "GetTask", {"id": task["id"]})

    (question,) = asked["status"]["message"]["parts"][0]["data"]["questions"]
    assert question["value"]["question"] == "publish?"
    assert [found["id"] for found in listed["tasks"]] == [task["id"]]
    assert ended["status"]["state"] == "TASK_STATE_COMPLETED"
    assert ended["artifacts"][0]["parts"][0]["data"]["outcome"] == "approved"
    assert len(ended["history"]) == 2


async def test_a_task_that_waits_can_be_cancelled_and_asks_nothing_any_more(guarded: Any) -> None:
    task = (await a2a(guarded, "SendMessage", sent()))["task"]
    await guarded.work()

    cancelled = await a2a(guarded, "CancelTask", {"id": task["id"]})
    listed = await a2a(guarded, "ListTasks", {"status": "TASK_STATE_CANCELED"})
    refused = await a2a(guarded, "SendMessage", sent("yes", messageId="m-2", taskId=task["id"]))

    thread = await guarded.sdk.threads.get(task["id"], headers={"Authorization": "Bearer ada"})
    assert cancelled["status"]["state"] == "TASK_STATE_CANCELED"
    assert [found["id"] for found in listed["tasks"]] == [task["id"]]
    assert "has ended" in refused["message"]
    assert thread["interrupts"] == {}


async def test_a_tool_call_belongs_to_its_caller(config: Path, open_api: OpenApi) -> None:
    call = {"name": "echo", "arguments": {"text": "a", "idempotency_key": "e-1"}}

    async with open_api(config, worker=True) as api:
        first = await mcp(api, "tools/call", call, user="ada")
        second = await mcp(api, "tools/call", call, user="bob")
        threads = await api.sdk.threads.search(headers={"Authorization": "Bearer root"})

    assert first["structuredContent"] == second["structuredContent"] == {"text": "a", "count": 1}
    assert sorted(thread["metadata"]["owner"] for thread in threads) == ["ada", "bob"]


async def test_a_tools_key_that_comes_with_other_arguments_is_refused(
    config: Path, open_api: OpenApi
) -> None:
    calls = [
        {"name": "echo", "arguments": {"text": text, "idempotency_key": "e-1"}}
        for text in ("a", "a", "b")
    ]

    async with open_api(config, worker=True) as api:
        first, again, other = [await mcp(api, "tools/call", call) for call in calls]
        threads = await api.sdk.threads.search(headers={"Authorization": "Bearer root"})

    assert first["structuredContent"] == again["structuredContent"]
    assert other["isError"]
    assert "'e-1' named another errand" in other["content"][0]["text"]
    assert len(threads) == 1
