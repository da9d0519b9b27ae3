"""Attacks on what the project's `auth` keeps apart, over the whole application."""

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from api.auth_rules import PUBLIC_PATHS

GRAPHS = Path(__file__).resolve().parents[1] / "graphs"
AUTH = f"{GRAPHS}/auth.py:auth"

OpenApi = Callable[..., AbstractAsyncContextManager[Any]]

OWN_ASSISTANTS = """
from langgraph_sdk import Auth

auth = Auth()

@auth.authenticate
async def authenticate(authorization: str | None):
    return (authorization or "").removeprefix("Bearer ")

@auth.on.assistants
async def own_only(ctx, value):
    value.setdefault("metadata", {})["owner"] = ctx.user.identity
    return {"owner": ctx.user.identity}
"""


def write_project(folder: Path, auth: str = AUTH, **more: Any) -> Path:
    config = folder / "langgraph.json"
    graphs = {name: f"{GRAPHS}/{name}.py:graph" for name in ("echo", "caller")}
    config.write_text(json.dumps({"graphs": graphs, "auth": {"path": auth}, **more}))
    return config


@pytest.fixture
async def guarded(open_api: OpenApi, tmp_path: Path) -> AsyncIterator[Any]:
    async with open_api(write_project(tmp_path)) as api:
        yield api


