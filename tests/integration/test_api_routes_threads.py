from typing import Any

import pytest
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError

ONE = "00000000-0000-4000-8000-000000000001"
OTHER = "00000000-0000-4000-8000-00000000000f"

# Making and finding


async def test_a_thread_comes_back_as_it_was_made(api: Any) -> None:
    made = await api.sdk.threads.create(thread_id=ONE, metadata={"a": 1}, graph_id="echo")

    got = await api.sdk.threads.get(ONE)

    assert made == got
    assert got["metadata"] == {"a": 1, "graph_id": "echo"}
    assert (got["status"], got["values"], got["interrupts"]) == ("idle", None, {})


async def test_a_taken_id_conflicts_unless_that_is_fine(api: Any) -> None:
    await api.sdk.threads.create(thread_id=ONE, metadata={"a": 1})

    with pytest.raises(ConflictError):
        await api.sdk.threads.create(thread_id=ONE)
    again = await api.sdk.threads.create(thread_id=ONE, if_exists="do_nothing")

    assert again["metadata"] == {"a": 1}


async def test_a_time_to_live_is_shown_when_asked_for(api: Any) -> None:
    await api.sdk.threads.create(thread_id=ONE, ttl=60)
    await api.sdk.threads.update(ONE, metadata={}, ttl={"ttl": 5, "strategy": "keep_latest"})

    thread = await api.sdk.threads.get(ONE, include=["ttl"])

    assert thread["ttl"]["ttl"] == 5
    assert thread["ttl"]["strategy"] == "keep_latest"
    assert thread["ttl"]["expires_at"] is not None


async def test_a_thread_can_be_built_from_supersteps(api: Any) -> None:
    thread = await api.sdk.threads.create(
        graph_id="echo",
        supersteps=[
            {"updates": [{"values": {"text": "a"}, "as_node": "__input__"}]},
            {"updates": [{"values": {"text": "b"}, "as_node": "echo"}]},
        ],
    )

    assert thread["values"] == {"text": "b"}


async def test_supersteps_without_a_graph_leave_no_thread_behind(api: Any) -> None:
    with pytest.raises(ConflictError):
        await api.sdk.threads.create(
            thread_id=ONE, supersteps=[{"updates": [{"values": {}, "as_node": "echo"}]}]
        )

    with pytest.raises(NotFoundError):
        await api.sdk.threads.get(ONE)


async def test_search_sorts_pages_and_says_how_many_there_are(api: Any) -> None:
    for last in ("b", "a", "c"):
        await api.sdk.threads.create(thread_id=f"{ONE[:-1]}{last}")

    answer = await api.http.post(
        "/threads/search", json={"sort_by": "thread_id", "sort_order": "asc", "limit": 2}
    )

    assert [thread["thread_id"][-1] for thread in answer.json()] == ["a", "b"]
    assert answer.headers["x-pagination-total"] == "3"
    assert answer.headers["x-pagination-next"] == "2"


async def test_search_picks_fields_and_extracts_values(api: Any) -> None:
    thread = await api.sdk.threads.create(metadata={"tags": ["x", "y"]})
    await api.run(thread["thread_id"], {"text": "hello"})

    (found,) = await api.sdk.threads.search(
        select=["thread_id", "status"],
        extract={"text": "values.text", "last": "metadata.tags[-1]", "none": "values.a[3].b"},
        values={"text": "hello"},
        metadata={"graph_id": "echo"},
    )

    assert found == {
        "thread_id": thread["thread_id"],
        "status": "idle",
        "extracted": {"text": "hello", "last": "y", "none": None},
    }


async def test_a_thread_waiting_at_a_question_shows_it_in_lists(api: Any) -> None:
    thread = await api.sdk.threads.create()
    await api.run(thread["thread_id"], {"text": "ok?"}, "nested")

    (found,) = await api.sdk.threads.search(status="interrupted")

    ((question,),) = found["interrupts"].values()
    assert question["value"] == {"question": "ok?"}
    assert await api.sdk.threads.count(status="interrupted") == 1
    assert await api.sdk.threads.count(metadata={"graph_id": "other"}) == 0


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/threads", {"thread": "x"}, "/thread"),
        ("/threads", {"thread_id": "order-17"}, "/thread_id"),
        ("/threads", {"if_exists": "maybe"}, "/if_exists"),
        ("/threads", {"ttl": {"ttl": -1}}, "/ttl"),
        ("/threads/search", {"limit": 0}, "/limit"),
        ("/threads/search", {"sort_by": "values"}, "/sort_by"),
        ("/threads/search", {"select": ["secret"]}, "/select"),
        ("/threads/search", {"extract": {"a": "runs[0]"}}, "/extract/a"),
        ("/threads/prune", {"thread_ids": [], "strategy": "all"}, "/strategy"),
        ("/threads/prune", {"thread_ids": [], "keep": 3}, ""),
    ],
)
async def test_a_field_that_does_not_fit_is_named(
    api: Any, path: str, body: dict[str, Any], pointer: str
) -> None:
    answer = await api.http.post(path, json=body)

    assert answer.status_code == 422
    assert pointer in answer.json()["detail"]


