"""Operations and fields that no client of the ecosystem calls, over plain HTTP."""

import json
from typing import Any

import httpx
import pytest


@pytest.fixture
def http(graph_server):
    with httpx.Client(base_url=graph_server.url, timeout=60) as client:
        yield client


@pytest.fixture
def thread_id(http) -> str:
    return http.post("/threads", json={}).json()["thread_id"]


def said(**more: Any) -> dict[str, Any]:
    return {"messages": [{"type": "human", "content": "hello", "id": "h"}], **more}


def test_health_tells_of_every_part(http):
    health = http.get("/healthz")

    assert health.status_code == 200


def test_metrics_are_counted_by_route_and_readable_as_json(http):
    http.get("/ok")

    text = http.get("/metrics").text
    counted = http.get("/metrics", params={"format": "json"}).json()

    assert 'lg_api_http_requests_total{method="GET",path="/ok",status="200"}' in text
    assert "queue" in counted


def test_a_stateless_run_is_kept_joined_and_replayed(http):
    body = {
        "assistant_id": "echo",
        "input": {"text": "a"},
        "on_completion": "keep",
        "stream_resumable": True,
    }

    run = http.post("/runs", json=body).json()
    joined = http.get(f"/runs/{run['run_id']}/join").json()
    replayed = http.get(f"/runs/{run['run_id']}/stream", headers={"Last-Event-ID": "-1"}).text

    assert joined["text"] == "a"
    assert replayed.startswith("event: metadata\r\n")
    assert http.get(f"/threads/{run['thread_id']}").status_code == 200


def test_a_schedule_can_be_looked_at(http):
    cron = http.post(
        "/runs/crons",
        json={"assistant_id": "echo", "schedule": "0 5 * * *", "on_run_completed": "keep"},
    ).json()

    found = http.get(f"/runs/crons/{cron['cron_id']}").json()
    http.delete(f"/runs/crons/{cron['cron_id']}")

    assert found["schedule"] == "0 5 * * *"


def test_history_can_be_asked_for_with_get(http, thread_id):
    http.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": "echo", "input": {}})

    states = http.get(f"/threads/{thread_id}/history", params={"limit": 1}).json()

    assert len(states) == 1


def test_storage_tells_what_a_thread_takes(http, thread_id):
    http.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": "echo", "input": {}})

    storage = http.get(f"/threads/{thread_id}/storage").json()

    assert storage["checkpoints"]["count"] > 0
    assert storage["total_bytes"] > 0


def test_pruning_by_a_window_reports_before_it_removes(http, thread_id):
    for _ in range(4):
        http.post(f"/threads/{thread_id}/runs/wait", json={"assistant_id": "echo", "input": {}})
    body = {"thread_ids": [thread_id], "strategy": "window", "keep": 2}
    before = http.get(f"/threads/{thread_id}/storage").json()["checkpoints"]["count"]

    dry = http.post("/threads/prune", json={**body, "dry_run": True}).json()
    untouched = http.get(f"/threads/{thread_id}/storage").json()["checkpoints"]["count"]
    http.post("/threads/prune", json={**body, "dry_run": False})
    after = http.get(f"/threads/{thread_id}/storage").json()["checkpoints"]["count"]

    assert dry["pruned_count"] == 1
    assert before == untouched > after


def test_a_run_stops_after_a_node(http, thread_id):
    http.post(
        f"/threads/{thread_id}/runs/wait",
        json={"assistant_id": "talk", "input": said(), "interrupt_after": ["draft"]},
    )

    assert http.get(f"/threads/{thread_id}/state").json()["next"] == ["review"]


def test_a_run_is_cancelled_when_a_client_leaves_that_joined_it_so(http, thread_id):
    body = {"assistant_id": "talk", "input": said(seconds=60)}
    run = http.post(f"/threads/{thread_id}/runs", json=body).json()
    path = f"/threads/{thread_id}/runs/{run['run_id']}"

    with http.stream("GET", f"{path}/stream", params={"cancel_on_disconnect": True}) as joined:
        assert joined.is_success
    http.get(f"{path}/join")

    assert http.get(path).json()["status"] == "interrupted"


def test_the_deprecated_way_to_ask_for_durability_is_accepted(http, thread_id):
    body = {"assistant_id": "echo", "input": {}, "checkpoint_during": False}

    assert http.post(f"/threads/{thread_id}/runs/wait", json=body).json()["count"] == 1


def test_a_webhook_into_the_own_machine_is_refused_by_its_name(http, thread_id):
    body = {"assistant_id": "echo", "input": {}, "webhook": "http://127.0.0.1:9/"}

    response = http.post(f"/threads/{thread_id}/runs", json=body)

    assert response.status_code == 422
    assert "webhook" in json.dumps(response.json())


def test_the_thread_protocol_filters_by_namespace_and_depth(http, thread_id):
    command = {
        "id": 1,
        "method": "run.start",
        "params": {"assistant_id": "talk", "input": said()},
    }
    http.post(f"/threads/{thread_id}/commands", json=command)
    methods = set()
    with http.stream(
        "POST",
        f"/threads/{thread_id}/stream/events",
        json={"channels": ["custom", "lifecycle"], "namespaces": [["draft"]], "depth": 0},
    ) as response:
        for line in response.iter_lines():
            if line.startswith("data:"):
                event = json.loads(line.removeprefix("data:"))
                methods.add(event["method"])
                assert event["params"]["namespace"][0].startswith("draft:")
                if event["params"]["data"].get("event") == "completed":
                    break

    assert methods == {"custom", "lifecycle"}


def test_an_unknown_route_is_a_problem_with_a_detail(http):
    response = http.get("/nowhere")

    assert response.status_code == 404
    assert response.json()["detail"]


def test_a_preflight_of_a_foreign_page_is_not_answered_by_default(http):
    response = http.options(
        "/threads",
        headers={"origin": "https://elsewhere.example", "access-control-request-method": "POST"},
    )

    assert "access-control-allow-origin" not in response.headers
