"""One worker, real graphs: runs end to end, questions, answers, stops and failures."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from engine.assistants import Assistants
from engine.attempt import Attempt
from engine.errors import ConflictError, NotFoundError, ThreadBusyError
from engine.runs.request import RunRequest
from engine.runs.run import Run
from engine.runtime import Engine, open_engine
from engine.saver import RunOverError

SLOW = {"steps": 200, "pause_seconds": 0.05}


async def run_to_end(engine: Engine, assistant_id: str = "steps", **request: Any) -> Run:
    run = await engine.runs.create(RunRequest(assistant_id=assistant_id, **request))
    finished = await engine.runs.wait(run.run_id)
    assert finished is not None
    return finished


async def answer(
    engine: Engine, thread_id: str, value: Any = "yes", assistant_id: str = "steps"
) -> Run:
    return await run_to_end(engine, assistant_id, thread_id=thread_id, command={"resume": value})


async def rows(engine: Engine, query: str, *parameters: Any) -> list[dict[str, Any]]:
    async with engine.database.pool.connection() as connection:
        return await (await connection.execute(query, parameters)).fetchall()


async def started(engine: Engine, run_id: str) -> None:
    """Return once the run's first step has left its mark."""
    async with await engine.database.connect(application_name="test") as connection:
        await connection.execute("LISTEN marks")
        if await rows(engine, "SELECT 1 FROM marks WHERE run_id = %s", run_id):
            return
        async for mark in connection.notifies(timeout=10):
            if mark.payload == run_id:
                return
    raise AssertionError(f"run {run_id} has not started")


async def thread_row(engine: Engine, thread_id: str) -> dict[str, Any]:
    return (await rows(engine, "SELECT * FROM holdfast.threads WHERE thread_id = %s", thread_id))[0]


async def test_a_run_ends_with_the_values_of_its_graph(engine: Engine) -> None:
    run = await run_to_end(engine, input={"steps": 3})

    assert run.status == "succeeded"
    assert len(run.output["done"]) == 3


async def test_a_thread_shows_the_head_of_its_last_run(engine: Engine) -> None:
    run = await run_to_end(engine, input={"steps": 2})

    thread = await thread_row(engine, run.thread_id)
    assert (thread["status"], len(thread["values"]["done"])) == ("idle", 2)
    assert thread["metadata"]["graph_id"] == "steps"


async def test_a_graph_that_asks_ends_interrupted_with_an_open_gate(engine: Engine) -> None:
    run = await run_to_end(engine, input={"steps": 2, "gates": [1]})

    gates = await rows(engine, "SELECT * FROM holdfast.gates WHERE run_id = %s", run.run_id)
    thread = await thread_row(engine, run.thread_id)
    assert run.status == "interrupted"
    assert [gate["state"] for gate in gates] == ["open"]
    assert thread["status"] == "interrupted"
    assert [i["id"] for group in thread["interrupts"].values() for i in group] == [
        gates[0]["interrupt_id"]
    ]


async def test_an_answer_lets_the_graph_go_on_where_it_asked(engine: Engine) -> None:
    asked = await run_to_end(engine, input={"steps": 3, "gates": [1]})

    resumed = await answer(engine, asked.thread_id)

    assert resumed.status == "succeeded"
    assert resumed.output["answers"] == ["yes"]
    assert len(await rows(engine, "SELECT 1 FROM marks")) == 3


async def test_an_answer_for_another_graph_is_refused_and_the_question_stays(
    engine: Engine,
) -> None:
    asked = await run_to_end(engine, "ask", input={"questions": ["how many?"]})

    with pytest.raises(ConflictError, match="asked by 'ask'"):
        await answer(engine, asked.thread_id, "many", "steps")

    gates = await rows(engine, "SELECT state FROM holdfast.gates")
    assert [gate["state"] for gate in gates] == ["open"]


async def test_a_node_that_raises_fails_its_run_with_class_and_message(engine: Engine) -> None:
    run = await run_to_end(engine, input={"steps": 3, "fail_at": 1})

    thread = await thread_row(engine, run.thread_id)
    assert run.status == "failed"
    assert run.error == {"error": "ValueError", "message": "step 1 fails"}
    assert (thread["status"], thread["error"]) == ("error", run.error)


