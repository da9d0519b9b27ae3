"""LangGraph's RemoteGraph: our graphs used as if they were here."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.pregel.remote import RemoteException, RemoteGraph
from langgraph.types import Command
from langgraph_sdk import get_client, get_sync_client
from typing_extensions import TypedDict


@pytest.fixture
async def remote(graph_server) -> AsyncIterator[Callable[[str], RemoteGraph]]:
    client = get_client(url=graph_server.url, timeout=60)
    sync_client = get_sync_client(url=graph_server.url, timeout=60)
    yield lambda name: RemoteGraph(name, client=client, sync_client=sync_client)
    await client.aclose()
    sync_client.close()


@pytest.fixture
def talk(remote) -> RemoteGraph:
    return remote("talk")


@pytest.fixture
def echo(remote) -> RemoteGraph:
    return remote("echo")


def config() -> dict[str, Any]:
    return {"configurable": {"thread_id": str(uuid.uuid4())}}


@pytest.fixture
async def thread(talk) -> dict[str, Any]:
    made = await talk.client.threads.create()
    return {"configurable": {"thread_id": made["thread_id"]}}


def said(**more: Any) -> dict[str, Any]:
    return {"messages": [{"type": "human", "content": "hello", "id": "h"}], **more}


async def test_it_is_invoked_without_a_thread(echo):
    assert await echo.ainvoke({"text": "a"}) == {"text": "a", "count": 1}


def test_it_is_invoked_from_synchronous_code(echo):
    assert echo.invoke({"text": "a"}) == {"text": "a", "count": 1}


async def test_it_streams_several_modes(talk, thread):
    parts = [part async for part in talk.astream(said(), thread, stream_mode=["values", "updates"])]

    assert {part[0] for part in parts} == {"values", "updates"}


async def test_it_streams_messages_of_subgraphs(talk, thread):
    chunks = [
        chunk
        async for _, (chunk, _) in talk.astream(
            said(), thread, stream_mode="messages", subgraphs=True
        )
    ]

    assert "".join(chunk["content"] for chunk in chunks) == "one two three"


async def test_it_stops_at_a_question_and_goes_on_with_the_answer(talk, thread):
    stopped = await talk.ainvoke(said(ask=True, amount=2.5), thread)
    (question,) = stopped["__interrupt__"]
    state = await talk.aget_state(thread)
    finished = await talk.ainvoke(Command(resume={"approved": True, "amount": 3}), thread)

    assert _value(question)["amount"] == 2.5
    assert state.next == ("review",)
    assert (finished["outcome"], finished["amount"]) == ("approved", 3)


async def test_its_state_is_read_changed_and_listed(echo):
    made = await echo.client.threads.create()
    thread = {"configurable": {"thread_id": made["thread_id"]}}
    await echo.ainvoke({"text": "a"}, thread)
    await echo.aupdate_state(thread, {"text": "b"}, as_node="echo")
    state = await echo.aget_state(thread)
    history = [item async for item in echo.aget_state_history(thread)]

    assert state.values == {"text": "b", "count": 1}
    assert history[0].config == state.config
    assert len(history) == 4


async def test_it_draws_itself(talk):
    drawing = await talk.aget_graph(xray=True)

    assert "publish" in drawing.nodes


async def test_its_failure_is_raised(talk, thread):
    with pytest.raises(RemoteException, match="kaboom"):
        await talk.ainvoke(said(fail="kaboom"), thread)


class Outer(TypedDict, total=False):
    text: str
    count: int
    seen: str


def outer(remote: RemoteGraph) -> Any:
    return (
        StateGraph(Outer)
        .add_node("remote", remote)
        .add_node("after", lambda state: {"seen": state["text"]})
        .add_edge(START, "remote")
        .add_edge("remote", "after")
        .add_edge("after", END)
    )


async def test_it_is_a_node_of_another_graph(echo):
    graph = outer(echo).compile()

    assert await graph.ainvoke({"text": "a"}) == {"text": "a", "count": 1, "seen": "a"}


async def test_its_question_stops_the_graph_around_it(remote):
    nested = remote("nested")
    made = await nested.client.threads.create()
    graph = outer(nested).compile(checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": made["thread_id"]}}

    stopped = await graph.ainvoke({"text": "why"}, thread)

    assert _value(stopped["__interrupt__"][0]) == {"question": "why"}


async def test_it_streams_over_protocol_v2(talk):
    async with await talk.astream_events(said(), config(), version="v3") as run:
        async with asyncio.timeout(30):
            output = await run.output()

    assert output["outcome"] == "unasked"


async def test_it_is_answered_over_protocol_v2(talk):
    thread = config()
    async with await talk.astream_events(said(ask=True), thread, version="v3") as run:
        async with asyncio.timeout(30):
            async for _ in run.values:
                pass
        interrupted = await run.interrupted()
    async with await talk.astream_events(
        Command(resume={"approved": True}), thread, version="v3"
    ) as run:
        async with asyncio.timeout(30):
            output = await run.output()

    assert interrupted
    assert output["outcome"] == "approved"


def _value(question: Any) -> Any:
    return question["value"] if isinstance(question, dict) else question.value
