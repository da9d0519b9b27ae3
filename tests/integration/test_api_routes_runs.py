"""Runs over HTTP: what is sent, to the byte, and what happens when clients come and go."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from api import problems
from api.bodies import StrictBodies
from api.routes import protocol, runs, stateless_runs, thread_stream
from engine.runs.request import RunRequest
from engine.runtime import Engine, EngineOptions, open_engine

GRAPHS = Path(__file__).resolve().parents[1] / "graphs" / "langgraph.json"
WAIT_SECONDS = 20.0


class Api:
    """A server on a free port, with or without a worker of its own."""

    def __init__(self, engine: Engine, url: str) -> None:
        self.engine = engine
        self.client = httpx.AsyncClient(base_url=url, timeout=WAIT_SECONDS)

    async def thread(self) -> str:
        async with self.engine.database.transaction() as connection:
            thread, _ = await self.engine.threads.create(connection)
        return thread.thread_id

    async def stream(
        self, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> tuple[httpx.Response, list[dict[str, str]]]:
        """Read a stream to its end; returns the response and its frames."""
        method = "GET" if body is None else "POST"
        async with self.client.stream(method, path, json=body, headers=headers) as response:
            content = await response.aread()
        return response, frames_of(content.decode())


def frames_of(text: str) -> list[dict[str, str]]:
    frames = []
    for block in text.split("\r\n\r\n"):
        lines = [line for line in block.split("\r\n") if line and not line.startswith(":")]
        if lines:
            frames.append(dict(line.split(": ", 1) for line in lines))
    return frames


def data_of(frames: list[dict[str, str]], event: str) -> list[Any]:
    return [json.loads(frame["data"]) for frame in frames if frame["event"] == event]


@asynccontextmanager
async def serving(database_url: str, **options: Any) -> AsyncIterator[Api]:
    engine_options = EngineOptions(
        database_url=database_url, config_path=GRAPHS, concurrency=4, **options
    )
    app = FastAPI()
    problems.install(app)
    for module in (runs, stateless_runs, thread_stream, protocol):
        app.include_router(module.router)
    app.add_middleware(StrictBodies, max_bytes=100_000, max_depth=64)
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="warning", ws="websockets-sansio", lifespan="off")
    )
    async with open_engine(engine_options) as engine:
        app.state.engine = engine
        task = asyncio.create_task(server.serve())
        async with asyncio.timeout(WAIT_SECONDS):
            while not server.started:  # noqa: ASYNC110  # uvicorn offers no event for it
                await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        api = Api(engine, f"http://127.0.0.1:{port}")
        try:
            yield api
        finally:
            await api.client.aclose()
            server.should_exit = True
            server.force_exit = True
            await task


@pytest.fixture
async def api(migrated_database: str) -> AsyncIterator[Api]:
    async with serving(migrated_database) as api:
        yield api


@pytest.fixture
async def front(migrated_database: str) -> AsyncIterator[Api]:
    """A process that takes requests and executes nothing, beside `api`, which executes."""
    async with serving(migrated_database, run_worker=False) as front:
        yield front


def said(**more: Any) -> dict[str, Any]:
    return {"messages": [{"type": "human", "content": "hello", "id": "h"}], **more}


def talk(**fields: Any) -> dict[str, Any]:
    return {"assistant_id": "talk", "input": said(), **fields}


# Streams


async def test_a_stream_is_framed_and_headed_as_clients_expect(api):
    thread_id = await api.thread()

    async with api.client.stream(
        "POST", f"/threads/{thread_id}/runs/stream", json=talk(stream_mode="updates")
    ) as response:
        content = await response.aread()

    run_id = json.loads(content.split(b"data: ")[1].split(b"\r\n")[0])["run_id"]
    first = f'event: metadata\r\ndata: {{"run_id":"{run_id}","attempt":1}}\r\n\r\n'
    assert content.startswith(first.encode())
    assert b"\nid:" not in content
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["content-location"] == f"/threads/{thread_id}/runs/{run_id}"
    assert response.headers["location"] == f"/threads/{thread_id}/runs/{run_id}/stream"


async def test_a_stream_ends_with_the_run_and_without_an_end_event(api):
    thread_id = await api.thread()

    response, frames = await api.stream(f"/threads/{thread_id}/runs/stream", talk())
    run = await api.client.get(response.headers["content-location"])

    assert {frame["event"] for frame in frames} == {"metadata", "values"}
    assert run.json()["status"] == "success"


async def test_a_question_ends_the_run_as_a_success_with_the_interrupt_in_its_last_values(api):
    thread_id = await api.thread()

    response, frames = await api.stream(
        f"/threads/{thread_id}/runs/stream", talk(input=said(ask=True))
    )
    run = (await api.client.get(response.headers["content-location"])).json()

    (question,) = data_of(frames, "values")[-1]["__interrupt__"]
    assert question["value"]["question"] == "publish?"
    assert run["status"] == "success"


async def test_an_error_is_the_last_event_of_a_stream_that_was_200(api):
    thread_id = await api.thread()

    response, frames = await api.stream(
        f"/threads/{thread_id}/runs/stream", talk(input=said(fail="kaboom"))
    )

    assert response.status_code == 200
    assert frames[-1] == {
        "event": "error",
        "data": '{"error":"ValueError","message":"kaboom"}',
    }


async def test_ids_come_after_the_data_and_only_for_resumable_runs(api):
    thread_id = await api.thread()

    _, frames = await api.stream(f"/threads/{thread_id}/runs/stream", talk(stream_resumable=True))

    assert [list(frame) for frame in frames] == [["event", "data", "id"]] * len(frames)
    assert [int(frame["id"]) for frame in frames] == sorted(int(frame["id"]) for frame in frames)


async def test_a_resumable_run_is_replayed_after_its_end_and_from_the_middle(api):
    thread_id = await api.thread()
    response, frames = await api.stream(
        f"/threads/{thread_id}/runs/stream", talk(stream_resumable=True)
    )
    path = response.headers["location"]

    _, everything = await api.stream(path, headers={"Last-Event-ID": "-1"})
    _, rest = await api.stream(path, headers={"Last-Event-ID": frames[1]["id"]})
    _, nothing = await api.stream(path)

    assert (everything, rest, nothing) == (frames, frames[2:], [])


async def test_a_stream_shows_a_run_that_another_process_executes(api, front):
    thread_id = await front.thread()

    _, frames = await front.stream(
        f"/threads/{thread_id}/runs/stream", talk(stream_mode=["updates", "messages-tuple"])
    )

    assert [list(item) for item in data_of(frames, "updates")] == [
        ["draft"],
        ["review"],
        ["publish"],
    ]


async def test_subgraphs_can_be_picked_by_namespace(api):
    thread_id = await api.thread()

    _, frames = await api.stream(
        f"/threads/{thread_id}/runs/stream?namespace=",
        talk(stream_mode=["updates", "custom"], stream_subgraphs=True),
    )

    assert {frame["event"] for frame in frames} == {"metadata", "updates"}


async def test_a_join_may_narrow_the_modes(api):
    thread_id = await api.thread()
    response, _ = await api.stream(
        f"/threads/{thread_id}/runs/stream",
        talk(stream_mode=["values", "updates"], stream_resumable=True),
    )

    _, frames = await api.stream(
        f"{response.headers['location']}?stream_mode=updates", headers={"Last-Event-ID": "-1"}
    )

    assert {frame["event"] for frame in frames} == {"metadata", "updates"}


async def test_a_client_that_leaves_does_not_stop_its_run(api):
    thread_id = await api.thread()
    async with api.client.stream(
        "POST", f"/threads/{thread_id}/runs/stream", json=talk(input=said(seconds=0.3))
    ) as response:
        path = response.headers["content-location"]

    joined = await api.client.get(f"{path}/join")

    assert joined.json()["outcome"] == "unasked"


async def test_a_client_that_leaves_cancels_its_run_if_it_said_so(api):
    thread_id = await api.thread()
    body = talk(input=said(seconds=30), on_disconnect="cancel")
    async with api.client.stream(
        "POST", f"/threads/{thread_id}/runs/stream", json=body
    ) as response:
        path = response.headers["content-location"]
        await anext(response.aiter_bytes())

    await api.client.get(f"{path}/join")
    run = await api.client.get(path)

    assert run.json()["status"] == "interrupted"


async def test_a_resume_goes_on_whatever_its_client_said(api):
    thread_id = await api.thread()
    await api.stream(f"/threads/{thread_id}/runs/stream", talk(input=said(ask=True, seconds=0.3)))
    body = {
        "assistant_id": "talk",
        "input": {},
        "command": {"resume": {"approved": True}},
        "on_disconnect": "cancel",
    }
    async with api.client.stream(
        "POST", f"/threads/{thread_id}/runs/stream", json=body
    ) as response:
        path = response.headers["content-location"]

    joined = await api.client.get(f"{path}/join")

    assert joined.json()["outcome"] == "approved"


async def test_the_thread_stream_tells_of_each_run_and_stays_open(api):
    thread_id = await api.thread()
    frames: list[dict[str, str]] = []
    async with api.client.stream("GET", f"/threads/{thread_id}/stream") as response:
        starting = asyncio.create_task(
            api.client.post(f"/threads/{thread_id}/runs/wait", json=talk(stream_mode="values"))
        )
        text = ""
        async with asyncio.timeout(WAIT_SECONDS):
            async for chunk in response.aiter_text():
                text += chunk
                frames = frames_of(text)
                if any("run_done" in frame.get("data", "") for frame in frames):
                    break
        await starting

    assert json.loads(frames[-1]["data"])["status"] == "run_done"
    assert "values" in {frame["event"] for frame in frames}


# Waiting


async def test_waiting_answers_with_the_values_and_the_open_question(api):
    thread_id = await api.thread()

    response = await api.client.post(
        f"/threads/{thread_id}/runs/wait", json=talk(input=said(ask=True))
    )

    assert response.json()["__interrupt__"][0]["value"]["question"] == "publish?"
    assert response.headers["location"].endswith("/join")


async def test_waiting_for_a_run_that_fails_answers_with_the_error(api):
    thread_id = await api.thread()

    response = await api.client.post(
        f"/threads/{thread_id}/runs/wait", json=talk(input=said(fail="kaboom"))
    )

    assert (response.status_code, response.json()) == (
        200,
        {"__error__": {"error": "ValueError", "message": "kaboom"}},
    )


async def test_a_stateless_run_answers_and_leaves_nothing_behind(api):
    response = await api.client.post("/runs/wait", json={"assistant_id": "echo", "input": {}})

    assert response.json()["count"] == 1
    assert response.headers["content-location"].startswith("/runs/")


async def test_a_stateless_stream_is_found_under_its_run(api):
    response, frames = await api.stream("/runs/stream", {"assistant_id": "echo", "input": {}})

    (metadata,) = data_of(frames, "metadata")
    assert response.headers["location"] == f"/runs/{metadata['run_id']}/stream"


# Starting, listing, cancelling


async def test_a_run_is_accepted_before_the_answer_and_shown_as_the_sdk_knows_it(front):
    thread_id = await front.thread()

    created = await front.client.post(f"/threads/{thread_id}/runs", json=talk(metadata={"a": 1}))
    found = await front.client.get(f"/threads/{thread_id}/runs/{created.json()['run_id']}")

    assert created.json() == found.json()
    assert (
        created.headers["content-location"]
        == f"/threads/{thread_id}/runs/{UUID(created.json()['run_id'])}"
    )
    assert (found.json()["status"], found.json()["metadata"]) == ("pending", {"a": 1})
    assert found.json()["multitask_strategy"] == "enqueue"


async def test_runs_are_listed_newest_first_by_status_with_the_fields_asked_for(front):
    thread_id = await front.thread()
    ids = [
        (await front.client.post(f"/threads/{thread_id}/runs", json=talk())).json()["run_id"]
        for _ in range(3)
    ]

    listed = await front.client.get(
        f"/threads/{thread_id}/runs",
        params={"status": "pending", "limit": 2, "select": ["run_id", "status"]},
    )
    none = await front.client.get(f"/threads/{thread_id}/runs", params={"status": "success"})

    assert listed.json() == [
        {"run_id": ids[2], "status": "pending"},
        {"run_id": ids[1], "status": "pending"},
    ]
    assert none.json() == []


async def test_a_run_that_began_by_the_commit_that_accepts_it_is_told_as_pending(api):
    thread_id = await api.thread()

    accepted = await api.client.post(f"/threads/{thread_id}/runs", json=talk())

    assert accepted.json()["status"] == "pending"


async def test_a_batch_is_accepted_whole_or_not_at_all(front):
    good = {"assistant_id": "echo", "assistantId": "echo", "input": {}}
    bad = {"assistant_id": "nobody", "input": {}}

    refused = await front.client.post("/runs/batch", json=[good, bad])
    accepted = await front.client.post("/runs/batch", json=[good, good])

    assert refused.status_code == 422
    assert len(accepted.json()) == 2
    assert len(await front.engine.runs.list(limit=10)) == 2


async def test_a_queued_run_is_cancelled_and_then_there_is_nothing_to_cancel(front):
    thread_id = await front.thread()
    run_id = (await front.client.post(f"/threads/{thread_id}/runs", json=talk())).json()["run_id"]
    path = f"/threads/{thread_id}/runs/{run_id}"

    first = await front.client.post(f"{path}/cancel", params={"wait": 1})
    status = (await front.client.get(path)).json()["status"]
    second = await front.client.post(f"{path}/cancel")

    assert (first.status_code, status, second.status_code) == (204, "interrupted", 404)


async def test_a_run_keeps_why_it_was_cancelled(front):
    thread_id = await front.thread()
    run_id = (await front.client.post(f"/threads/{thread_id}/runs", json=talk())).json()["run_id"]
    path = f"/threads/{thread_id}/runs/{run_id}"

    unfit = {"reason": "taken", "action": "rollback"}
    refused = await front.client.post(f"{path}/cancel", params=unfit)
    await front.client.post(f"{path}/cancel", params={"reason": "taken"})
    run = (await front.client.get(path)).json()

    assert refused.status_code == 422
    assert "/query/reason" in refused.json()["detail"]
    assert run["cancel_reason"].startswith("taken:")


async def test_a_client_that_comes_back_must_mean_the_run_it_names(api):
    thread_id = await api.thread()
    await api.client.post(f"/threads/{thread_id}/runs/wait", json=talk())
    listed = await commanded(api, thread_id, "state.listCheckpoints")
    head, *_, start = [checkpoint["id"] for checkpoint in listed["result"]["checkpoints"]]
    run = await api.client.post(
        f"/threads/{thread_id}/runs", json=talk(checkpoint_id=start, stream_resumable=True)
    )
    path = f"/threads/{thread_id}/runs/{run.json()['run_id']}/stream"

    same = await api.client.get(path, params={"checkpoint_id": start})
    other = await api.client.get(path, params={"checkpoint_id": head})

    assert (same.status_code, other.status_code) == (200, 422)
    assert "/query/checkpoint_id" in other.json()["detail"]


async def test_a_running_run_is_cancelled_and_rolled_back(api):
    thread_id = await api.thread()
    run_id = (
        await api.client.post(f"/threads/{thread_id}/runs", json=talk(input=said(seconds=30)))
    ).json()["run_id"]
    path = f"/threads/{thread_id}/runs/{run_id}"

    cancelled = await api.client.post(f"{path}/cancel", params={"wait": 1, "action": "rollback"})
    gone = await api.client.get(path)

    assert (cancelled.status_code, gone.status_code) == (204, 404)


async def test_many_runs_are_cancelled_by_name_or_by_status(front):
    thread_id = await front.thread()
    ids = [
        (await front.client.post(f"/threads/{thread_id}/runs", json=talk())).json()["run_id"]
        for _ in range(3)
    ]

    by_name = await front.client.post(
        "/runs/cancel", json={"thread_id": thread_id, "run_ids": ids[:1]}
    )
    unknown = await front.client.post(
        "/runs/cancel", json={"thread_id": thread_id, "run_ids": [str(uuid4())]}
    )
    by_status = await front.client.post("/runs/cancel", json={"status": "pending"})
    left = await front.client.get(f"/threads/{thread_id}/runs", params={"status": "pending"})

    assert [by_name.status_code, unknown.status_code, by_status.status_code] == [204, 404, 204]
    assert left.json() == []


async def test_a_run_that_is_over_can_be_deleted_and_one_that_is_not_cannot(api, front):
    thread_id = await api.thread()
    done, _ = await api.stream(f"/threads/{thread_id}/runs/stream", talk())
    path = done.headers["content-location"]
    slow = await api.client.post(f"/threads/{thread_id}/runs", json=talk(after_seconds=3600))

    deleted = await api.client.delete(path)
    refused = await api.client.delete(f"/threads/{thread_id}/runs/{slow.json()['run_id']}")

    assert (deleted.status_code, refused.status_code) == (204, 409)
    assert (await api.client.get(path)).status_code == 404


async def test_the_same_idempotency_key_starts_one_run(front):
    thread_id = await front.thread()
    headers = {"Idempotency-Key": "k1"}
    path = f"/threads/{thread_id}/runs"

    first = await front.client.post(path, json=talk(), headers=headers)
    again = await front.client.post(path, json=talk(), headers=headers)
    other = await front.client.post(path, json=talk(input={}), headers=headers)

    assert again.json()["run_id"] == first.json()["run_id"]
    assert again.headers["idempotent-replayed"] == "true"
    assert other.status_code == 422


async def test_a_repeated_wait_is_answered_by_the_first_run(api):
    thread_id = await api.thread()
    headers = {"Idempotency-Key": "k2"}
    body = {"assistant_id": "echo", "input": {"text": "once"}}
    path = f"/threads/{thread_id}/runs/wait"

    first = await api.client.post(path, json=body, headers=headers)
    again = await api.client.post(path, json=body, headers=headers)

    assert first.json() == again.json() == {"text": "once", "count": 1}
    assert len(await api.engine.runs.list(thread_id, limit=10)) == 1


# Refusals


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("feedback_keys", ["helpful"]),
        ("langsmith_tracer", {"project_name": "p"}),
        ("strict_resume", False),
        ("multitask_strategy", "later"),
        ("after_seconds", -1),
        ("stream_mode", ["everything"]),
        ("on_completion", "delete"),
        ("surprise", 1),
        ("config", {"configurable": {"__pregel_resuming": True}}),
        ("config", {"recursion_limit": 0}),
        ("checkpoint", {"thread_id": "another"}),
        ("command", {"resumes": 1}),
    ],
)
async def test_a_field_that_is_not_honoured_is_refused_by_its_name(front, field, value):
    thread_id = await front.thread()

    response = await front.client.post(f"/threads/{thread_id}/runs", json=talk(**{field: value}))

    assert response.status_code == 422
    assert field in response.json()["detail"]


@pytest.mark.parametrize("value", ["hello", 5, ["a", "b"], False])
async def test_an_input_that_the_graph_cannot_take_is_refused_before_anything_is_written(
    front, value
):
    thread_id = await front.thread()
    body = talk(input=value)

    refused = await front.client.post(f"/threads/{thread_id}/runs/wait", json=body)
    stateless = await front.client.post("/runs", json=body)

    assert (refused.status_code, stateless.status_code) == (422, 422)
    assert "/input must be an object" in refused.json()["detail"]
    assert (await front.client.get(f"/threads/{thread_id}/runs")).json() == []


async def test_a_command_wins_over_whatever_input_comes_with_it(front):
    thread_id = await front.thread()

    accepted = await front.client.post(
        f"/threads/{thread_id}/runs", json=talk(input=[], command={"update": {"messages": []}})
    )

    assert accepted.status_code == 200


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b'{"assistant_id": "echo", "input": {"a": NaN}}', "NaN"),
        (b'{"assistant_id": "echo", "input": {"a": 1, "a": 2}}', "once"),
        (b'{"assistant_id": "echo", "input": {"a": "\\ud800"}}', "surrogate"),
        (b'{"assistant_id": "echo", "input": {"a": 1e999}}', "double"),
        (b'{"assistant_id": "echo", "input": ' + b"[" * 100 + b"]" * 100 + b"}", "deep"),
        (b'{"assistant_id": ', "JSON"),
    ],
)
async def test_a_body_that_is_not_sound_json_is_refused(front, body, named):
    thread_id = await front.thread()

    response = await front.client.post(
        f"/threads/{thread_id}/runs", content=body, headers={"content-type": "application/json"}
    )

    assert response.status_code == 422
    assert named.lower() in response.text.lower()


async def test_a_body_beyond_the_limit_is_refused_unread(front):
    thread_id = await front.thread()

    response = await front.client.post(
        f"/threads/{thread_id}/runs", json=talk(input={"a": "x" * 200_000})
    )

    assert response.status_code == 413


@pytest.mark.parametrize(
    "content_type",
    ["text/plain;charset=UTF-8", pytest.param("application/x-www-form-urlencoded", id="curl -d")],
)
async def test_json_by_another_name_is_read(front, content_type):
    thread_id = await front.thread()

    response = await front.client.post(
        f"/threads/{thread_id}/runs",
        content=json.dumps(talk()),
        headers={"content-type": content_type},
    )

    assert response.status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/threads/{thread_id}/runs/not-a-uuid", 422),
        ("/threads/{thread_id}/runs/00000000-0000-4000-8000-000000000000", 404),
        ("/threads/00000000-0000-4000-8000-000000000000/runs", 404),
        ("/threads/not-a-uuid/runs", 422),
    ],
)
async def test_what_is_not_there_is_said_so(front, path, status):
    response = await front.client.get(path.format(thread_id=await front.thread()))

    assert response.status_code == status
    assert response.json()["detail"]


async def test_a_busy_thread_refuses_a_run_that_will_not_wait(front):
    thread_id = await front.thread()
    await front.client.post(f"/threads/{thread_id}/runs", json=talk())

    response = await front.client.post(
        f"/threads/{thread_id}/runs", json=talk(multitask_strategy="reject")
    )

    assert response.status_code == 409
    assert "already running a task" in response.json()["detail"]


async def test_a_resume_that_nothing_waits_for_is_a_conflict(front):
    thread_id = await front.thread()

    response = await front.client.post(
        f"/threads/{thread_id}/runs", json={"assistant_id": "talk", "command": {"resume": 1}}
    )

    assert response.status_code == 409


# Other people's answers


@pytest.mark.parametrize(
    "resume",
    [{"approved": True, "amount": "4300"}, [{"type": "accept", "args": None}]],
    ids=["typed", "inbox"],
)
async def test_a_foreign_answer_keeps_the_thread_and_its_numbers_sound(api, resume):
    thread_id = await api.thread()
    await api.client.post(
        f"/threads/{thread_id}/runs/wait", json=talk(input=said(ask=True, amount=4200.5))
    )

    response = await api.client.post(
        f"/threads/{thread_id}/runs/wait",
        json={"assistant_id": "talk", "input": {}, "command": {"resume": resume}},
    )

    if response.status_code == 422:  # refused before the graph saw it: still answerable
        response = await api.client.post(
            f"/threads/{thread_id}/runs/wait",
            json={"assistant_id": "talk", "command": {"resume": {"approved": True}}},
        )
    assert response.json()["outcome"] == "approved"
    assert isinstance(response.json()["amount"], float | int)


# Protocol v2


async def commanded(api: Api, thread_id: str, method: str, **params: Any) -> dict[str, Any]:
    response = await api.client.post(
        f"/threads/{thread_id}/commands", json={"id": 7, "method": method, "params": params}
    )
    assert response.status_code == 200
    return response.json()


async def test_a_command_with_an_unknown_key_is_refused_by_its_name(api: Api) -> None:
    thread_id = await api.thread()
    command = {"id": 7, "method": "agent.getTree", "params": {}, "deadline": 5}

    answer = await api.client.post(f"/threads/{thread_id}/commands", json=command)

    assert answer.status_code == 422
    assert "deadline" in answer.text


async def read_events(
    api: Api, thread_id: str, until: Callable[[dict[str, Any]], bool], **subscribe: Any
) -> list[dict[str, Any]]:
    body = {"channels": ["lifecycle", "values", "input"], **subscribe}
    text = ""
    async with (
        asyncio.timeout(WAIT_SECONDS),
        api.client.stream("POST", f"/threads/{thread_id}/stream/events", json=body) as response,
    ):
        async for chunk in response.aiter_text():
            text += chunk
            complete = text.rpartition("\r\n\r\n")[0]
            events = [json.loads(frame["data"]) for frame in frames_of(complete) if "data" in frame]
            if events and until(events[-1]):
                return events
    raise AssertionError("the stream was closed")


def phase(name: str) -> Callable[[dict[str, Any]], bool]:
    """Of the thread's own graph; subgraphs have lives of their own."""

    def reached(event: dict[str, Any]) -> bool:
        params = event["params"]
        is_root = event["method"] == "lifecycle" and params["namespace"] == []
        return is_root and params["data"]["event"] == name

    return reached