async def test_a_thread_whose_answer_failed_its_node_shows_the_error_and_waits_for_nobody(
    engine: Engine,
) -> None:
    asked = await run_to_end(
        engine, "ask", input={"questions": ["how many?"], "wants_numbers": True}
    )

    resumed = await answer(engine, asked.thread_id, "many", "ask")

    thread = await thread_row(engine, asked.thread_id)
    assert (resumed.status, thread["status"]) == ("failed", "error")
    assert await rows(engine, "SELECT 1 FROM holdfast.gates WHERE state = 'open'") == []


async def test_a_thread_with_another_question_open_still_waits_when_an_answer_failed(
    engine: Engine,
) -> None:
    asked = await run_to_end(
        engine,
        "ask",
        input={"questions": ["one?", "two?"], "at_once": True, "wants_numbers": True},
    )
    first, *_ = await rows(engine, "SELECT interrupt_id FROM holdfast.gates ORDER BY created_at")

    resumed = await answer(engine, asked.thread_id, {first["interrupt_id"]: "many"}, "ask")

    assert resumed.status == "failed"
    assert (await thread_row(engine, asked.thread_id))["status"] == "interrupted"


async def test_runs_of_one_thread_happen_one_after_the_other_in_order(engine: Engine) -> None:
    first = await engine.runs.create(RunRequest(assistant_id="steps", input={"steps": 2}))
    more = [
        await engine.runs.create(
            RunRequest(assistant_id="steps", thread_id=first.thread_id, input={"steps": 2 * n})
        )
        for n in (2, 3, 4)
    ]

    last = await engine.runs.wait(more[-1].run_id)

    assert last is not None
    order = [done.partition(":")[0] for done in last.output["done"]]
    assert order == [run.run_id[:8] for run in (first, *more) for _ in range(2)]


async def test_new_input_waits_while_a_question_is_open(engine: Engine) -> None:
    asked = await run_to_end(engine, input={"steps": 2, "gates": [1]})
    waiting = await engine.runs.create(
        RunRequest(assistant_id="steps", thread_id=asked.thread_id, input={"steps": 4})
    )

    await engine.worker.work_on(asked.thread_id)

    assert (await engine.runs.get(waiting.run_id)).status == "queued"
    await answer(engine, asked.thread_id)
    finished = await engine.runs.wait(waiting.run_id)
    assert finished is not None
    assert len(finished.output["done"]) == 4
    assert finished.output["answers"] == ["yes"]


async def test_a_busy_thread_refuses_a_run_that_does_not_want_to_wait(engine: Engine) -> None:
    run = await engine.runs.create(RunRequest(assistant_id="steps", input=SLOW))

    with pytest.raises(ThreadBusyError):
        await engine.runs.create(
            RunRequest(assistant_id="steps", thread_id=run.thread_id, multitask_strategy="reject")
        )
    await engine.runs.cancel(run.run_id)


async def test_interrupt_stops_the_running_run_and_keeps_what_it_did(engine: Engine) -> None:
    slow = await engine.runs.create(RunRequest(assistant_id="steps", input=SLOW))
    await started(engine, slow.run_id)

    after = await run_to_end(
        engine, thread_id=slow.thread_id, input={"steps": 1}, multitask_strategy="interrupt"
    )

    assert (await engine.runs.get(slow.run_id)).status == "cancelled"
    assert after.status == "succeeded"
    async with engine.database.pool.connection() as connection:
        kept = await (
            await connection.execute(
                "SELECT count(*) AS n FROM checkpoints WHERE metadata ->> 'run_id' = %s",
                (slow.run_id,),
            )
        ).fetchone()
    assert kept is not None
    assert kept["n"] > 0


async def test_rollback_forgets_the_running_run_and_what_it_saved(engine: Engine) -> None:
    base = await run_to_end(engine, input={"steps": 1})
    slow = await engine.runs.create(
        RunRequest(assistant_id="steps", thread_id=base.thread_id, input=SLOW)
    )
    await started(engine, slow.run_id)

    after = await run_to_end(
        engine, thread_id=base.thread_id, input={"steps": 2}, multitask_strategy="rollback"
    )

    assert [done[:8] for done in after.output["done"]] == [base.run_id[:8], after.run_id[:8]]
    with pytest.raises(NotFoundError):
        await engine.runs.get(slow.run_id)
    left = "SELECT 1 FROM checkpoints WHERE metadata ->> 'run_id' = %s"
    assert await rows(engine, left, slow.run_id) == []


