"""SIGKILL at every boundary of a run: another worker goes on, nothing is lost or done twice."""

import asyncio
import json
import signal
import uuid
from typing import Any

import pytest

from engine.runs.request import RunRequest
from tests.fault.points import GATE_POINTS, POINTS
from tests.fault.processes import submitter


@pytest.mark.parametrize("passing", [1, 3])
@pytest.mark.parametrize("point", POINTS)
async def test_a_worker_killed_at_any_boundary_costs_nothing(
    worker: Any, submit: Any, finished: Any, verdict: Any, point: str, passing: int
) -> None:
    once = point in ("claimed", "end written") or "end" in point.split()[-3:]
    if passing > 1 and (once or point.startswith("inside")):
        pytest.skip("a run passes there once")
    run = await submit()
    doomed = worker(fault=f"{point}#{passing}")
    assert await doomed.died() == -signal.SIGKILL

    worker()
    over = await finished(run)

    found = verdict()
    assert over.status == "succeeded"
    assert found.sound, found.summary()


@pytest.mark.parametrize("point", GATE_POINTS)
async def test_a_worker_killed_while_it_opens_a_gate_leaves_exactly_one(
    worker: Any, submit: Any, finished: Any, verdict: Any, rows: Any, point: str
) -> None:
    run = await submit(gates=[1])
    assert await worker(fault=f"{point}#1").died() == -signal.SIGKILL

    worker()
    over = await finished(run)

    gates = rows("SELECT state FROM holdfast.gates")
    assert over.status == "interrupted"
    assert [gate["state"] for gate in gates] == ["open"]
    assert verdict().sound


async def test_an_answer_resent_after_a_crash_does_not_answer_the_next_question(
    worker: Any, submit: Any, finished: Any, client: Any, rows: Any, verdict: Any
) -> None:
    run = await submit(gates=[1, 2])
    first = worker()
    await finished(run)
    first.kill()
    resume = await client.runs.create(
        RunRequest(assistant_id="work", thread_id=run.thread_id, command={"resume": "ann"})
    )
    # The graph has stopped at its second question; nobody has written that down.
    assert await worker(fault="before the end is written#1").died() == -signal.SIGKILL

    worker()
    over = await finished(resume)

    gates = rows("SELECT state FROM holdfast.gates ORDER BY created_at")
    assert over.status == "interrupted"
    assert [gate["state"] for gate in gates] == ["decided", "open"]
    assert over.output["answers"] == ["w:1=ann"]
    assert verdict().sound


async def _errand(
    worker: Any, client: Any, finished: Any, plant: str, graph_id: str = "errand"
) -> Any:
    """Kill the first worker at the first effect of a functional graph on a slow disk."""
    run = await client.runs.create(
        RunRequest(assistant_id=graph_id, input={"label": "e", "steps": 1})
    )
    doomed = worker(fault="effect done#1", plant=f"slow_disk,{plant}")
    assert await doomed.died() == -signal.SIGKILL
    worker()
    return await finished(run)


@pytest.mark.parametrize("graph_id", ["errand", "handing_over"])
async def test_the_first_effect_of_a_functional_graph_has_one_key(
    worker: Any, client: Any, finished: Any, effects: Any, place: Any, graph_id: str
) -> None:
    over = await _errand(worker, client, finished, "", graph_id)

    keys = {line.split()[0] for line in place.world.read_text().splitlines()}
    assert over.status == "succeeded"
    assert (len(effects()), len(keys)) == (2, 1)


async def test_a_functional_graph_that_a_synchronous_node_calls_ends(
    worker: Any, client: Any, finished: Any
) -> None:
    worker()
    run = await client.runs.create(RunRequest(assistant_id="from_thread", input={"label": "e"}))

    over = await finished(run)

    assert (over.status, over.output["log"]) == ("succeeded", ["e:0"])


async def test_a_body_that_begins_before_its_input_is_saved_doubles_its_effect(
    worker: Any, client: Any, finished: Any, verdict: Any
) -> None:
    await _errand(worker, client, finished, "hasty")

    assert verdict().faults.keys() >= {"doubled"}


async def test_a_run_that_kills_every_worker_fails_and_tells_its_story(
    worker: Any, submit: Any, finished: Any, client: Any
) -> None:
    run = await submit()
    for _ in range(5):
        assert await worker(fault="node begins#1").died() == -signal.SIGKILL

    worker()
    over = await finished(run)

    assert over.status == "failed"
    assert over.error["error"] == "CrashLoopError"
    assert len(over.error["attempts"]) == 5


async def test_runs_of_five_clients_on_one_thread_keep_their_order_while_workers_die(
    place: Any, worker: Any, effects: Any, until: Any, rows: Any, verdict: Any
) -> None:
    thread_id = str(uuid.uuid4())
    clients = [
        submitter(
            place,
            [
                (str(uuid.uuid4()), thread_id, {"label": f"c{client}w{number}", "steps": 2})
                for number in range(8)
            ],
            "",
        )
        for client in range(5)
    ]
    for deaths in range(1, 4):
        doomed = worker()
        await until(lambda enough=deaths * 12: len(effects()) >= enough)
        doomed.kill()

    worker()
    await until(lambda: len(rows("SELECT 1 FROM holdfast.runs WHERE status = 'succeeded'")) == 40)

    found = verdict()
    assert [client.exitcode for client in clients] == [0] * 5
    assert found.acknowledged == 40
    assert found.sound, found.summary()