async def test_the_name_of_a_thread_is_a_uuid_in_any_spelling(api: Any) -> None:
    await api.sdk.threads.create(thread_id=OTHER.upper())

    found = await api.sdk.threads.get(OTHER)
    malformed = await api.http.get("/threads/order-17")

    assert found["thread_id"] == OTHER
    assert malformed.status_code == 422
    assert "must be a UUID" in malformed.json()["detail"]


async def test_an_unknown_thread_is_not_found(api: Any) -> None:
    for call in (
        api.sdk.threads.get(OTHER),
        api.sdk.threads.update(OTHER, metadata={}),
        api.sdk.threads.delete(OTHER),
        api.sdk.threads.copy(OTHER),
        api.sdk.threads.get_state(OTHER),
        api.sdk.threads.get_history(OTHER),
        api.sdk.threads.update_state(OTHER, {}),
    ):
        with pytest.raises(NotFoundError):
            await call


# Changing and removing


async def test_a_change_can_be_answered_with_nothing(api: Any) -> None:
    await api.sdk.threads.create(thread_id=ONE, metadata={"a": 1})

    nothing = await api.sdk.threads.update(ONE, metadata={"b": 2}, return_minimal=True)
    thread = await api.sdk.threads.update(ONE, metadata={"c": 3})

    assert nothing is None
    assert thread["metadata"] == {"a": 1, "b": 2, "c": 3}


async def test_a_caller_may_prefer_no_answer(api: Any) -> None:
    await api.sdk.threads.create(thread_id=ONE)

    answer = await api.http.patch(
        f"/threads/{ONE}", json={"metadata": {"a": 1}}, headers={"prefer": "return=minimal"}
    )

    assert answer.status_code == 204
    assert answer.headers["preference-applied"] == "return=minimal"


async def test_a_thread_stream_refuses_a_mode_that_it_does_not_have(api: Any) -> None:
    await api.sdk.threads.create(thread_id=ONE)

    answer = await api.http.get(f"/threads/{ONE}/stream", params={"stream_modes": "everything"})

    assert answer.status_code == 422
    assert "stream_modes" in answer.text


async def test_deleting_answers_204_and_the_thread_is_gone(api: Any) -> None:
    thread = await api.sdk.threads.create()
    await api.run(thread["thread_id"], {"text": "a"})

    answer = await api.http.delete(f"/threads/{thread['thread_id']}")

    assert (answer.status_code, answer.content) == (204, b"")
    with pytest.raises(NotFoundError):
        await api.sdk.threads.get(thread["thread_id"])


async def test_a_copy_goes_on_by_itself(api: Any) -> None:
    thread = await api.sdk.threads.create(metadata={"a": 1})
    await api.run(thread["thread_id"], {"text": "ok?"}, "nested")

    copied = await api.sdk.threads.copy(thread["thread_id"])
    run = await api.sdk.runs.create(copied["thread_id"], "nested", command={"resume": "yes"})
    await api.work()

    done = await api.sdk.threads.get(copied["thread_id"])
    waiting = await api.sdk.threads.get(thread["thread_id"])
    assert (await api.sdk.runs.get(copied["thread_id"], run["run_id"]))["status"] == "success"
    assert done["values"]["text"] == "ok?: yes"
    assert waiting["status"] == "interrupted"


async def test_a_repeated_copy_with_the_same_key_is_one_copy(api: Any) -> None:
    thread = await api.sdk.threads.create()
    headers = {"Idempotency-Key": "copy-1"}

    first = await api.http.post(f"/threads/{thread['thread_id']}/copy", headers=headers)
    second = await api.http.post(f"/threads/{thread['thread_id']}/copy", headers=headers)

    assert first.json() == second.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert await api.sdk.threads.count() == 2


# Thinning out


async def run_often(api: Any, times: int) -> str:
    thread = await api.sdk.threads.create()
    for number in range(times):
        await api.run(thread["thread_id"], {"text": str(number)})
    return str(thread["thread_id"])