async def test_interrupt_on_an_open_question_closes_it_and_the_log_says_so(engine: Engine) -> None:
    asked = await run_to_end(engine, input={"steps": 2, "gates": [1]})

    await run_to_end(
        engine, thread_id=asked.thread_id, input={"steps": 1}, multitask_strategy="interrupt"
    )

    gates = await rows(engine, "SELECT * FROM holdfast.gates WHERE run_id = %s", asked.run_id)
    assert [gate["state"] for gate in gates] == ["cancelled"]
    actions = [entry.action for entry in await engine.audit.list(thread_id=asked.thread_id)]
    assert "gate.cancelled" in actions


async def test_a_rolled_back_answer_puts_its_question_again(engine: Engine) -> None:
    asked = await run_to_end(engine, input={**SLOW, "gates": [1]})
    resumed = await engine.runs.create(
        RunRequest(assistant_id="steps", thread_id=asked.thread_id, command={"resume": "yes"})
    )
    await started(engine, resumed.run_id)

    await engine.runs.cancel(resumed.run_id, action="rollback")
    await engine.runs.wait(resumed.run_id)

    gates = await rows(
        engine,
        "SELECT * FROM holdfast.gates WHERE thread_id = %s ORDER BY ordinal",
        asked.thread_id,
    )
    thread = await thread_row(engine, asked.thread_id)
    assert [gate["state"] for gate in gates] == ["decided", "open"]
    assert thread["status"] == "interrupted"
    assert len(thread["values"]["done"]) == 1


async def test_a_cancelled_queued_run_never_starts(engine: Engine) -> None:
    later = await engine.runs.create(
        RunRequest(assistant_id="steps", input={"steps": 1}, after_seconds=3600)
    )

    await engine.runs.cancel(later.run_id)

    assert (await engine.runs.get(later.run_id)).status == "cancelled"
    with pytest.raises(ConflictError):
        await engine.runs.cancel(later.run_id)


async def test_a_run_that_takes_too_long_expires(engine: Engine) -> None:
    run = await run_to_end(engine, input=SLOW, timeout_seconds=0.3)

    assert run.status == "expired"
    assert run.error == {
        "error": "RunTimeoutError",
        "message": "the run took longer than its limit of 0.3 s",
    }


async def test_a_delayed_run_starts_no_earlier(engine: Engine) -> None:
    run = await run_to_end(engine, input={"steps": 1}, after_seconds=0.7)

    assert run.started_at is not None
    assert (run.started_at - run.created_at).total_seconds() >= 0.69


async def test_a_stateless_run_leaves_nothing_when_it_was_to_be_deleted(engine: Engine) -> None:
    run = await run_to_end(engine, input={"steps": 1}, on_completion="delete")
    async with engine.database.pool.connection() as connection:
        await connection.execute(
            "UPDATE holdfast.runs SET finished_at = finished_at - interval '2 minutes'"
        )

    await engine.sweeper.delete_stateless()

    for table in ("holdfast.threads", "checkpoints", "checkpoint_blobs", "checkpoint_writes"):
        assert (
            await rows(engine, f"SELECT 1 FROM {table} WHERE thread_id = %s", run.thread_id) == []
        )


async def test_a_run_accepted_on_a_stateless_thread_as_it_goes_is_not_lost(
    engine_options: Any,
) -> None:
    async with open_engine(engine_options(run_worker=False)) as engine:
        first = await engine.runs.create(
            RunRequest(assistant_id="steps", input={"steps": 1}, on_completion="delete")
        )
        await engine.run_once()
        async with engine.database.pool.connection() as connection:
            await connection.execute(
                "UPDATE holdfast.runs SET finished_at = finished_at - interval '2 minutes'"
            )
        async with engine.database.transaction() as connection:
            accepted = await engine.runs.submit(
                connection,
                RunRequest(assistant_id="steps", thread_id=first.thread_id, input={"steps": 1}),
            )
            deleting = asyncio.create_task(engine.sweeper.delete_stateless())
            await waits_or_ends(engine, deleting)
        await deleting

        assert (await engine.runs.get(accepted.run_id)).status == "queued"