def as_user(name: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {name}"}}


async def thread_of(api: Any, name: str) -> str:
    return str((await api.sdk.threads.create(**as_user(name)))["thread_id"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/runs/batch", [{"assistant_id": "echo", "threadId": "{thread}", "input": {}}]),
        ("/runs/batch", [{"assistantId": "echo", "thread_id": "{THREAD}", "input": {}}]),
        ("/threads/{THREAD}/runs", {"assistant_id": "echo", "if_not_exists": "create"}),
        ("/threads/{THREAD}/runs", {"assistant_id": "echo", "ifNotExists": "create"}),
        (
            "/threads/{THREAD}/commands",
            {"id": 1, "method": "run.start", "params": {"assistant_id": "echo", "input": {}}},
        ),
    ],
)
async def test_no_spelling_of_a_thread_leads_past_its_owner(
    guarded: Any, path: str, body: Any
) -> None:
    thread_id = await thread_of(guarded, "ada")

    def spelt(text: str) -> str:
        return text.replace("{thread}", thread_id).replace("{THREAD}", thread_id.upper())

    answer = await guarded.http.post(
        spelt(path), json=json.loads(spelt(json.dumps(body))), **as_user("bob")
    )

    assert answer.status_code in (404, 409)
    assert await guarded.sdk.runs.list(thread_id, **as_user("ada")) == []


async def test_a_graph_hears_from_the_server_who_called(guarded: Any) -> None:
    thread_id = await thread_of(guarded, "ada")
    run = await guarded.sdk.runs.create(thread_id, "caller", input={}, **as_user("ada"))
    await guarded.work()

    state = await guarded.sdk.threads.get_state(thread_id, **as_user("ada"))
    seen = await guarded.sdk.runs.get(thread_id, run["run_id"], **as_user("ada"))

    told = state["values"]["told"]
    assert told["langgraph_auth_user"]["identity"] == told["langgraph_auth_user_id"] == "ada"
    assert told["langgraph_auth_permissions"] == []
    assert "caller" not in seen["kwargs"]


@pytest.mark.parametrize("key", ["langgraph_auth_user", "langgraph_auth_user_id", "__pregel_send"])
async def test_a_caller_cannot_say_in_a_config_who_calls(guarded: Any, key: str) -> None:
    thread_id = await thread_of(guarded, "bob")
    config = {"configurable": {key: {"identity": "root"}}}
    start = {"assistant_id": "caller", "input": {}, "config": config}

    run = await guarded.http.post(f"/threads/{thread_id}/runs", json=start, **as_user("bob"))
    cron = await guarded.http.post(
        "/runs/crons", json={**start, "schedule": "* * * * *"}, **as_user("bob")
    )
    assistant = await guarded.http.post(
        "/assistants", json={"graph_id": "caller", "config": config}, **as_user("root")
    )
    command = await guarded.http.post(
        f"/threads/{thread_id}/commands",
        json={"id": 1, "method": "run.start", "params": start},
        **as_user("bob"),
    )

    assert [run.status_code, cron.status_code, assistant.status_code] == [422, 422, 422]
    assert command.json()["error"] == "invalid_argument"


async def test_a_header_that_a_proxy_sets_is_not_for_a_body_to_overrule(
    open_api: OpenApi, tmp_path: Path
) -> None:
    config = write_project(tmp_path, http={"configurable_headers": {"includes": ["x-team"]}})
    headers = {**as_user("bob")["headers"], "x-team": "red"}
    body = {
        "assistant_id": "caller",
        "input": {},
        "config": {"configurable": {"x-team": "admin"}},
    }

    async with open_api(config) as api:
        thread_id = await thread_of(api, "bob")
        await api.http.post(f"/threads/{thread_id}/runs", json=body, headers=headers)
        await api.work()
        state = await api.sdk.threads.get_state(thread_id, **as_user("bob"))

    assert state["values"]["told"]["x-team"] == "red"


async def test_nobody_runs_the_assistant_of_somebody_else(
    open_api: OpenApi, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(OWN_ASSISTANTS)
    async with open_api(write_project(tmp_path, auth="./own.py:auth")) as api:
        hers = await api.sdk.assistants.create("echo", **as_user("ada"))
        start = {"assistant_id": hers["assistant_id"], "input": {}}
        thread_id = await thread_of(api, "bob")
        started = {"id": 1, "method": "run.start", "params": start}

        refused = [
            await api.http.post(path, json=body, **as_user("bob"))
            for path, body in (
                ("/runs", start),
                ("/runs", {"assistantId": hers["assistant_id"], "input": {}}),
                ("/runs/batch", [start]),
                ("/runs/crons", {**start, "schedule": "* * * * *"}),
                (f"/threads/{thread_id}/runs", start),
            )
        ]
        command = await api.http.post(
            f"/threads/{thread_id}/commands", json=started, **as_user("bob")
        )
        own = await api.http.post("/runs", json=start, **as_user("ada"))
        graphs = await api.http.post(
            "/runs", json={**start, "assistant_id": "echo"}, **as_user("bob")
        )

    assert {answer.status_code for answer in refused} == {404}
    assert command.json()["type"] == "error"
    assert (own.status_code, graphs.status_code) == (200, 200)


async def test_each_run_of_a_batch_is_asked_for(open_api: OpenApi, tmp_path: Path) -> None:
    (tmp_path / "picky.py").write_text(
        OWN_ASSISTANTS
        + """
@auth.on.threads.create_run
async def not_echo(ctx, value):
    return value.get("assistant_id") != "echo"
"""
    )
    async with open_api(write_project(tmp_path, auth="./picky.py:auth")) as api:
        allowed = {"assistant_id": "caller", "input": {}}
        both = [allowed, {"assistant_id": "echo", "input": {}}]

        answer = await api.http.post("/runs/batch", json=both, **as_user("bob"))
        one = await api.http.post("/runs/batch", json=[allowed], **as_user("bob"))

    assert (answer.status_code, one.status_code) == (403, 200)


async def test_a_key_of_one_user_is_none_of_another(guarded: Any) -> None:
    answers = [
        await guarded.http.post(
            "/threads",
            json={},
            headers={"Authorization": f"Bearer {name}", "Idempotency-Key": "the same"},
        )
        for name in ("ada", "bob")
    ]

    first, second = (answer.json()["thread_id"] for answer in answers)
    assert first != second


def routes_of(app: Any) -> set[tuple[str, str]]:
    """Return method and path of every route."""
    found: set[tuple[str, str]] = set()
    pending = list(app.routes)
    while pending:
        route = pending.pop()
        inner = getattr(route, "original_router", None)
        pending += inner.routes if inner is not None else []
        if isinstance(route, APIRoute):
            found |= {(method, route.path) for method in route.methods}
    return found


async def test_no_route_but_the_public_ones_answers_a_stranger(guarded: Any) -> None:
    routes = routes_of(guarded.app)

    answered = {
        path: answer.status_code
        for method, path in sorted(routes)
        if (answer := await guarded.http.request(method, re.sub(r"\{[^}]+\}", "x", path)))
        and answer.status_code != 401
    }

    assert len(routes) > 100
    assert set(answered) <= PUBLIC_PATHS


async def test_a_stranger_is_not_told_what_is_wrong_inside(
    open_api: OpenApi, tmp_path: Path
) -> None:
    config = write_project(tmp_path)
    content = json.loads(config.read_text())
    content["graphs"]["broken"] = "./secret_place.py:graph"
    config.write_text(json.dumps(content))
    async with open_api(config) as api:
        told = await api.http.get("/info")
        health = await api.http.get("/healthz", **as_user("root"))

    assert (told.status_code, told.json()["failures"]) == (200, {})
    assert "broken" in health.json()["failed_graphs"]


async def test_the_end_of_the_audit_log_is_told_so_that_it_can_be_kept_elsewhere(
    guarded: Any,
) -> None:
    thread_id = await thread_of(guarded, "root")
    await guarded.http.delete(f"/threads/{thread_id}", **as_user("root"))

    health = await guarded.http.get("/healthz", **as_user("root"))

    (newest,) = await guarded.engine.audit.list(limit=1)
    assert health.json()["audit_head"] == {"seq": newest.seq, "hash": newest.hash}
    assert (await guarded.engine.audit.verify()).head_hash == newest.hash


async def test_the_start_tells_what_anybody_who_signs_in_may_do(
    open_api: OpenApi, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "own.py").write_text(OWN_ASSISTANTS)
    async with open_api(write_project(tmp_path, auth="./own.py:auth")):
        told = [record.getMessage() for record in caplog.records if "auth has no" in record.message]

    assert [line.split()[5].rstrip(":") for line in told] == ["threads", "crons", "store"]