async def test_a_client_killed_before_its_commit_was_promised_nothing(
    client: Any, rows: Any
) -> None:
    connection = await client.database.connect(application_name="doomed")
    await connection.execute("BEGIN")
    run = await client.runs.submit(connection, RunRequest(assistant_id="work"))

    rows("SELECT pg_terminate_backend(%s)", connection.info.backend_pid)

    await connection.close()
    assert rows("SELECT 1 FROM holdfast.runs WHERE run_id = %s", run.run_id) == []
    assert rows("SELECT 1 FROM procrastinate_jobs") == []


async def test_sigterm_hands_runs_back_and_another_worker_ends_them(
    worker: Any, submit: Any, finished: Any, effects: Any, until: Any, verdict: Any
) -> None:
    run = await submit(steps=20)
    leaving = worker()
    await until(effects)

    assert leaving.terminate() == 0

    worker()
    over = await finished(run)
    assert (over.status, over.attempts) == ("succeeded", 1)
    assert len(over.attempt_log) == 2
    assert len(effects()) == 20
    assert verdict().sound


async def test_sigterm_does_not_wait_for_a_node_that_takes_longer_than_the_grace(
    worker: Any, submit: Any, finished: Any, effects: Any, until: Any, verdict: Any
) -> None:
    run = await submit(steps=1, pause_seconds=3.0)
    leaving = worker(overrides={"drain_seconds": 0.2})
    await until(effects)

    assert leaving.terminate() == 0
    done_meanwhile = len(effects())

    worker()
    over = await finished(run)
    assert done_meanwhile == 1
    assert (over.status, over.attempts) == ("succeeded", 1)
    assert verdict().sound


async def test_sigterm_does_not_wait_for_a_node_that_waits_to_try_again(
    worker: Any, client: Any, finished: Any, effects: Any, until: Any, verdict: Any
) -> None:
    run = await client.runs.create(
        RunRequest(assistant_id="patient", input={"label": "p", "steps": 1})
    )
    leaving = worker(overrides={"drain_seconds": 0.2})
    await until(effects)

    assert leaving.terminate() == 0

    worker()
    over = await finished(run)
    assert (over.status, over.attempts) == ("succeeded", 1)
    assert len(effects()) == 2
    assert verdict().sound


async def test_a_client_that_streams_follows_its_run_from_one_worker_to_the_next(
    worker: Any, client: Any, effects: Any, until: Any
) -> None:
    run = await client.runs.create(
        RunRequest(
            assistant_id="work",
            input={"label": "w", "steps": 8, "pause_seconds": 0.05},
            stream_mode=["updates"],
            stream_resumable=True,
        )
    )
    following = client.events.follow_run(run.run_id, after=-1)
    streaming = asyncio.ensure_future(_steps_shown(following))
    leaving = worker()
    await until(lambda: len(effects()) >= 3)

    assert leaving.terminate() == 0
    worker()

    async with asyncio.timeout(60):
        assert await streaming == [f"w:{step}" for step in range(8)]


async def _steps_shown(following: Any) -> list[str]:
    shown: list[str] = []
    async for recorded in following:
        if recorded.event.event == "updates":
            update = json.loads(recorded.event.data)
            shown += (update.get("work") or {}).get("log", [])
    return shown


async def test_late_effects_of_a_node_that_ran_out_of_time_have_one_key(
    worker: Any, client: Any, finished: Any, effects: Any, until: Any, place: Any
) -> None:
    run = await client.runs.create(
        RunRequest(assistant_id="late", input={"label": "l", "steps": 1, "pause_seconds": 0.5})
    )
    worker()
    over = await finished(run)
    done_by_its_end = len(effects())

    await until(lambda: len(effects()) == 3)
    keys = {line.split()[0] for line in place.world.read_text().splitlines()}
    assert (over.status, over.error["error"]) == ("failed", "NodeTimeoutError")
    assert done_by_its_end < 3
    assert len(keys) == 1


async def test_truncated_tickets_lose_no_run(
    worker: Any, submit: Any, finished: Any, rows: Any, verdict: Any
) -> None:
    runs = [await submit(label=f"w{number}") for number in range(6)]
    worker()
    await finished(runs[0])

    rows("WITH gone AS (DELETE FROM procrastinate_jobs RETURNING 1) SELECT count(*) FROM gone")

    for run in runs:
        assert (await finished(run)).status == "succeeded"
    assert verdict().sound


async def test_without_a_sweeper_lost_tickets_are_noticed_by_the_checker(
    worker: Any, submit: Any, rows: Any, verdict: Any, until: Any
) -> None:
    await submit()
    rows("WITH gone AS (DELETE FROM procrastinate_jobs RETURNING 1) SELECT count(*) FROM gone")

    worker(plant="no_sweeper")
    # The bugged worker is up and beats; nothing will ever tell it of the run.
    await until(lambda: rows("SELECT 1 FROM holdfast.workers"))

    assert verdict().faults.keys() >= {"lost"}
