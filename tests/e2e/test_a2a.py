"""A2A with its official client: cards, tasks, streams, and questions as input required."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from a2a.client import ClientConfig, create_client
from a2a.client.client import Client
from a2a.helpers import new_data_part, new_text_message
from a2a.helpers.proto_helpers import get_artifact_text, get_data_parts
from a2a.types import (
    GetTaskRequest,
    Message,
    Role,
    SendMessageRequest,
    StreamResponse,
    SubscribeToTaskRequest,
    Task,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatus,
)


@pytest.fixture
async def talk(graph_server) -> AsyncIterator[Client]:
    client = await _client(graph_server, "talk")
    yield client
    await client.close()


@pytest.fixture
async def streaming(graph_server) -> AsyncIterator[Client]:
    client = await _client(graph_server, "talk", streaming=True)
    yield client
    await client.close()


async def _client(graph_server, assistant: str, *, streaming: bool = False) -> Client:
    return await create_client(
        graph_server.url,
        client_config=ClientConfig(streaming=streaming),
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


async def stream(client: Client, sent: Message) -> list[StreamResponse]:
    return [told async for told in client.send_message(SendMessageRequest(message=sent))]


def replies(told: list[StreamResponse]) -> list[TaskArtifactUpdateEvent]:
    updates = [one.artifact_update for one in told if one.HasField("artifact_update")]
    return [update for update in updates if update.artifact.name == "reply"]


def statuses(told: list[StreamResponse]) -> list[TaskStatus]:
    return [one.status_update.status for one in told if one.HasField("status_update")]


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


async def test_an_answer_sent_twice_is_heard_once(talk):
    asked = await send(talk, message(said(ask=True)))
    answer = message({"approved": True}, task=asked, key=str(uuid4()))

    first = await send(talk, answer)
    again = await send(talk, answer)

    assert first.status.state == again.status.state == TaskState.TASK_STATE_COMPLETED
    assert (again.id, len(again.history)) == (first.id, len(first.history))


async def test_a_stream_tells_a_reply_piece_by_piece(streaming):
    told = await stream(streaming, message(said()))

    pieces = replies(told)
    assert [get_artifact_text(piece.artifact) for piece in pieces][:5] == [
        "one",
        " ",
        "two",
        " ",
        "three",
    ]
    assert len({piece.artifact.artifact_id for piece in pieces}) == 1
    assert [piece.append for piece in pieces] == [False, *[True] * (len(pieces) - 1)]
    assert [piece.last_chunk for piece in pieces] == [*[False] * (len(pieces) - 1), True]


async def test_a_stream_tells_each_step_while_the_task_works(streaming):
    told = await stream(streaming, message(said()))

    *working, last = statuses(told)
    steps = [part for status in working for part in get_data_parts(status.message.parts)]
    assert told[0].task.status.state in (
        TaskState.TASK_STATE_SUBMITTED,
        TaskState.TASK_STATE_WORKING,
    )
    assert {status.state for status in working} == {TaskState.TASK_STATE_WORKING}
    assert [step["node"] for step in steps] == ["draft", "review", "publish"]
    assert last.state == TaskState.TASK_STATE_COMPLETED


async def test_what_a_stream_told_is_in_the_task_that_is_looked_up(streaming):
    told = await stream(streaming, message(said()))
    found = await streaming.get_task(GetTaskRequest(id=told[0].task.id))

    heard = "".join(get_artifact_text(piece.artifact) for piece in replies(told))
    (kept,) = (artifact for artifact in found.artifacts if artifact.name == "reply")
    assert kept.artifact_id == replies(told)[0].artifact.artifact_id
    assert get_artifact_text(kept) == heard == "one two three"


async def test_a_stream_stops_at_a_question_and_the_answer_streams_on(streaming):
    asked = await stream(streaming, message(said(ask=True)))
    answered = await stream(streaming, message({"approved": True}, task=asked[0].task))

    assert statuses(asked)[-1].state == TaskState.TASK_STATE_INPUT_REQUIRED
    assert statuses(answered)[-1].state == TaskState.TASK_STATE_COMPLETED
    assert replies(asked)


async def test_a_stream_ends_with_the_failure(streaming):
    told = await stream(streaming, message(said(fail="kaboom")))

    assert statuses(told)[-1].state == TaskState.TASK_STATE_FAILED
    assert "kaboom" in statuses(told)[-1].message.parts[0].text


async def test_who_subscribes_late_hears_the_task_from_its_beginning(streaming):
    request = SendMessageRequest(message=message(said(seconds=3)))
    task_id = ""
    async for one in streaming.send_message(request):
        task_id = task_id or one.task.id
        if replies([one]):
            break  # the client leaves in the middle of it
    told = [one async for one in streaming.subscribe(SubscribeToTaskRequest(id=task_id))]

    heard = "".join(get_artifact_text(piece.artifact) for piece in replies(told))
    assert told[0].task.id == task_id
    assert heard == "one two three"
    assert statuses(told)[-1].state == TaskState.TASK_STATE_COMPLETED
