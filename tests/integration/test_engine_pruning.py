"""The engine and the pruner: the guard that comes with the migrations, starting points that go."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg

from checkpoint_pruner.guard import guard_status, remove_guard
from engine.migrate import migrate
from engine.runs import RunRequest
from engine.runtime import open_engine


async def test_the_guard_comes_with_the_migrations(empty_database: str) -> None:
    applied = await migrate(empty_database)

    assert "checkpoint_pruner/0001_guard" in applied
    assert guard_status(empty_database).enabled


async def test_a_guard_that_was_removed_by_hand_stays_removed(migrated_database: str) -> None:
    remove_guard(migrated_database)

    applied = await migrate(migrated_database)

    assert applied == []
    assert not guard_status(migrated_database).installed


async def test_unknown_checkpoint_tables_do_not_stop_a_server_from_starting(
    migrated_database: str,
) -> None:
    remove_guard(migrated_database)
    with psycopg.connect(migrated_database) as connection:
        connection.execute("DELETE FROM holdfast.migrations WHERE component = 'checkpoint_pruner'")
        connection.execute("ALTER TABLE checkpoints ADD COLUMN surprise text")

    applied = await migrate(migrated_database)

    assert applied == []
    assert not guard_status(migrated_database).installed


async def test_a_run_whose_starting_point_went_while_it_waited_fails_and_saves_nothing(
    engine_options: Callable[..., Any],
) -> None:
    async with open_engine(replace(engine_options(), run_worker=False)) as engine:
        first = await engine.runs.create(RunRequest(assistant_id="echo", input={"text": "one"}))
        await engine.run_once()
        history = await engine.states.history(first.thread_id)
        start, newest = history[-1]["checkpoint_id"], history[0]["checkpoint_id"]
        late = await engine.runs.create(
            RunRequest(
                assistant_id="echo",
                thread_id=first.thread_id,
                input={"text": "late"},
                checkpoint_id=start,
            )
        )
        async with engine.database.transaction() as connection:
            await connection.execute("DELETE FROM checkpoints WHERE checkpoint_id = %s", [start])

        await engine.run_once()

        ended = await engine.runs.get(late.run_id)
        head = await engine.states.get(first.thread_id)
    assert ended.status == "failed"
    assert start in ended.error["message"]
    assert head["checkpoint_id"] == newest
