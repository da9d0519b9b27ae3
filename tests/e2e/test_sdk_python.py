"""Every public method of the Python SDK's asynchronous client, against a running server."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError


@pytest.fixture
async def client(graph_server) -> AsyncIterator[LangGraphClient]:
    client = get_client(url=graph_server.url, timeout=60)
    yield client
    await client.aclose()


@pytest.fixture
async def thread_id(client) -> str:
    return (await client.threads.create())["thread_id"]


def said(**more):
    return {"messages": [{"type": "human", "content": "hello", "id": "h"}], **more}


async def collect(stream):
    return [part async for part in stream]


async def ask(client, thread_id, **more):
    """Bring the thread to its question; returns what waiting answered."""
    return await client.runs.wait(thread_id, "talk", input=said(ask=True, **more))


# assistants


async def test_assistants_search_finds_one_system_assistant_per_graph(client):
    found = await client.assistants.search(metadata={"created_by": "system"}, limit=100)

    assert {"echo", "nested", "talk"} <= {item["graph_id"] for item in found}


async def test_assistants_search_answers_with_a_page_object_too(client):
    page = await client.assistants.search(limit=1, response_format="object")

    assert len(page["assistants"]) == 1
    assert page["next"] is not None


async def test_assistants_create_get_update_count_and_delete(client):
    made = await client.assistants.create(
        "echo",
        config={"tags": ["t"]},
        context={"suffix": "!"},
        metadata={"team": "a"},
        name="Echo!",
        description="louder",
    )
    found = await client.assistants.get(made["assistant_id"])
    changed = await client.assistants.update(made["assistant_id"], name="Echo!!", metadata={"x": 1})
    counted = await client.assistants.count(metadata={"team": "a"}, graph_id="echo")
    await client.assistants.delete(made["assistant_id"])

    assert found == made
    assert (changed["name"], changed["version"]) == ("Echo!!", 2)
    assert changed["metadata"] == {"team": "a", "x": 1}
    assert counted >= 1
    with pytest.raises(NotFoundError):
        await client.assistants.get(made["assistant_id"])


async def test_assistants_versions_go_back_and_forth(client):
    made = await client.assistants.create("echo", name="one")
    await client.assistants.update(made["assistant_id"], name="two")
    versions = await client.assistants.get_versions(made["assistant_id"])
    back = await client.assistants.set_latest(made["assistant_id"], 1)

    assert [item["version"] for item in versions] == [2, 1]
    assert back["name"] == "one"


async def test_assistants_get_graph_draws_subgraphs_on_request(client):
    flat = await client.assistants.get_graph("talk")
    deep = await client.assistants.get_graph("talk", xray=True)

    assert {"draft", "review", "publish"} <= {node["id"] for node in flat["nodes"]}
    assert "draft:write" in {node["id"] for node in deep["nodes"]}


async def test_assistants_get_schemas_tells_input_output_and_context(client):
    schemas = await client.assistants.get_schemas("echo")

    assert "text" in schemas["input_schema"]["properties"]
    assert "suffix" in schemas["context_schema"]["properties"]


async def test_assistants_get_subgraphs_by_name(client):
    everything = await client.assistants.get_subgraphs("talk", recurse=True)
    one = await client.assistants.get_subgraphs("talk", namespace="draft")

    assert set(everything) == {"draft"} == set(one)


# threads


async def test_threads_create_honours_id_metadata_ttl_and_if_exists(client):
    thread_id = str(uuid4())
    made = await client.threads.create(thread_id=thread_id, metadata={"a": 1}, ttl=60)
    again = await client.threads.create(thread_id=thread_id, if_exists="do_nothing")

    assert (made["thread_id"], made["metadata"]["a"], made["status"]) == (thread_id, 1, "idle")
    assert again["thread_id"] == thread_id
    with pytest.raises(ConflictError):
        await client.threads.create(thread_id=thread_id)


async def test_threads_create_from_supersteps_has_their_state(client):
    thread = await client.threads.create(
        graph_id="echo",
        supersteps=[{"updates": [{"values": {"text": "a", "count": 3}, "as_node": "echo"}]}],
    )
    state = await client.threads.get_state(thread["thread_id"])

    assert state["values"] == {"text": "a", "count": 3}


async def test_threads_get_tells_the_ttl_when_asked(client):
    made = await client.threads.create(ttl={"ttl": 5, "strategy": "delete"})

    found = await client.threads.get(made["thread_id"], include=["ttl"])

    assert found["ttl"]["strategy"] == "delete"


async def test_threads_update_merges_metadata(client, thread_id):
    await client.threads.update(thread_id, metadata={"a": 1})
    changed = await client.threads.update(thread_id, metadata={"b": 2})
    nothing = await client.threads.update(thread_id, metadata={"c": 3}, return_minimal=True)

    assert changed["metadata"] == {"a": 1, "b": 2}
    assert nothing is None


async def test_threads_search_and_count_by_what_a_run_made_of_them(client):
    mark = str(uuid4())
    thread = await client.threads.create(metadata={"mark": mark})
    await ask(client, thread["thread_id"])

    (found,) = await client.threads.search(
        metadata={"mark": mark, "graph_id": "talk"},
        status="interrupted",
        ids=[thread["thread_id"]],
        sort_by="created_at",
        sort_order="desc",
        select=["thread_id", "status", "interrupts", "values"],
        extract={"ask": "values.ask"},
    )
    count = await client.threads.count(metadata={"mark": mark}, status="interrupted")

    ((question,),) = found["interrupts"].values()
    assert question["value"]["question"] == "publish?"
    assert found["extracted"] == {"ask": True}
    assert count == 1


async def test_threads_copy_has_the_state_and_goes_its_own_way(client, thread_id):
    await client.runs.wait(thread_id, "echo", input={"text": "a"})
    copy = await client.threads.copy(thread_id)
    await client.runs.wait(copy["thread_id"], "echo", input={"text": "b"})

    assert (await client.threads.get_state(copy["thread_id"]))["values"]["count"] == 2
    assert (await client.threads.get_state(thread_id))["values"]["count"] == 1


async def test_threads_prune_keeps_the_latest(client, thread_id):
    for _ in range(3):
        await client.runs.wait(thread_id, "echo", input={"text": "a"})
    pruned = await client.threads.prune([thread_id], strategy="keep_latest")
    history = await client.threads.get_history(thread_id)

    assert pruned["pruned_count"] == 1
    assert (len(history), history[0]["values"]["count"]) == (1, 3)


async def test_threads_delete(client, thread_id):
    await client.threads.delete(thread_id)

    with pytest.raises(NotFoundError):
        await client.threads.get(thread_id)


async def test_threads_get_state_of_an_empty_thread_is_empty(client, thread_id):
    state = await client.threads.get_state(thread_id)

    assert (state["values"] or {}, state["next"]) == ({}, [])


async def test_threads_get_state_shows_subgraphs_and_earlier_checkpoints(client, thread_id):
    await client.runs.wait(thread_id, "nested", input={"text": "why"})
    state = await client.threads.get_state(thread_id, subgraphs=True)
    history = await client.threads.get_history(thread_id)
    earlier = await client.threads.get_state(thread_id, checkpoint=history[-1]["checkpoint"])
    by_id = await client.threads.get_state(
        thread_id, checkpoint_id=history[-1]["checkpoint"]["checkpoint_id"]
    )

    assert state["next"] == ["child"]
    assert state["tasks"][0]["state"]["next"] == ["ask"]
    assert earlier["checkpoint"] == by_id["checkpoint"] == history[-1]["checkpoint"]


async def test_threads_update_state_forks_from_a_checkpoint(client, thread_id):
    await client.runs.wait(thread_id, "echo", input={"text": "a"})
    history = await client.threads.get_history(thread_id)

    forked = await client.threads.update_state(
        thread_id, {"text": "forked"}, as_node="echo", checkpoint=history[1]["checkpoint"]
    )
    state = await client.threads.get_state(thread_id, checkpoint=forked["checkpoint"])

    assert state["values"]["text"] == "forked"


async def test_threads_get_history_is_limited_and_filtered(client, thread_id):
    await client.runs.wait(thread_id, "echo", input={"text": "a"})
    everything = await client.threads.get_history(thread_id, limit=10)
    one = await client.threads.get_history(thread_id, limit=1)
    before = await client.threads.get_history(thread_id, before=everything[0]["checkpoint"])
    inputs = await client.threads.get_history(thread_id, metadata={"source": "input"})

    assert one == everything[:1]
    assert before == everything[1:]
    assert [state["metadata"]["source"] for state in inputs] == ["input"]


async def test_threads_join_stream_tells_of_runs(client, thread_id):
    stream = await client.threads.join_stream(thread_id, stream_mode=["run_modes"])
    reading = asyncio.create_task(anext(stream))
    await asyncio.sleep(0.3)  # the subscription has no answer of its own
    await client.runs.wait(thread_id, "echo", input={"text": "a"})

    async with asyncio.timeout(30):
        parts = [await reading]
        while (parts[-1].data or {}).get("status") != "run_done":
            parts.append(await anext(stream))
    await stream.aclose()

    assert parts[-1].event == "metadata"


# threads.stream: protocol v2


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_threads_stream_runs_to_the_output(client, transport):
    async with client.threads.stream(assistant_id="talk", transport=transport) as thread:
        started = await thread.run.start(input=said())
        async with asyncio.timeout(30):
            output = await thread.output

    assert started["run_id"]
    assert output["outcome"] == "unasked"


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_threads_stream_asks_and_is_answered(client, transport):
    async with client.threads.stream(assistant_id="talk", transport=transport) as thread:
        await thread.run.start(input=said(ask=True))
        async with asyncio.timeout(30):
            async for _ in thread.values:
                pass
        (question,) = thread.interrupts
        await thread.run.respond({"approved": True})
        async with asyncio.timeout(30):
            output = await thread.output

    assert question["value"]["question"] == "publish?"
    assert output["outcome"] == "approved"


async def test_threads_stream_messages_arrive_as_chat_streams(client):
    async with client.threads.stream(assistant_id="talk") as thread:
        await thread.run.start(input=said())
        async with asyncio.timeout(30):
            async for event in thread.subscribe(["messages"]):
                data = event["params"]["data"]
                if data["event"] == "content-block-finish":
                    break

    assert data["content"]["text"] == "one two three"


async def test_threads_stream_finds_subgraphs(client):
    async with client.threads.stream(assistant_id="talk") as thread:
        await thread.run.start(input=said())
        async with asyncio.timeout(30):
            children = [child async for child in thread.subgraphs]

    assert [child.graph_name for child in children] == ["draft"]


async def test_threads_stream_events_carry_every_channel(client):
    async with client.threads.stream(assistant_id="talk") as thread:
        await thread.run.start(input=said())
        methods = set()
        async with asyncio.timeout(30):
            async for event in thread.events:
                methods.add(event["method"])
                root = event["params"]["namespace"] == []
                if root and event["params"]["data"].get("event") == "completed":
                    break

    assert {"values", "updates", "messages", "lifecycle", "checkpoints", "tasks", "custom"} == (
        methods
    )


async def test_threads_stream_interleaves_projections(client):
    async with client.threads.stream(assistant_id="talk") as thread:
        await thread.run.start(input=said())
        async with asyncio.timeout(30):
            items = [name async for name, _ in thread.interleave_projections(["values", "updates"])]

    assert set(items) == {"values", "updates"}


async def test_threads_stream_tells_why_a_run_failed(client):
    async with client.threads.stream(assistant_id="talk") as thread:
        await thread.run.start(input=said(fail="kaboom"))
        with pytest.raises(RuntimeError, match="kaboom"):
            async with asyncio.timeout(30):
                await thread.output


async def test_threads_stream_agent_tree_is_the_graph(client):
    async with client.threads.stream(assistant_id="talk") as thread:
        tree = await thread.agent.get_tree()

    assert {"draft", "review"} <= {node["id"] for node in tree["nodes"]}


async def test_threads_stream_second_turn_on_the_same_thread(client):
    async with client.threads.stream(assistant_id="echo") as first:
        await first.run.start(input={"text": "a"})
        async with asyncio.timeout(30):
            await first.output
        thread_id = first.thread_id
    async with client.threads.stream(thread_id, assistant_id="echo") as second:
        await second.run.start(input={"text": "b"})
        async with asyncio.timeout(30):
            output = await second.output

    assert output == {"text": "b", "count": 2}


# runs


async def test_runs_stream_calls_back_with_the_runs_ids(client, thread_id):
    created = []
    parts = await collect(
        client.runs.stream(
            thread_id,
            "talk",
            input=said(),
            stream_mode=["values", "updates", "messages-tuple", "custom", "debug"],
            stream_subgraphs=True,
            stream_resumable=True,
            metadata={"m": 1},
            config={"tags": ["t"], "recursion_limit": 30, "configurable": {"k": "v"}},
            durability="async",
            multitask_strategy="enqueue",
            on_disconnect="continue",
            on_run_created=created.append,
        )
    )

    assert created == [{"run_id": parts[0].data["run_id"], "thread_id": thread_id}]
    assert {part.event.partition("|")[0] for part in parts} == {
        "metadata",
        "values",
        "updates",
        "messages",
        "custom",
        "debug",
    }


async def test_runs_stream_v2_wraps_the_parts(client, thread_id):
    parts = await collect(
        client.runs.stream(
            thread_id, "echo", input={"text": "a"}, stream_mode="values", version="v2"
        )
    )

    assert {part["type"] for part in parts} >= {"values"}


async def test_runs_stream_events(client, thread_id):
    parts = await collect(client.runs.stream(thread_id, "talk", input=said(), stream_mode="events"))

    assert {"on_chain_start", "on_chat_model_stream"} <= {
        part.data["event"] for part in parts if part.event == "events"
    }


async def test_runs_stream_stateless_with_context(client):
    parts = await collect(
        client.runs.stream(None, "echo", input={"text": "a"}, context={"suffix": "!"})
    )

    assert parts[-1].data["text"] == "a!"


async def test_runs_stream_tells_an_error_as_its_last_part(client, thread_id):
    parts = await collect(client.runs.stream(thread_id, "talk", input=said(fail="kaboom")))

    assert parts[-1].event == "error"
    assert parts[-1].data == {"error": "ValueError", "message": "kaboom"}


async def test_runs_create_and_get_and_join(client, thread_id):
    run = await client.runs.create(thread_id, "echo", input={"text": "a"}, metadata={"m": 1})
    values = await client.runs.join(thread_id, run["run_id"])
    found = await client.runs.get(thread_id, run["run_id"])

    assert values == {"text": "a", "count": 1}
    assert (found["status"], found["metadata"]["m"]) == ("success", 1)


async def test_runs_create_makes_the_thread_if_it_may(client):
    thread_id = str(uuid4())

    await client.runs.wait(thread_id, "echo", input={"text": "a"}, if_not_exists="create")

    assert (await client.threads.get(thread_id))["metadata"]["graph_id"] == "echo"
    with pytest.raises(NotFoundError):
        await client.runs.create(str(uuid4()), "echo", input={})


async def test_runs_create_later(client, thread_id):
    run = await client.runs.create(thread_id, "echo", input={}, after_seconds=3600)

    assert (await client.runs.get(thread_id, run["run_id"]))["status"] == "pending"


async def test_runs_create_batch(client):
    runs = await client.runs.create_batch(
        [{"assistant_id": "echo", "input": {"text": text}} for text in ("a", "b")]
    )

    assert len({run["thread_id"] for run in runs}) == 2


async def test_runs_wait_stops_at_a_question_and_goes_on_with_the_answer(client, thread_id):
    stopped = await ask(client, thread_id, amount=2.5)
    (question,) = stopped["__interrupt__"]
    finished = await client.runs.wait(
        thread_id, "talk", command={"resume": {question["id"]: {"approved": True, "amount": 3}}}
    )

    assert (finished["outcome"], finished["amount"]) == ("approved", 3)


async def test_runs_wait_raises_the_runs_error(client, thread_id):
    with pytest.raises(Exception, match="kaboom"):
        await client.runs.wait(thread_id, "talk", input=said(fail="kaboom"))
    told = await client.runs.wait(thread_id, "talk", input=said(fail="x"), raise_error=False)

    assert told["__error__"] == {"error": "ValueError", "message": "x"}


async def test_runs_wait_with_breakpoints_update_and_goto(client, thread_id):
    await client.runs.wait(thread_id, "talk", input=said(), interrupt_before=["publish"])
    waiting = await client.threads.get_state(thread_id)
    finished = await client.runs.wait(
        thread_id, "talk", command={"update": {"outcome": "updated"}, "goto": "publish"}
    )

    assert waiting["next"] == ["publish"]
    assert finished["outcome"] == "updated"


async def test_runs_wait_from_an_earlier_checkpoint(client, thread_id):
    await client.runs.wait(thread_id, "echo", input={"text": "a"})
    history = await client.threads.get_history(thread_id)
    start = next(state for state in history if state["next"] == ["echo"])

    again = await client.runs.wait(
        thread_id, "echo", input=None, checkpoint_id=start["checkpoint"]["checkpoint_id"]
    )

    assert again["count"] == 1


async def test_runs_list_by_status_and_fields(client, thread_id):
    await client.runs.wait(thread_id, "echo", input={})
    await client.runs.create(thread_id, "echo", input={}, after_seconds=3600)

    done = await client.runs.list(thread_id, status="success", select=["run_id", "status"])
    everything = await client.runs.list(thread_id, limit=10, offset=0)

    assert [set(run) for run in done] == [{"run_id", "status"}]
    assert [run["status"] for run in everything] == ["pending", "success"]


async def test_runs_cancel_waits_until_it_has_stopped(client, thread_id):
    run = await client.runs.create(thread_id, "talk", input=said(seconds=60))

    await client.runs.cancel(thread_id, run["run_id"], wait=True)

    assert (await client.runs.get(thread_id, run["run_id"]))["status"] == "interrupted"


async def test_runs_cancel_with_rollback_forgets_the_run(client, thread_id):
    await client.runs.wait(thread_id, "echo", input={"text": "kept"})
    run = await client.runs.create(thread_id, "talk", input=said(seconds=60))

    await client.runs.cancel(thread_id, run["run_id"], wait=True, action="rollback")

    with pytest.raises(NotFoundError):
        await client.runs.get(thread_id, run["run_id"])


async def test_runs_cancel_many(client, thread_id):
    runs = [
        await client.runs.create(thread_id, "echo", input={}, after_seconds=3600) for _ in range(2)
    ]

    await client.runs.cancel_many(thread_id=thread_id, run_ids=[runs[0]["run_id"]])
    await client.runs.cancel_many(thread_id=thread_id, status="pending")

    assert {run["status"] for run in await client.runs.list(thread_id)} == {"interrupted"}


async def test_runs_join_stream_replays_a_resumable_run(client, thread_id):
    run = await client.runs.create(
        thread_id, "echo", input={"text": "a"}, stream_resumable=True, stream_mode="updates"
    )
    await client.runs.join(thread_id, run["run_id"])

    parts = await collect(
        client.runs.join_stream(
            thread_id, run["run_id"], last_event_id="-1", stream_mode=["updates"]
        )
    )

    assert [part.event for part in parts] == ["metadata", "updates"]


async def test_runs_delete(client, thread_id):
    await client.runs.wait(thread_id, "echo", input={})
    (run,) = await client.runs.list(thread_id)

    await client.runs.delete(thread_id, run["run_id"])

    assert await client.runs.list(thread_id) == []


async def test_runs_of_one_thread_wait_for_each_other(client, thread_id):
    runs = [await client.runs.create(thread_id, "echo", input={"text": str(n)}) for n in range(3)]
    values = [await client.runs.join(thread_id, run["run_id"]) for run in runs]

    assert [value["count"] for value in values] == [1, 2, 3]


async def test_runs_refuse_what_the_server_does_not_do_by_name(client, thread_id):
    with pytest.raises(UnprocessableEntityError, match="langsmith_tracer"):
        await client.runs.create(
            thread_id, "echo", input={}, langsmith_tracing={"project_name": "p"}
        )


# crons


async def test_crons_create_search_count_update_and_delete(client, thread_id):
    mine = {"mark": str(uuid4())}
    cron = await client.crons.create(
        "echo", schedule="0 5 * * *", input={"text": "a"}, metadata=mine, timezone="Europe/Berlin"
    )
    threaded = await client.crons.create_for_thread(
        thread_id,
        "echo",
        schedule="0 6 * * *",
        metadata=mine,
        end_time=datetime.now(UTC) + timedelta(days=1),
    )
    changed = await client.crons.update(cron["cron_id"], enabled=False, schedule="0 7 * * *")
    found = await client.crons.search(assistant_id=None, thread_id=thread_id)
    counted = await client.crons.count(thread_id=thread_id)
    await client.crons.delete(cron["cron_id"])
    await client.crons.delete(threaded["cron_id"])

    assert (changed["enabled"], changed["schedule"]) == (False, "0 7 * * *")
    assert [item["cron_id"] for item in found] == [threaded["cron_id"]]
    assert counted == 1


# store


async def test_store_put_get_search_list_and_delete(client):
    root = str(uuid4())
    await client.store.put_item([root, "a"], key="k", value={"n": 1}, index=False, ttl=60)
    await client.store.put_item([root, "b"], key="k", value={"n": 2})
    found = await client.store.get_item([root, "a"], key="k")
    hits = await client.store.search_items([root], filter={"n": 2}, limit=5)
    names = await client.store.list_namespaces(prefix=[root], max_depth=2)
    await client.store.delete_item([root, "a"], key="k")

    assert found["value"] == {"n": 1}
    assert [item["value"] for item in hits["items"]] == [{"n": 2}]
    assert sorted(names["namespaces"]) == [[root, "a"], [root, "b"]]
    assert (await client.store.list_namespaces(prefix=[root]))["namespaces"] == [[root, "b"]]


# completeness


def public_methods(client: object) -> set[str]:
    return {
        name
        for name, _ in inspect.getmembers(type(client), callable)
        if not name.startswith("_") and name not in ("aclose", "close")
    }


def test_every_public_method_of_the_client_is_called_in_this_file(graph_server):
    source = inspect.getsource(inspect.getmodule(test_runs_delete))
    client = get_client(url=graph_server.url)

    uncalled = [
        f"{group}.{name}"
        for group in ("assistants", "threads", "runs", "crons", "store")
        for name in sorted(public_methods(getattr(client, group)))
        if f"client.{group}.{name}(" not in source
    ]

    assert uncalled == []


def test_the_server_is_up(graph_server):
    assert httpx.get(f"{graph_server.url}/ok", params={"check_db": 1}).json() == {"ok": True}