async def waits_or_ends(engine: Engine, task: asyncio.Task[Any]) -> None:
    """Return once a task is over, or one of the database's sessions waits for a lock."""
    waiting = (
        "SELECT 1 FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    # Who waits for a lock can only be asked for.
    while not task.done() and not await rows(engine, waiting):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_a_stopping_worker_hands_its_run_back_without_costing_an_attempt(
    engine_options: Any,
) -> None:
    async with open_engine(engine_options()) as first:
        run = await first.runs.create(
            RunRequest(assistant_id="steps", input={"steps": 30, "pause_seconds": 0.05})
        )
        await started(first, run.run_id)

    async with open_engine(engine_options()) as second:
        finished = await second.runs.wait(run.run_id)

        assert finished is not None
        assert (finished.status, finished.attempts, len(finished.attempt_log)) == (
            "succeeded",
            1,
            2,
        )
        marks = await rows(second, "SELECT key FROM marks")
        assert len(marks) == len({mark["key"] for mark in marks}) == 30


async def test_a_worker_that_runs_once_does_what_is_due_and_returns(engine_options: Any) -> None:
    async with open_engine(engine_options(run_worker=False)) as engine:
        submitted = [
            await engine.runs.create(RunRequest(assistant_id="steps", input={"steps": 1}))
            for _ in range(3)
        ]

        await engine.run_once()

        statuses = [(await engine.runs.get(run.run_id)).status for run in submitted]
        assert statuses == ["succeeded"] * 3


async def test_answers_go_before_input_and_input_before_schedules(engine_options: Any) -> None:
    async with open_engine(engine_options(run_worker=False, concurrency=1)) as engine:
        asked = await engine.runs.create(
            RunRequest(assistant_id="steps", input={"steps": 1, "gates": [0]})
        )
        await engine.run_once()
        for kind in ("cron", "input"):
            await engine.runs.create(
                RunRequest(assistant_id="steps", kind=kind, input={"steps": 1})
            )
        await engine.runs.create(
            RunRequest(assistant_id="steps", thread_id=asked.thread_id, command={"resume": "yes"})
        )

        await engine.run_once()

        begun = await rows(
            engine,
            "SELECT kind FROM holdfast.runs WHERE run_id <> %s ORDER BY started_at",
            asked.run_id,
        )
    assert [row["kind"] for row in begun] == ["resume", "input", "cron"]


async def test_a_lost_ticket_is_issued_again(engine_options: Any) -> None:
    async with open_engine(engine_options(run_worker=False)) as engine:
        run = await engine.runs.create(RunRequest(assistant_id="steps", input={"steps": 1}))
        async with engine.database.pool.connection() as connection:
            await connection.execute("TRUNCATE procrastinate_jobs CASCADE")

    async with open_engine(engine_options()) as engine:
        finished = await engine.runs.wait(run.run_id)

        assert finished is not None
        assert finished.status == "succeeded"


async def test_doubled_tickets_run_a_run_once(engine: Engine) -> None:
    run = await engine.runs.create(RunRequest(assistant_id="steps", input={"steps": 3}))
    async with engine.database.transaction() as connection:
        for _ in range(5):
            await engine.dispatcher.enqueue(connection, run.thread_id)

    await engine.runs.wait(run.run_id)

    assert len(await rows(engine, "SELECT 1 FROM marks")) == 3


async def test_a_run_that_kept_killing_its_worker_fails_as_a_crash_loop(
    engine_options: Any,
) -> None:
    async with open_engine(engine_options(run_worker=False)) as engine:
        run = await engine.runs.create(RunRequest(assistant_id="steps", input={"steps": 1}))
        async with engine.database.pool.connection() as connection:
            await connection.execute(
                """
                UPDATE holdfast.runs SET status = 'running', attempts = 5, worker_id = 'gone',
                    attempt_log =
                        '[{"worker_id": "gone", "started_at": "2026-01-01", "head": null}]'
                """
            )

        await engine.run_once()

        failed = await engine.runs.get(run.run_id)
        assert failed.status == "failed"
        assert failed.error is not None
        assert failed.error["error"] == "CrashLoopError"
        assert [start["worker_id"] for start in failed.error["attempts"]] == ["gone"]


async def test_a_lost_connection_ends_the_attempt_and_costs_the_run_none(engine: Engine) -> None:
    run = await engine.runs.create(
        RunRequest(assistant_id="steps", input={"steps": 20, "pause_seconds": 0.05})
    )
    await started(engine, run.run_id)

    ended = await rows(
        engine,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE 'holdfast run %%' AND datname = current_database()",
    )
    finished = await engine.runs.wait(run.run_id)

    assert len(ended) >= 1
    assert finished is not None
    assert (finished.status, finished.attempts) == ("succeeded", 1)
    forks = await rows(
        engine,
        "SELECT 1 FROM checkpoints GROUP BY thread_id, checkpoint_ns, metadata ->> 'step'"
        " HAVING count(*) > 1",
    )
    assert forks == []


async def test_a_run_is_cancelled_although_a_look_for_that_was_cut_off(
    engine: Engine, end_connections: Callable[[str], None]
) -> None:
    run = await engine.runs.create(RunRequest(assistant_id="steps", input=SLOW))
    await started(engine, run.run_id)
    async with (
        await engine.database.connect(application_name="test") as holder,
        holder.transaction(),
    ):
        await holder.execute("LOCK TABLE holdfast.runs IN ACCESS EXCLUSIVE MODE")
        engine.bus.wake_locally(f"cancel:{run.thread_id}")
        waiting = (
            "SELECT 1 AS one FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock' AND query LIKE '-- One run;%%'"
        )
        async with asyncio.timeout(10):
            while not await rows(engine, waiting):
                pass
        await asyncio.to_thread(end_connections, "holdfast")

    await engine.runs.cancel(run.run_id)
    finished = await engine.runs.wait(run.run_id)

    assert finished is not None
    assert (finished.status, finished.attempts) == ("cancelled", 1)


async def test_a_heartbeat_that_comes_late_leaves_the_connection_to_the_next_run(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[Attempt] = []

    class RememberedAttempt(Attempt):
        def __init__(self, **parts: Any) -> None:
            super().__init__(**parts)
            attempts.append(self)

    monkeypatch.setattr("engine.worker.Attempt", RememberedAttempt)
    await run_to_end(engine, input={"steps": 1})
    backend = attempts[0].saver.conn.info.backend_pid

    await attempts[0].ping()

    seen = await rows(engine, "SELECT query FROM pg_stat_activity WHERE pid = %s", backend)
    assert [row["query"] for row in seen] != ["SELECT 1"]
    with pytest.raises(RunOverError):
        async with attempts[0].saver.exclusive():
            pass


async def lease_is_free(engine: Engine, thread_id: str) -> bool:
    query = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0)) AS free"
    return bool((await rows(engine, query, f"default:{thread_id}"))[0]["free"])


