"""MCP with its official client: assistants as tools, questions as input rounds."""

from typing import Any

import httpx
import mcp_types as types
import pytest
from mcp import Client


@pytest.fixture
def url(graph_server) -> str:
    return f"{graph_server.url}/mcp"


def question(ask: bool = True) -> dict[str, Any]:
    return {"messages": [{"type": "human", "content": "hello", "id": "h"}], "ask": ask}


def answering(action: str, **content: Any):
    """A person at the client's side; keeps what was asked."""
    asked: list[types.ElicitRequestParams] = []

    async def answer(_: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        asked.append(params)
        return types.ElicitResult(action=action, content=content or None)

    answer.asked = asked
    return answer


async def test_every_assistant_is_a_tool_with_the_graphs_input(url):
    async with Client(url) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}

    assert {"echo", "talk", "nested"} <= set(tools)
    assert "text" in tools["echo"].input_schema["properties"]
    assert "idempotency_key" in tools["echo"].input_schema["properties"]


async def test_a_call_runs_the_graph_and_returns_its_values(url):
    async with Client(url) as client:
        result = await client.call_tool("echo", {"text": "a"})

    assert result.structured_content == {"text": "a", "count": 1}


async def test_a_question_is_a_form_and_its_answer_goes_on(url):
    person = answering("accept", approved=True, amount=3.5)
    async with Client(url, elicitation_callback=person) as client:
        result = await client.call_tool("talk", question())

    assert set(person.asked[0].requested_schema["properties"]) == {"approved", "amount", "comment"}
    assert result.structured_content["outcome"] == "approved"
    assert result.structured_content["amount"] == 3.5


async def test_a_key_finds_the_errand_again_and_makes_no_orphan(url, graph_server):
    arguments = {**question(), "idempotency_key": "order-1"}
    before = await _threads(graph_server)
    async with Client(url) as client:
        first = await client.session.call_tool("talk", arguments, allow_input_required=True)
    person = answering("accept", approved=True)
    async with Client(url, elicitation_callback=person) as client:
        second = await client.call_tool("talk", arguments)
        third = await client.call_tool("talk", arguments)
    after = await _threads(graph_server)

    assert isinstance(first, types.InputRequiredResult)
    assert second.structured_content == third.structured_content
    assert after - before == 1


async def test_an_answer_that_does_not_fit_is_an_error_and_the_question_stays(url):
    arguments = {**question(), "idempotency_key": "order-2"}
    wrong, right = answering("accept", amount=1.0), answering("accept", approved=False)
    async with Client(url, elicitation_callback=wrong) as client:
        refused = await client.call_tool("talk", arguments)
    async with Client(url, elicitation_callback=right) as client:
        finished = await client.call_tool("talk", arguments)

    assert refused.is_error
    assert finished.structured_content["outcome"] == "declined"


async def test_a_failed_run_is_a_tools_error(url):
    async with Client(url) as client:
        result = await client.call_tool("talk", {**question(ask=False), "fail": "kaboom"})

    assert result.is_error
    assert "kaboom" in result.content[0].text


async def test_an_unknown_tool_is_a_tools_error(url):
    async with Client(url) as client:
        result = await client.call_tool("nobody", {})

    assert result.is_error


async def test_a_state_that_was_made_up_is_refused(url):
    async with Client(url) as client:
        result = await client.session.call_tool(
            "talk", question(), request_state="someone-elses", allow_input_required=True
        )

    assert result.is_error


def test_there_is_no_stream_and_no_session(url):
    assert httpx.get(url).status_code == 405
    assert httpx.delete(url).status_code == 404


async def _threads(graph_server) -> int:
    async with httpx.AsyncClient(base_url=graph_server.url) as http:
        return (await http.post("/threads/count", json={"metadata": {"via": "mcp"}})).json()
