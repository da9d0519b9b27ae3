"""Every public method of the Python SDK's synchronous client, against a running server."""

import inspect
from collections.abc import Iterator
from uuid import uuid4

import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient
from langgraph_sdk.errors import ConflictError, NotFoundError


@pytest.fixture
def client(graph_server) -> Iterator[SyncLangGraphClient]:
    client = get_sync_client(url=graph_server.url, timeout=60)
    yield client
    client.close()


@pytest.fixture
def thread_id(client) -> str:
    return client.threads.create()["thread_id"]


def said(**more):
    return {"messages": [{"type": "human", "content": "hello", "id": "h"}], **more}


def test_assistants(client):
    made = client.assistants.create("echo", name="one", metadata={"mark": str(uuid4())})
    changed = client.assistants.update(made["assistant_id"], name="two")
    versions = client.assistants.get_versions(made["assistant_id"])
    back = client.assistants.set_latest(made["assistant_id"], 1)
    found = client.assistants.search(metadata=made["metadata"])
    counted = client.assistants.count(metadata=made["metadata"])
    got = client.assistants.get(made["assistant_id"])
    client.assistants.delete(made["assistant_id"])

    assert [version["version"] for version in versions] == [2, 1]
    assert (changed["name"], back["name"], got["name"], counted) == ("two", "one", "one", 1)
    assert [item["assistant_id"] for item in found] == [made["assistant_id"]]


def test_assistants_drawings_and_schemas(client):
    graph = client.assistants.get_graph("talk", xray=1)
    schemas = client.assistants.get_schemas("echo")
    subgraphs = client.assistants.get_subgraphs("talk")

    assert "publish" in {node["id"] for node in graph["nodes"]}
    assert "text" in schemas["output_schema"]["properties"]
    assert set(subgraphs) == {"draft"}


def test_threads(client):
    made = client.threads.create(metadata={"mark": str(uuid4())})
    client.threads.update(made["thread_id"], metadata={"more": 1})
    found = client.threads.search(metadata=made["metadata"])
    counted = client.threads.count(metadata=made["metadata"])
    copy = client.threads.copy(made["thread_id"])
    got = client.threads.get(made["thread_id"])
    pruned = client.threads.prune([copy["thread_id"]])
    client.threads.delete(made["thread_id"])

    assert (got["metadata"]["more"], counted, len(found)) == (1, 1, 1)
    assert pruned["pruned_count"] == 1
    with pytest.raises(NotFoundError):
        client.threads.get(made["thread_id"])


def test_threads_state_and_history(client, thread_id):
    client.runs.wait(thread_id, "echo", input={"text": "a"})
    client.threads.update_state(thread_id, {"text": "b"}, as_node="echo")
    state = client.threads.get_state(thread_id)
    history = client.threads.get_history(thread_id, limit=2)

    assert state["values"]["text"] == "b"
    assert [item["values"]["text"] for item in history] == ["b", "a"]


def test_threads_join_stream_begins_after_the_last_event_seen(client, thread_id):
    run = client.runs.create(thread_id, "echo", input={"text": "a"}, stream_resumable=True)
    client.runs.join(thread_id, run["run_id"])
    stream = client.threads.join_stream(thread_id, last_event_id="-1")

    first = next(stream)
    stream.close()

    assert first.data["run_id"] == run["run_id"]


@pytest.mark.parametrize("transport", ["sse", "websocket"])
def test_threads_stream_asks_and_is_answered(client, transport):
    with client.threads.stream(assistant_id="talk", transport=transport) as thread:
        thread.run.start(input=said(ask=True))
        for _ in thread.values:
            pass
        (question,) = thread.interrupts
        thread.run.respond({"approved": False})
        output = thread.output

    assert question["value"]["question"] == "publish?"
    assert output["outcome"] == "declined"


def test_runs_stream_and_join_stream(client, thread_id):
    created = []
    parts = list(
        client.runs.stream(
            thread_id,
            "echo",
            input={"text": "a"},
            stream_mode=["updates"],
            stream_resumable=True,
            on_run_created=created.append,
        )
    )
    again = list(client.runs.join_stream(thread_id, created[0]["run_id"], last_event_id="-1"))

    assert [part.event for part in parts] == ["metadata", "updates"]
    assert again == parts


def test_runs_create_get_list_join_and_delete(client, thread_id):
    run = client.runs.create(thread_id, "echo", input={"text": "a"})
    values = client.runs.join(thread_id, run["run_id"])
    found = client.runs.get(thread_id, run["run_id"])
    listed = client.runs.list(thread_id)
    client.runs.delete(thread_id, run["run_id"])

    assert (values["text"], found["status"]) == ("a", "success")
    assert [item["run_id"] for item in listed] == [run["run_id"]]
    assert client.runs.list(thread_id) == []


def test_runs_create_batch(client):
    runs = client.runs.create_batch([{"assistant_id": "echo", "input": {}}])

    assert len(runs) == 1


def test_runs_wait_and_cancel(client, thread_id):
    values = client.runs.wait(None, "echo", input={"text": "a"})
    run = client.runs.create(thread_id, "talk", input=said(seconds=60))
    client.runs.cancel(thread_id, run["run_id"], wait=True)
    later = client.runs.create(thread_id, "echo", input={}, after_seconds=3600)
    client.runs.cancel_many(thread_id=thread_id, run_ids=[later["run_id"]])

    assert values["text"] == "a"
    assert {item["status"] for item in client.runs.list(thread_id)} == {"interrupted"}


def test_runs_refused_while_the_thread_is_at_work(client, thread_id):
    client.runs.create(thread_id, "echo", input={}, after_seconds=3600)

    with pytest.raises(ConflictError):
        client.runs.create(thread_id, "echo", input={}, multitask_strategy="reject")


def test_crons(client, thread_id):
    mine = {"mark": str(uuid4())}
    cron = client.crons.create("echo", schedule="0 5 * * *", input={}, metadata=mine)
    threaded = client.crons.create_for_thread(thread_id, "echo", schedule="0 5 * * *")
    client.crons.update(cron["cron_id"], enabled=False)
    found = client.crons.search(thread_id=thread_id)
    counted = client.crons.count(thread_id=thread_id)
    client.crons.delete(cron["cron_id"])
    client.crons.delete(threaded["cron_id"])

    assert ([item["cron_id"] for item in found], counted) == ([threaded["cron_id"]], 1)


def test_store(client):
    root = str(uuid4())
    client.store.put_item([root, "a"], key="k", value={"n": 1})
    found = client.store.get_item([root, "a"], key="k")
    hits = client.store.search_items([root])
    names = client.store.list_namespaces(prefix=[root])
    client.store.delete_item([root, "a"], key="k")

    assert (found["value"], len(hits["items"])) == ({"n": 1}, 1)
    assert names["namespaces"] == [[root, "a"]]


def test_every_public_method_of_the_client_is_called_in_this_file(client):
    source = inspect.getsource(inspect.getmodule(test_store))

    uncalled = [
        f"{group}.{name}"
        for group in ("assistants", "threads", "runs", "crons", "store")
        for name, _ in inspect.getmembers(type(getattr(client, group)), callable)
        if not name.startswith("_") and f"client.{group}.{name}(" not in source
    ]

    assert uncalled == []