async def test_a_run_begins_by_the_commit_that_accepts_it(engine: Engine) -> None:
    run = await engine.runs.create(RunRequest(assistant_id="steps", input={"steps": 1}))

    worker_id = engine.worker.worker_id
    assert (run.status, run.attempts, run.worker_id) == ("running", 1, worker_id)
    await engine.runs.wait(run.run_id)


async def test_a_run_on_a_thread_that_another_process_holds_waits_for_it(engine: Engine) -> None:
    thread_id = (await run_to_end(engine, input={"steps": 1})).thread_id
    async with await engine.database.connect(application_name="test") as other:
        await other.execute(
            "SELECT pg_advisory_lock(hashtextextended(%s, 0))", (f"default:{thread_id}",)
        )

        run = await engine.runs.create(RunRequest(assistant_id="steps", thread_id=thread_id))

    finished = await engine.runs.wait(run.run_id)
    assert (run.status, finished and finished.status) == ("queued", "succeeded")


async def test_a_run_that_is_refused_leaves_the_lease_of_its_thread_free(engine: Engine) -> None:
    thread_id = (await run_to_end(engine, input={"steps": 1})).thread_id

    with pytest.raises(NotFoundError):
        await run_to_end(engine, thread_id=thread_id, checkpoint_id=str(uuid.uuid4()))

    assert await lease_is_free(engine, thread_id)
    assert not engine.worker.running


async def test_an_assistant_that_another_process_changed_runs_as_it_is_now(engine: Engine) -> None:
    await run_to_end(engine, input={"steps": 1})
    elsewhere = Assistants(database=engine.database, registry=engine.registry)
    await elsewhere.update("steps", config={"configurable": {"tone": "dry"}})

    run = await run_to_end(engine, input={"steps": 1})

    assert run.kwargs["config"]["configurable"]["tone"] == "dry"


async def test_a_run_of_an_unknown_thread_is_refused_unless_it_may_be_made(engine: Engine) -> None:
    thread_id = str(uuid.uuid4())
    with pytest.raises(NotFoundError):
        await engine.runs.create(RunRequest(assistant_id="steps", thread_id=thread_id))

    run = await run_to_end(engine, thread_id=thread_id, input={"steps": 1}, if_not_exists="create")

    assert run.thread_id == thread_id