async def test_a_window_keeps_the_newest_checkpoints_and_reports(api: Any) -> None:
    thread_id = await run_often(api, 4)
    before = await api.sdk.threads.get_history(thread_id, limit=100)

    body = {"thread_ids": [thread_id], "strategy": "window", "keep": 3}
    dry = (await api.http.post("/threads/prune", json={**body, "dry_run": True})).json()
    untouched = await api.sdk.threads.get_history(thread_id, limit=100)
    done = (await api.http.post("/threads/prune", json=body)).json()

    assert untouched == before
    assert dry["report"]["rows"]["checkpoints"] == done["report"]["rows"]["checkpoints"] == 9
    assert done["pruned_count"] == 1
    left = await api.sdk.threads.get_history(thread_id, limit=100)
    assert [state["checkpoint_id"] for state in left] == [
        state["checkpoint_id"] for state in before[:3]
    ]


async def test_keep_latest_keeps_the_state(api: Any) -> None:
    thread_id = await run_often(api, 2)
    before = await api.sdk.threads.get_state(thread_id)

    answer = await api.sdk.threads.prune([thread_id, OTHER], strategy="keep_latest")

    after = await api.sdk.threads.get_state(thread_id)
    assert answer["pruned_count"] == 1
    assert (after["values"], after["checkpoint"]) == (before["values"], before["checkpoint"])
    assert len(await api.sdk.threads.get_history(thread_id)) == 1


async def test_pruning_deletes_threads_unless_told_otherwise(api: Any) -> None:
    thread_id = await run_often(api, 1)

    answer = await api.sdk.threads.prune([thread_id, OTHER])

    assert answer["pruned_count"] == 1
    with pytest.raises(NotFoundError):
        await api.sdk.threads.get(thread_id)


@pytest.mark.parametrize("strategy", ["delete", "keep_latest"])
async def test_pruning_is_refused_while_it_is_paused_and_says_by_whom(
    api: Any, strategy: str
) -> None:
    thread_id = await run_often(api, 2)
    await api.engine.pruning.pause(by="ada", via="console", reason="lunch")

    body = {"thread_ids": [thread_id], "strategy": strategy}
    refused = await api.http.post("/threads/prune", json=body)
    foreseen = await api.http.post("/threads/prune", json={**body, "dry_run": True})

    assert (refused.status_code, foreseen.status_code) == (409, 200)
    assert refused.json()["type"].endswith("pruning-paused")
    assert (refused.json()["paused_by"], refused.json()["reason"]) == ("ada", "lunch")
    assert len(await api.sdk.threads.get_history(thread_id)) > 1


async def test_a_pruned_question_can_still_be_answered(api: Any) -> None:
    thread = await api.sdk.threads.create()
    await api.run(thread["thread_id"], {"text": "ok?"}, "nested")

    await api.sdk.threads.prune([thread["thread_id"]], strategy="keep_latest")
    await api.sdk.runs.create(thread["thread_id"], "nested", command={"resume": "yes"})
    await api.work()

    assert (await api.sdk.threads.get(thread["thread_id"]))["values"]["text"] == "ok?: yes"


async def test_a_sweep_takes_the_threads_that_were_written_to(api: Any) -> None:
    await run_often(api, 9)
    pruning = api.engine.pruning

    first = await pruning.sweep_dirty()
    second = await pruning.sweep_dirty()

    assert first is not None
    assert first.rows["checkpoints"] == 27 - 20
    assert second is None
    assert [(run.trigger, run.outcome) for run in await pruning.runs()] == [("schedule", "ok")]
    assert {row["table_name"] for row in await pruning.samples()} == {
        "checkpoints",
        "checkpoint_blobs",
        "checkpoint_writes",
    }


async def test_channels_kept_as_differences_survive_copying_and_thinning(api: Any) -> None:
    thread = await api.sdk.threads.create()
    thread_id = thread["thread_id"]
    for _ in range(6):
        await api.run(thread_id, {"lines": ["hello"]}, "delta")
    before = await api.sdk.threads.get_state(thread_id)

    copied = await api.sdk.threads.copy(thread_id)
    body = {"thread_ids": [thread_id], "strategy": "window", "keep": 2}
    pruned = (await api.http.post("/threads/prune", json=body)).json()
    await api.sdk.threads.delete(thread_id)

    twin = await api.sdk.threads.get_state(copied["thread_id"])
    assert len(before["values"]["lines"]) == 12
    assert pruned["report"]["rows"]["checkpoints"] == 18 - 2
    assert twin["values"] == before["values"]


