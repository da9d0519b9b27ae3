import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

GRAPHS = Path(__file__).resolve().parents[1] / "graphs"
APP = """
    from contextlib import asynccontextmanager
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.gzip import GZipMiddleware
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    @asynccontextmanager
    async def lifespan(app):
        app.state.started = True
        yield

    async def hello(request):
        return JSONResponse({"started": request.app.state.started})

    app = Starlette(routes=[Route("/hello", hello)], lifespan=lifespan)
    wrapped = Starlette(middleware=[Middleware(GZipMiddleware)])
"""

OpenApi = Callable[..., AbstractAsyncContextManager[Any]]


def project(folder: Path, **keys: Any) -> Path:
    (folder / "web.py").write_text(dedent(APP))
    config = folder / "langgraph.json"
    graphs = {name: f"{GRAPHS}/{name}.py:graph" for name in ("echo", "nested")}
    config.write_text(json.dumps({"graphs": graphs, **keys}))
    return config


async def test_a_projects_own_application_answers_where_the_server_does_not(
    open_api: OpenApi, tmp_path: Path
) -> None:
    async with open_api(project(tmp_path, http={"app": "./web.py:app"})) as api:
        own = await api.http.get("/hello")
        ours = await api.http.get("/info")
        neither = await api.http.get("/absent")

    assert own.json() == {"started": True}
    assert "holdfast_version" in ours.json()
    assert neither.status_code == 404


@pytest.mark.parametrize(("guarded", "status"), [(True, 401), (False, 200)])
async def test_it_stands_behind_the_projects_authentication_when_asked_to(
    open_api: OpenApi, tmp_path: Path, guarded: bool, status: int
) -> None:
    http = {"app": "./web.py:app", "enable_custom_route_auth": guarded}
    config = project(tmp_path, http=http, auth={"path": f"{GRAPHS}/auth.py:auth"})

    async with open_api(config) as api:
        anonymous = await api.http.get("/hello")
        signed_in = await api.http.get("/hello", headers={"Authorization": "Bearer ada"})

    assert (anonymous.status_code, signed_in.status_code) == (status, 200)


async def test_the_start_warns_of_what_is_not_done(
    open_api: OpenApi, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    http = {
        "app": "./web.py:wrapped",
        "enable_custom_route_auth": True,
        "middleware_order": "middleware_first",
        "logging_headers": {"includes": ["x-trace"]},
    }
    config = project(tmp_path, http=http)
    caplog.set_level("WARNING", logger="api.custom_app")

    async with open_api(config):
        pass

    told = [record.getMessage() for record in caplog.records if record.name == "api.custom_app"]
    named = [line.partition(":")[0] for line in told]
    assert named == ["http.logging_headers", "http.app", "http.middleware_order"]


async def test_the_headers_a_project_wants_reach_its_runs(
    open_api: OpenApi, tmp_path: Path
) -> None:
    rules = {"includes": ["x-tenant", "x-trace-*"], "excludes": ["x-trace-secret"]}
    headers = {"x-tenant": "a", "x-trace-id": "1", "x-trace-secret": "s", "x-other": "o"}

    async with open_api(project(tmp_path, http={"configurable_headers": rules})) as api:
        thread = await api.sdk.threads.create()
        run = await api.sdk.runs.create(thread["thread_id"], "echo", input={}, headers=headers)
        kwargs = (await api.engine.runs.get(run["run_id"])).kwargs

    configurable = kwargs["config"]["configurable"]
    assert {name: configurable.get(name) for name in headers} == {
        "x-tenant": "a",
        "x-trace-id": "1",
        "x-trace-secret": None,
        "x-other": None,
    }


async def test_a_server_can_insist_on_idempotency_keys(open_api: OpenApi, tmp_path: Path) -> None:
    async with open_api(project(tmp_path), require_idempotency_key=True) as api:
        without = await api.http.post("/threads", json={})
        given = await api.http.post("/threads", json={}, headers={"Idempotency-Key": "k"})
        search = await api.http.post("/threads/search", json={})

    assert (without.status_code, given.status_code, search.status_code) == (400, 200, 200)


async def test_webhooks_can_be_switched_off(open_api: OpenApi, tmp_path: Path) -> None:
    async with open_api(project(tmp_path, http={"disable_webhooks": True})) as api:
        thread = await api.sdk.threads.create()
        await api.sdk.runs.create(
            thread["thread_id"], "echo", input={}, webhook="https://hooks.example.com/x"
        )
        await api.work()

        assert await api.engine.outbox.counts() == {}