async def test_a_command_starts_a_run_on_a_new_thread_and_the_stream_tells_of_it(api):
    thread_id = str(uuid4())

    answer = await commanded(api, thread_id, "run.start", assistant_id="talk", input=said())
    events = await read_events(api, thread_id, phase("completed"))

    assert (answer["type"], answer["id"]) == ("success", 7)
    assert events[0]["params"]["data"]["event"] == "running"
    assert events[-2]["params"]["data"]["outcome"] == "unasked"
    assert [event["seq"] for event in events] == sorted(event["seq"] for event in events)


async def test_a_question_is_asked_and_answered_over_the_protocol(api):
    thread_id = str(uuid4())
    await commanded(api, thread_id, "run.start", assistant_id="talk", input=said(ask=True))
    asked = await read_events(api, thread_id, phase("interrupted"))
    (question,) = [event for event in asked if event["method"] == "input.requested"]

    answer = await commanded(
        api,
        thread_id,
        "input.respond",
        interrupt_id=question["params"]["data"]["interrupt_id"],
        namespace=[],
        response={"approved": True},
    )
    events = await read_events(api, thread_id, phase("completed"), since=asked[-1]["seq"])

    assert answer["type"] == "success"
    assert events[-2]["params"]["data"]["outcome"] == "approved"


