"""A2A with its official client: cards, tasks, and questions as input required."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from a2a.client import ClientConfig, create_client
from a2a.client.client import Client
from a2a.helpers import new_data_part, new_text_message
from a2a.helpers.proto_helpers import get_data_parts
from a2a.types import GetTaskRequest, Message, Role, SendMessageRequest, Task, TaskState


@pytest.fixture
async def talk(graph_server) -> AsyncIterator[Client]:
    client = await _client(graph_server, "talk")
    yield client
    await client.close()


async def _client(graph_server, assistant: str) -> Client:
    return await create_client(
        graph_server.url,
        client_config=ClientConfig(streaming=False),
        relative_card_path=f"/.well-known/agent-card.json?assistant_id={assistant}",
    )


def message(data: dict[str, Any], *, task: Task | None = None, key: str | None = None) -> Message:
    return Message(
        message_id=key or str(uuid4()),
        role=Role.ROLE_USER,
        parts=[new_data_part(data)],
        task_id=task.id if task else "",
        context_id=task.context_id if task else "",
    )


async def send(client: Client, sent: Message) -> Task:
    last = None
    async for response in client.send_message(SendMessageRequest(message=sent)):
        last = response.task
    assert last is not None
    return last


def said(**more: Any) -> dict[str, Any]:
    return {"messages": [{"type": "human", "content": "hello", "id": "h"}], **more}


def values(task: Task) -> dict[str, Any]:
    (values,) = get_data_parts(task.artifacts[0].parts)
    return values


def test_an_assistant_has_a_card(graph_server):
    card = httpx.get(
        f"{graph_server.url}/.well-known/agent-card.json", params={"assistant_id": "talk"}
    ).json()

    assert card["name"] == "talk"
    assert card["supportedInterfaces"][0]["url"].startswith(f"{graph_server.url}/a2a/")


async def test_a_message_is_a_task_that_completes_with_the_values(talk):
    task = await send(talk, message(said()))

    assert task.status.state == TaskState.TASK_STATE_COMPLETED
    assert values(task)["outcome"] == "unasked"


async def test_a_text_goes_where_the_graph_takes_one(graph_server):
    client = await _client(graph_server, "echo")
    task = await send(client, new_text_message("a", role=Role.ROLE_USER))
    await client.close()

    assert values(task)["text"] == "a"


async def test_a_question_is_input_required_and_the_next_message_answers(talk):
    asked = await send(talk, message(said(ask=True)))
    finished = await send(talk, message({"approved": True, "amount": 3}, task=asked))

    (question,) = get_data_parts(asked.status.message.parts)
    assert asked.status.state == TaskState.TASK_STATE_INPUT_REQUIRED
    assert question["questions"][0]["value"]["question"] == "publish?"
    assert finished.id == asked.id
    assert finished.status.state == TaskState.TASK_STATE_COMPLETED
    assert values(finished)["outcome"] == "approved"


async def test_an_answer_that_does_not_fit_leaves_the_question_open(talk):
    asked = await send(talk, message(said(ask=True)))
    refused = await send(talk, message({"amount": 3}, task=asked))
    finished = await send(talk, message({"approved": False}, task=asked))

    assert refused.status.state == TaskState.TASK_STATE_INPUT_REQUIRED
    assert values(finished)["outcome"] == "declined"


async def test_a_failed_run_is_a_failed_task(talk):
    task = await send(talk, message(said(fail="kaboom")))

    assert task.status.state == TaskState.TASK_STATE_FAILED


async def test_a_task_is_a_thread_and_can_be_looked_up(talk, graph_server):
    asked = await send(talk, message(said(ask=True)))
    found = await talk.get_task(GetTaskRequest(id=asked.id))
    async with httpx.AsyncClient(base_url=graph_server.url) as http:
        thread = (await http.get(f"/threads/{asked.id}")).json()

    assert found.status.state == TaskState.TASK_STATE_INPUT_REQUIRED
    assert (thread["status"], thread["metadata"]["via"]) == ("interrupted", "a2a")


async def test_a_message_sent_twice_makes_one_task(talk):
    first = await send(talk, message(said(ask=True), key="m-1"))
    second = await send(talk, message(said(ask=True), key="m-1"))

    assert second.id == first.id
