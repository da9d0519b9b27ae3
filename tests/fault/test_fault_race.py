"""Many people answer at once: exactly one wins, and the graph hears exactly that answer."""

import asyncio
from typing import Any

import psycopg
import pytest

from engine.errors import ConflictError, EngineError
from engine.runs.request import RunRequest
from tests.fault.race import race

GATES = 24
CALLERS = ("ann", "bob", "cho", "dee", "eve")


async def _race(client: Any, gate: dict[str, Any]) -> list[str]:
    """Return who was told that the answer counts."""

    async def call(who: str) -> str | None:
        try:
            await client.runs.create(
                RunRequest(
                    assistant_id="work",
                    thread_id=gate["thread_id"],
                    command={"resume": {gate["interrupt_id"]: who}},
                    actor=who,
                )
            )
        except EngineError:
            return None
        return who

    return [who for who in await asyncio.gather(*map(call, CALLERS)) if who]


async def _gates(
    count: int, worker: Any, submit: Any, finished: Any, rows: Any
) -> list[dict[str, Any]]:
    runs = [
        await submit(label=f"w{number}", gates=[1], steps=2, pause_seconds=0)
        for number in range(count)
    ]
    worker(overrides={"concurrency": 8})
    for run in runs:
        assert (await finished(run)).status == "interrupted"
    return rows("SELECT interrupt_id, thread_id FROM holdfast.gates WHERE state = 'open'")


async def test_of_five_racing_callers_exactly_one_wins_at_each_gate(
    worker: Any,
    submit: Any,
    finished: Any,
    rows: Any,
    client: Any,
    until: Any,
    verdict: Any,
) -> None:
    gates = await _gates(GATES, worker, submit, finished, rows)

    winners = {gate["thread_id"]: await _race(client, gate) for gate in gates}

    assert [len(names) for names in winners.values()] == [1] * GATES
    await until(
        lambda: not rows("SELECT 1 FROM holdfast.runs WHERE status IN ('queued', 'running')")
    )
    for row in rows('SELECT thread_id, "values" AS state FROM holdfast.threads'):
        (answer,) = row["state"]["answers"]
        assert answer.rpartition("=")[2] == winners[row["thread_id"]][0]
    assert verdict().sound


async def test_over_http_one_wins_and_the_others_learn_that_they_came_late(place: Any) -> None:
    result = await race(place, gates=12, seed=5)

    assert result.sound, result.to_json()
    assert sum(result.winners.values()) == 12


async def test_without_the_gates_lock_several_win_and_the_checker_sees_it(
    worker: Any,
    submit: Any,
    finished: Any,
    rows: Any,
    client: Any,
    verdict: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gates = await _gates(3, worker, submit, finished, rows)
    book = client.gates

    class Credulous:
        """Believes every answer, as a bare graph behind a route does."""

        async def accept_resume(
            self, connection: Any, thread_id: str, resume: Any, **_: Any
        ) -> Any:
            from engine.gates.answers import AcceptedResume

            found = await (
                await connection.execute(
                    "SELECT gate_id FROM holdfast.gates WHERE thread_id = %s", (thread_id,)
                )
            ).fetchall()
            return AcceptedResume(values=resume, gate_ids=[row["gate_id"] for row in found])

        def __getattr__(self, name: str) -> Any:
            return getattr(book, name)

    object.__setattr__(client.runs, "gates", Credulous())

    for gate in gates:
        await _race(client, gate)

    assert verdict().faults.keys() >= {"answered_twice"}


async def test_a_cancel_that_races_with_the_end_leaves_one_of_both(
    worker: Any, submit: Any, finished: Any, rows: Any, client: Any
) -> None:
    worker(overrides={"concurrency": 8})
    runs = [await submit(label=f"w{number}", steps=1, pause_seconds=0) for number in range(30)]

    async def cancelled(run: Any) -> bool:
        try:
            await client.runs.cancel(run.run_id)
        except ConflictError:
            return False
        return True

    asked = await asyncio.gather(*map(cancelled, runs))

    over = [(await finished(run)).status for run in runs]
    assert set(over) <= {"succeeded", "cancelled"}
    assert all(status == "succeeded" for status, told in zip(over, asked, strict=True) if not told)
    assert rows("SELECT 1 FROM holdfast.threads WHERE status <> 'idle'") == []


async def test_an_answer_for_another_question_is_refused_and_changes_nothing(
    worker: Any, submit: Any, finished: Any, rows: Any, client: Any
) -> None:
    (gate,) = await _gates(1, worker, submit, finished, rows)

    with pytest.raises(EngineError):
        await client.runs.create(
            RunRequest(
                assistant_id="work",
                thread_id=gate["thread_id"],
                command={"resume": {"0" * 32: "yes"}},
            )
        )

    assert rows("SELECT state FROM holdfast.gates") == [{"state": "open"}]
    assert rows("SELECT 1 FROM holdfast.runs WHERE kind = 'resume'") == []


def test_the_database_itself_refuses_a_second_running_run_on_a_thread(
    migrated_database: str,
) -> None:
    with psycopg.connect(migrated_database, autocommit=True) as connection:
        connection.execute("INSERT INTO holdfast.threads (thread_id) VALUES ('t')")
        insert = (
            "INSERT INTO holdfast.runs (run_id, thread_id, assistant_id, graph_id, status)"
            " VALUES (%s, 't', 'a', 'g', 'running')"
        )
        connection.execute(insert, ("one",))

        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(insert, ("two",))
