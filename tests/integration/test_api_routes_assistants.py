from typing import Any

import pytest
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError

from engine.assistants import system_assistant_id

MINE = "00000000-0000-4000-8000-00000000000a"


async def test_studio_finds_the_graphs_own_assistants(api: Any) -> None:
    answer = await api.http.post(
        "/assistants/search",
        # As LangGraph Studio sends it.
        content=b'{"limit":10,"offset":0,"metadata":{"created_by":"system"}}',
        headers={"content-type": "text/plain;charset=UTF-8"},
    )

    found = {item["graph_id"]: item for item in answer.json()}
    assert found["echo"]["assistant_id"] == system_assistant_id("echo")
    assert found["echo"]["version"] == 1
    assert found["echo"]["description"] == "Repeats what it is told."
    assert answer.headers["x-pagination-total"] == str(len(api.engine.registry.graph_ids))


async def test_an_assistant_lives_through_its_versions(api: Any) -> None:
    made = await api.sdk.assistants.create(
        "echo", config={"tags": ["a"]}, context={"suffix": "?"}, name="One", metadata={"n": 1}
    )
    assistant_id = made["assistant_id"]
    changed = await api.sdk.assistants.update(
        assistant_id, name="Two", metadata={"m": 2}, description="changed", context={"suffix": "!"}
    )
    versions = await api.sdk.assistants.get_versions(assistant_id)
    first = await api.sdk.assistants.get_versions(
        assistant_id, metadata={"n": 1}, limit=1, offset=1
    )
    back = await api.sdk.assistants.set_latest(assistant_id, 1)

    assert (changed["version"], changed["metadata"]) == (2, {"n": 1, "m": 2})
    assert [item["version"] for item in versions] == [2, 1]
    assert [item["version"] for item in first] == [1]
    assert (back["name"], back["context"]) == ("One", {"suffix": "?"})


async def test_the_official_client_pages_through_a_search(api: Any) -> None:
    for number in range(3):
        await api.sdk.assistants.create("echo", name=f"clerk {number}")

    first = await api.sdk.assistants.search(
        name="CLERK", limit=2, sort_by="name", sort_order="asc", response_format="object"
    )
    second = await api.sdk.assistants.search(
        name="clerk", limit=2, offset=int(first["next"]), sort_by="name", sort_order="asc"
    )
    slim = await api.sdk.assistants.search(name="clerk 0", select=["name", "version"])

    assert [item["name"] for item in first["assistants"]] == ["clerk 0", "clerk 1"]
    assert [item["name"] for item in second] == ["clerk 2"]
    assert slim == [{"name": "clerk 0", "version": 1}]
    assert await api.sdk.assistants.count(name="clerk", graph_id="echo") == 3


async def test_a_graphs_drawing_schemas_and_subgraphs_are_served(api: Any) -> None:
    drawing = await api.sdk.assistants.get_graph("nested", xray=True)
    shallow = await api.sdk.assistants.get_graph("nested", xray=1)
    schemas = await api.sdk.assistants.get_schemas("nested")
    every = await api.sdk.assistants.get_subgraphs("nested", recurse=True)
    one = await api.sdk.assistants.get_subgraphs("nested", namespace="child")

    assert any(str(node["id"]).startswith("child:") for node in drawing["nodes"])
    assert shallow == drawing
    assert schemas["state_schema"]["properties"].keys() == {"text", "answer"}
    assert set(every) == set(one) == {"child"}


async def test_an_assistants_context_reaches_its_runs(api: Any) -> None:
    assistant = await api.sdk.assistants.create("echo", context={"suffix": "?!"})
    thread = await api.sdk.threads.create()

    await api.run(thread["thread_id"], {"text": "what"}, assistant["assistant_id"])

    assert (await api.sdk.threads.get(thread["thread_id"]))["values"]["text"] == "what?!"


async def test_deleting_an_assistant_can_take_its_threads(api: Any) -> None:
    assistant = await api.sdk.assistants.create("echo")
    for _ in range(2):
        thread = await api.sdk.threads.create()
        await api.run(thread["thread_id"], {"text": "a"}, assistant["assistant_id"])
    other = await api.sdk.threads.create()

    await api.sdk.assistants.delete(assistant["assistant_id"], delete_threads=True)

    (left,) = await api.sdk.threads.search()
    assert left["thread_id"] == other["thread_id"]
    with pytest.raises(NotFoundError):
        await api.sdk.assistants.get(assistant["assistant_id"])


async def test_conflicts_and_mistakes_are_told_apart(api: Any) -> None:
    await api.sdk.assistants.create("echo", assistant_id=MINE)

    with pytest.raises(ConflictError):
        await api.sdk.assistants.create("echo", assistant_id=MINE)
    with pytest.raises(ConflictError):
        await api.sdk.assistants.delete(system_assistant_id("echo"))
    with pytest.raises(UnprocessableEntityError, match="one of 'echo'"):
        await api.sdk.assistants.create("absent")
    with pytest.raises(UnprocessableEntityError, match="UUID or one of the graphs 'echo'"):
        await api.sdk.assistants.get("absent")
    with pytest.raises(NotFoundError):
        await api.sdk.assistants.get("00000000-0000-4000-8000-00000000000f")
    with pytest.raises(NotFoundError):
        await api.sdk.assistants.set_latest(MINE, 9)


async def test_a_repeated_creation_with_the_same_key_is_one_assistant(api: Any) -> None:
    body = {"graph_id": "echo", "name": "once"}
    headers = {"Idempotency-Key": '"k-1"'}

    first = await api.http.post("/assistants", json=body, headers=headers)
    second = await api.http.post("/assistants", json=body, headers=headers)
    other = await api.http.post("/assistants", json={"graph_id": "echo"}, headers=headers)

    assert first.json() == second.json()
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert other.status_code == 422
    assert await api.sdk.assistants.count(name="once") == 1
