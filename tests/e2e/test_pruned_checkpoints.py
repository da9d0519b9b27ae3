"""A checkpoint that was pruned is refused by name, wherever a client may name one."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from checkpoint_pruner import Policy, sweep

NOW = {"settle": timedelta(0)}  # no run is under way


@pytest.fixture
def api(graph_server: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=graph_server.url, timeout=60) as client:
        yield client


@pytest.fixture
def database(graph_server: Any) -> str:
    return str(graph_server.database_url)


@pytest.fixture
def pruned(api: httpx.Client, database: str) -> tuple[str, str]:
    """Return a thread after three runs, and its first checkpoint, which a pruner took away."""
    thread_id = api.post("/threads", json={}).json()["thread_id"]
    for text in ("one", "two", "three"):
        body = {"assistant_id": "echo", "input": {"text": text}}
        api.post(f"/threads/{thread_id}/runs/wait", json=body).raise_for_status()
    first = api.get(f"/threads/{thread_id}/history?limit=100").json()[-1]["checkpoint_id"]
    report = sweep(database, Policy(keep_last=2, **NOW), [thread_id])
    assert report.rows["checkpoints"] > 0
    return thread_id, first


NAMED: dict[str, Any] = {
    "checkpoint_id": lambda thread_id, gone: {"checkpoint_id": gone},
    "checkpoint": lambda thread_id, gone: {
        "checkpoint": {"thread_id": thread_id, "checkpoint_ns": "", "checkpoint_id": gone}
    },
    "config.configurable": lambda thread_id, gone: {
        "config": {"configurable": {"checkpoint_id": gone}}
    },
}


def head(api: httpx.Client, thread_id: str) -> Any:
    return api.get(f"/threads/{thread_id}/state").json()


@pytest.mark.parametrize("named", NAMED)
@pytest.mark.parametrize("route", ["runs", "runs/stream", "runs/wait"])
@pytest.mark.parametrize("input_", [None, {"text": "late"}], ids=["a replay", "an input"])
def test_a_run_from_it_is_refused_before_it_is_accepted(
    api: httpx.Client, pruned: tuple[str, str], route: str, named: str, input_: Any
) -> None:
    thread_id, gone = pruned
    before = head(api, thread_id)
    body = {"assistant_id": "echo", "input": input_, **NAMED[named](thread_id, gone)}

    answer = api.post(f"/threads/{thread_id}/{route}", json=body)

    assert answer.status_code == 404, answer.text
    assert gone in answer.json()["detail"]
    assert head(api, thread_id) == before


@pytest.mark.parametrize("route", ["/runs", "/runs/stream", "/runs/wait"])
def test_a_run_without_a_thread_cannot_start_from_it(
    api: httpx.Client, pruned: tuple[str, str], route: str
) -> None:
    _, gone = pruned
    config = {"configurable": {"checkpoint_id": gone}}

    answer = api.post(route, json={"assistant_id": "echo", "input": {}, "config": config})

    assert answer.status_code == 404, answer.text


@pytest.mark.parametrize("named", ["checkpoint_id", "checkpoint"])
def test_a_state_update_at_it_is_refused(
    api: httpx.Client, pruned: tuple[str, str], named: str
) -> None:
    thread_id, gone = pruned
    before = head(api, thread_id)
    body = {"values": {"text": "late"}, **NAMED[named](thread_id, gone)}

    answer = api.post(f"/threads/{thread_id}/state", json=body)

    assert answer.status_code == 404
    assert head(api, thread_id) == before


def test_its_state_cannot_be_read(api: httpx.Client, pruned: tuple[str, str]) -> None:
    thread_id, gone = pruned

    by_path = api.get(f"/threads/{thread_id}/state/{gone}")
    by_body = api.post(
        f"/threads/{thread_id}/state/checkpoint", json={"checkpoint": {"checkpoint_id": gone}}
    )

    assert (by_path.status_code, by_body.status_code) == (404, 404)


def test_the_history_before_it_is_refused_rather_than_empty(
    api: httpx.Client, pruned: tuple[str, str]
) -> None:
    thread_id, gone = pruned

    by_query = api.get(f"/threads/{thread_id}/history", params={"before": gone})
    by_body = api.post(f"/threads/{thread_id}/history", json={"before": {"checkpoint_id": gone}})

    assert (by_query.status_code, by_body.status_code) == (404, 404)


def test_an_id_that_never_was_is_refused_in_the_same_way(
    api: httpx.Client, pruned: tuple[str, str]
) -> None:
    thread_id, _ = pruned
    body = {"assistant_id": "echo", "input": {}, "checkpoint_id": str(uuid4())}

    answer = api.post(f"/threads/{thread_id}/runs/wait", json=body)

    assert answer.status_code == 404


def asked(api: httpx.Client) -> tuple[str, Any]:
    """Return a thread that waits for an answer, and its review."""
    thread_id = api.post("/threads", json={}).json()["thread_id"]
    body = {"assistant_id": "ask", "input": {"questions": ["go on?"]}}
    api.post(f"/threads/{thread_id}/runs/wait", json=body).raise_for_status()
    ((interrupt,),) = api.get(f"/threads/{thread_id}").json()["interrupts"].values()
    return thread_id, api.get(f"/reviews/{interrupt['id']}").json()


def test_an_open_question_survives_any_sweep_and_can_be_answered(
    api: httpx.Client, database: str
) -> None:
    thread_id, review = asked(api)
    sweep(database, Policy(keep_last=1, **NOW), [thread_id])

    answered = api.post(
        f"/threads/{thread_id}/runs/wait",
        json={"assistant_id": "ask", "command": {"resume": {review["interrupt_id"]: "yes"}}},
    )

    assert answered.json()["answers"] == ["yes"]


@pytest.mark.parametrize("way", ["review", "resume"])
def test_a_late_approval_of_a_pruned_question_conflicts_and_changes_nothing(
    api: httpx.Client, database: str, way: str
) -> None:
    thread_id, review = asked(api)
    with psycopg.connect(database) as stranger:  # moves the head, then prunes the question
        stranger.execute(
            "UPDATE checkpoints SET checkpoint_id = '1fffffff-ffff-6fff-8fff-ffffffffffff'"
            " WHERE thread_id = %s AND checkpoint_id = %s",
            (thread_id, review["checkpoint_id"]),
        )
    before = head(api, thread_id)

    if way == "review":
        answer = api.post(
            f"/reviews/{review['interrupt_id']}/decision",
            json={"type": "answer", "value": "yes", "fingerprint": review["fingerprint"]},
        )
    else:
        answer = api.post(
            f"/threads/{thread_id}/runs",
            json={"assistant_id": "ask", "command": {"resume": {review["interrupt_id"]: "yes"}}},
        )

    assert answer.status_code == 409, answer.text
    assert "no longer exists" in answer.json()["detail"]
    assert head(api, thread_id) == before


def test_a_late_writer_does_not_bring_a_deleted_thread_back(
    api: httpx.Client, pruned: tuple[str, str], database: str
) -> None:
    thread_id, _ = pruned
    last = head(api, thread_id)["checkpoint_id"]
    api.delete(f"/threads/{thread_id}").raise_for_status()

    with psycopg.connect(database) as late, pytest.raises(psycopg.Error) as refused:
        late.execute(
            "INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id,"
            " parent_checkpoint_id, checkpoint, metadata) VALUES (%s, '', %s, %s, '{}', '{}')",
            (thread_id, str(uuid4()), last),
        )

    assert refused.value.sqlstate == "LG409"
    assert api.get(f"/threads/{thread_id}").status_code == 404


def test_a_copy_of_a_pruned_thread_can_go_on(api: httpx.Client, pruned: tuple[str, str]) -> None:
    thread_id, _ = pruned

    copy = api.post(f"/threads/{thread_id}/copy").json()["thread_id"]
    body = {"assistant_id": "echo", "input": {"text": "on"}}
    gone_on = api.post(f"/threads/{copy}/runs/wait", json=body)

    assert gone_on.json()["text"] == "on"
    assert gone_on.json()["count"] == head(api, thread_id)["values"]["count"] + 1
