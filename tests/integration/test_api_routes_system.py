import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

GRAPHS = Path(__file__).resolve().parents[1] / "graphs"
THREAD = "00000000-0000-4000-8000-000000000001"


async def test_health_asks_the_database_when_told_to(api: Any) -> None:
    plain = await api.http.get("/ok")
    checked = await api.http.get("/ok", params={"check_db": "1"})

    assert plain.json() == checked.json() == {"ok": True}


async def test_health_fails_without_a_database(api: Any) -> None:
    await api.engine.database.pool.close()

    plain = await api.http.get("/ok")
    checked = await api.http.get("/ok?check_db=1")

    assert plain.status_code == 200
    assert checked.status_code == 503
    assert "retry-after" in checked.headers


async def test_info_says_what_clients_decide_by(api: Any) -> None:
    body = (await api.http.get("/info")).json()

    assert tuple(map(int, body["version"].split("."))) >= (0, 4)
    assert body["flags"]["assistants"] is True
    assert body["flags"]["crons"] is True
    assert set(body["host"]) == {
        "kind",
        "project_id",
        "host_revision_id",
        "revision_id",
        "tenant_id",
    }
    assert "echo" in body["graphs"]


async def test_metrics_count_requests_under_their_templates(api: Any) -> None:
    await api.sdk.threads.create(thread_id=THREAD)
    await api.sdk.threads.get(THREAD)
    await api.sdk.runs.create(THREAD, "echo", input={})

    text = (await api.http.get("/metrics")).text
    body = (await api.http.get("/metrics", params={"format": "json"})).json()

    assert (
        'lg_api_http_requests_total{method="GET",path="/threads/{thread_id}",status="200"}' in text
    )
    assert "lg_api_num_pending_runs 1.0" in text
    assert body["queue"]["n_pending"] == 1
    assert body["holdfast"]["gates_open"] == 0


async def test_the_description_is_complete(api: Any) -> None:
    document = (await api.http.get("/openapi.json")).json()
    own = ("assistants", "threads", "state", "crons", "store", "system", "storage")

    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if set(operation.get("tags", ())) & set(own)
    ]

    assert len(operations) >= 30
    for path, method, operation in operations:
        assert operation["summary"], path
        assert operation["description"], path
        answers = operation["responses"]
        assert {"401", "403", "413", "422"} <= set(answers), (path, method)
        for status, answer in answers.items():
            if status == "200" and path in ("/metrics", "/threads/{thread_id}/stream"):
                continue  # not JSON
            if status != "204":
                schema = answer["content"]["application/json"]["schema"]
                assert schema, (path, method, status)
    assert "HTTPValidationError" not in json.dumps([item[2] for item in operations])


@pytest.mark.parametrize(
    ("flag", "gone", "left"),
    [
        ("disable_meta", "/info", "/ok"),
        ("disable_store", "/store/items?namespace=a&key=b", "/info"),
        ("disable_threads", f"/threads/{THREAD}", "/info"),
        ("disable_assistants", "/assistants/echo", "/info"),
    ],
)
async def test_a_group_of_routes_can_be_taken_away(
    open_api: Callable[..., AbstractAsyncContextManager[Any]],
    tmp_path: Path,
    flag: str,
    gone: str,
    left: str,
) -> None:
    config = tmp_path / "langgraph.json"
    graphs = {"echo": f"{GRAPHS}/echo.py:graph"}
    config.write_text(json.dumps({"graphs": graphs, "http": {flag: True}}))

    async with open_api(config) as api:
        assert (await api.http.get(gone)).status_code == 404
        assert (await api.http.get(left)).status_code == 200