async def test_input_to_a_thread_that_waits_is_the_answer(api):
    thread_id = str(uuid4())
    await commanded(api, thread_id, "run.start", assistant_id="talk", input=said(ask=True))
    asked = await read_events(api, thread_id, phase("interrupted"))

    await commanded(api, thread_id, "run.start", assistant_id="talk", input={"approved": False})
    events = await read_events(api, thread_id, phase("completed"), since=asked[-1]["seq"])

    assert events[-2]["params"]["data"]["outcome"] == "declined"


async def test_a_second_turn_is_not_told_of_the_first_ones_end(api):
    thread_id = str(uuid4())
    await commanded(api, thread_id, "run.start", assistant_id="talk", input=said())
    first = await read_events(api, thread_id, phase("completed"))
    reading = asyncio.create_task(read_events(api, thread_id, phase("completed")))
    await asyncio.sleep(0.2)
    await commanded(api, thread_id, "run.start", assistant_id="talk", input=said())

    second = await reading

    assert min(event["seq"] for event in second) > max(event["seq"] for event in first)


async def test_a_failed_run_ends_its_lifecycle_with_the_error(api):
    thread_id = str(uuid4())
    await commanded(api, thread_id, "run.start", assistant_id="talk", input=said(fail="kaboom"))

    events = await read_events(api, thread_id, phase("failed"))

    assert events[-1]["params"]["data"]["error"] == "kaboom"


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("run.start", {"assistant_id": "nobody"}, "invalid_argument"),
        ("run.start", {"assistant_id": "talk", "surprise": 1}, "invalid_argument"),
        ("run.stop", {}, "unknown_command"),
        ("input.inject", {}, "not_supported"),
        ("state.fork", {}, "invalid_argument"),
    ],
)
async def test_a_command_that_cannot_be_done_says_why(front, method, params, code):
    answer = await commanded(front, str(uuid4()), method, **params)

    assert (answer["type"], answer["error"]) == ("error", code)