async def test_a_thinned_diary_goes_on_where_it_was(api: Any) -> None:
    thread = await api.sdk.threads.create()
    for _ in range(4):
        await api.run(thread["thread_id"], {"lines": ["hello"]}, "delta")

    await api.sdk.threads.prune([thread["thread_id"]], strategy="keep_latest")
    await api.run(thread["thread_id"], {"lines": ["again"]}, "delta")

    state = await api.sdk.threads.get_state(thread["thread_id"])
    assert len(state["values"]["lines"]) == 10
    assert state["values"]["lines"][-2:] == ["again", "line 9"]


async def test_storage_counts_sections_and_channels(api: Any) -> None:
    thread_id = await run_often(api, 1)

    answer = await api.http.get(f"/threads/{thread_id}/storage")

    body = answer.json()
    assert body["thread_id"] == thread_id
    assert body["checkpoints"]["count"] == 3
    assert set(body["channel_values"]) == {"count", "bytes", "by_channel"}
    assert body["total_bytes"] == sum(
        body[section]["bytes"] for section in ("checkpoints", "channel_values", "pending_writes")
    )


# State


async def test_state_history_and_fork_through_the_official_client(api: Any) -> None:
    thread = await api.sdk.threads.create()
    thread_id = thread["thread_id"]
    await api.run(thread_id, {"text": "a"})

    history = await api.sdk.threads.get_history(thread_id)
    oldest = history[-1]
    by_id = await api.sdk.threads.get_state(thread_id, checkpoint_id=oldest["checkpoint_id"])
    by_address = await api.sdk.threads.get_state(thread_id, oldest["checkpoint"])
    written = await api.sdk.threads.update_state(
        thread_id, {"text": "b"}, checkpoint=oldest["checkpoint"], as_node="echo"
    )
    state = await api.sdk.threads.get_state(thread_id)
    older = await api.sdk.threads.get_history(thread_id, before=state["checkpoint"], limit=1)

    assert by_id == by_address == oldest
    assert state["values"] == {"text": "b"}
    assert written["checkpoint"] == state["checkpoint"]
    assert older[0]["checkpoint_id"] == history[0]["checkpoint_id"]


async def test_fields_of_a_state_are_picked(api: Any) -> None:
    thread = await api.sdk.threads.create()
    await api.run(thread["thread_id"], {"text": "a"})

    one = await api.sdk.threads.get_state(thread["thread_id"], select=["values.text", "next"])
    many = await api.sdk.threads.get_history(thread["thread_id"], select=["values"], limit=1)

    assert one == {"values": {"text": "a"}, "next": []}
    assert many == [{"values": {"text": "a", "count": 1}}]
    with pytest.raises(UnprocessableEntityError):
        await api.sdk.threads.get_state(thread["thread_id"], select=["secret"])


async def test_a_subgraphs_state_is_there_when_asked_for(api: Any) -> None:
    thread = await api.sdk.threads.create()
    await api.run(thread["thread_id"], {"text": "ok?"}, "nested")

    flat = await api.sdk.threads.get_state(thread["thread_id"])
    deep = await api.sdk.threads.get_state(thread["thread_id"], subgraphs=True)
    inner = await api.sdk.threads.get_state(
        thread["thread_id"], deep["tasks"][0]["state"]["checkpoint"]
    )

    assert flat["tasks"][0]["state"] is None
    assert flat["tasks"][0]["checkpoint"]["checkpoint_ns"].startswith("child:")
    assert inner["next"] == ["ask"]


async def test_a_checkpoint_of_another_thread_is_refused(api: Any) -> None:
    thread = await api.sdk.threads.create()
    address = {"thread_id": OTHER, "checkpoint_ns": "", "checkpoint_id": "x"}

    with pytest.raises(UnprocessableEntityError):
        await api.sdk.threads.get_state(thread["thread_id"], address)


async def test_ignoring_a_question_as_agent_inbox_does_ends_the_thread(api: Any) -> None:
    thread = await api.sdk.threads.create()
    await api.run(thread["thread_id"], {"text": "ok?"}, "nested")

    await api.sdk.threads.update_state(thread["thread_id"], None, as_node="__end__")

    state = await api.sdk.threads.get_state(thread["thread_id"])
    after = await api.sdk.threads.get(thread["thread_id"])
    assert state["next"] == []
    assert (after["status"], after["interrupts"]) == ("idle", {})