async def test_the_state_is_read_listed_and_forked_over_the_protocol(api):
    thread_id = await api.thread()
    await api.client.post(f"/threads/{thread_id}/runs/wait", json=talk(input=said(ask=True)))

    state = (await commanded(api, thread_id, "state.get", keys=["messages"]))["result"]
    listed = (await commanded(api, thread_id, "state.listCheckpoints", limit=2))["result"]
    start = listed["checkpoints"][-1]["id"]
    fork = await commanded(api, thread_id, "state.fork", checkpoint_id=start)
    missing = await commanded(api, thread_id, "state.fork", checkpoint_id=str(uuid4()))
    elsewhere = await commanded(api, thread_id, "state.get", namespace=["nowhere"])

    assert list(state["values"]) == ["messages"]
    assert state["checkpoint"]["id"] == listed["checkpoints"][0]["id"]
    assert fork["result"]["thread_id"] == thread_id
    assert missing["error"] == "no_such_checkpoint"
    assert elsewhere["error"] == "no_such_namespace"


async def test_the_tree_shows_the_subgraph_that_waits(api):
    thread_id = await api.thread()
    body = {"assistant_id": "nested", "input": {"text": "ok?"}}
    await api.client.post(f"/threads/{thread_id}/runs/wait", json=body)

    tree = (await commanded(api, thread_id, "agent.getTree"))["result"]["tree"]
    other = await commanded(api, thread_id, "agent.getTree", run_id=str(uuid4()))

    (child,) = tree["children"]
    assert (tree["graph_name"], tree["status"]) == ("nested", "interrupted")
    assert (child["graph_name"], child["status"]) == ("child", "interrupted")
    assert child["namespace"][0].startswith("child:")
    assert other["error"] == "no_such_run"


async def test_a_channel_that_does_not_exist_is_refused(front):
    response = await front.client.post(
        f"/threads/{uuid4()}/stream/events", json={"channels": ["debug"]}
    )

    assert response.status_code == 400


async def test_runs_of_one_thread_keep_their_order(api):
    thread_id = await api.thread()
    for number in range(5):
        await api.engine.runs.create(
            RunRequest(assistant_id="echo", thread_id=thread_id, input={"text": str(number)})
        )

    last = await api.client.post(
        f"/threads/{thread_id}/runs/wait", json={"assistant_id": "echo", "input": {"text": "5"}}
    )

    assert last.json() == {"text": "5", "count": 6}
