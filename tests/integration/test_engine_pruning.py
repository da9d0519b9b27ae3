"""The engine and the pruner: the guard that comes with the migrations, starting points that go."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from apscheduler.events import EVENT_JOB_EXECUTED

from api.scheduler import open_scheduler
from api.settings import Settings
from checkpoint_pruner import Options, Policy, Progress
from checkpoint_pruner.guard import guard_status, remove_guard
from checkpoint_pruner.report import TABLES
from engine.errors import InvalidValueError, PruningPausedError
from engine.migrate import migrate
from engine.runs.request import RunRequest
from engine.runtime import Engine, open_engine
from engine.thread import Ttl
from tests.pruner.rows import ids_of, write_thread


@pytest.fixture
async def engine(engine_options: Callable[..., Any]) -> AsyncIterator[Engine]:
    """Open an engine that drains nothing."""
    async with open_engine(replace(engine_options(), run_worker=False)) as engine:
        yield engine


def mark_dirty(url: str, *thread_ids: str) -> None:
    """Tell the pruner's schedule that these threads were written to."""
    with psycopg.connect(url) as connection:
        for thread_id in thread_ids:
            connection.execute(
                "INSERT INTO holdfast.dirty_threads (thread_id) VALUES (%s)", [thread_id]
            )


async def test_the_guard_comes_with_the_migrations(empty_database: str) -> None:
    applied = await migrate(empty_database)

    assert "checkpoint_pruner/0001_guard" in applied
    assert guard_status(empty_database).enabled


async def test_a_guard_that_was_removed_by_hand_stays_removed(migrated_database: str) -> None:
    remove_guard(migrated_database)

    applied = await migrate(migrated_database)

    assert applied == []
    assert not guard_status(migrated_database).installed


@pytest.mark.parametrize("removed", [False, True])
async def test_a_newer_guard_replaces_the_one_that_stands(
    migrated_database: str, removed: bool
) -> None:
    if removed:
        remove_guard(migrated_database)
    with psycopg.connect(migrated_database) as connection:
        connection.execute("DELETE FROM holdfast.migrations WHERE name LIKE '0002_guard%'")
        if not removed:
            connection.execute(
                "CREATE OR REPLACE FUNCTION checkpoint_pruner_guard() RETURNS trigger"
                " LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
            )

    applied = await migrate(migrated_database)

    with psycopg.connect(migrated_database) as connection:
        bodies = connection.execute(
            "SELECT prosrc FROM pg_proc WHERE proname = 'checkpoint_pruner_guard'"
        ).fetchall()
    assert applied == ["checkpoint_pruner/0002_guard_lets_copies_through"]
    assert [len(body) > 100 for (body,) in bodies] == ([] if removed else [True])


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


async def test_nothing_is_removed_on_schedule_while_pruning_is_paused(engine: Engine) -> None:
    url = engine.database.conninfo
    ids = write_thread(url, "t", 30)
    mark_dirty(url, "t")
    await engine.pruning.pause(by="ada", via="console", reason="the auditors are here")

    swept = [await engine.pruning.sweep_dirty(), await engine.pruning.sweep_everything()]

    assert swept == [None, None]
    assert ids_of(url, "t") == ids


async def test_a_threads_time_to_live_waits_for_the_end_of_a_pause(engine: Engine) -> None:
    async with engine.database.transaction() as connection:
        await engine.threads.create(connection, thread_id="t", ttl=Ttl(minutes=1e-9))
    await engine.pruning.pause(by="ada", via="console", reason="the auditors are here")

    while_paused = await engine.pruning.expire()
    await engine.pruning.resume(by="ada", via="console")
    afterwards = await engine.pruning.expire()

    assert (while_paused, afterwards) == (0, 1)


async def test_a_run_accepted_as_its_threads_time_ends_is_not_lost(engine: Engine) -> None:
    async with engine.database.transaction() as connection:
        await engine.threads.create(connection, thread_id="t", ttl=Ttl(minutes=1e-9))
    async with engine.database.transaction() as connection:
        accepted = await engine.runs.submit(
            connection, RunRequest(assistant_id="steps", thread_id="t", input={"steps": 1})
        )
        expiring = asyncio.create_task(engine.pruning.expire())
        await waits_or_ends(engine, expiring)
    await expiring

    assert (await engine.runs.get(accepted.run_id)).status == "queued"


async def waits_or_ends(engine: Engine, task: asyncio.Task[int]) -> None:
    """Return once a task is over, or one of the database's sessions waits for a lock."""
    waiting = (
        "SELECT 1 FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with engine.database.pool.connection() as connection:
        # Who waits for a lock can only be asked for.
        while not task.done() and not await (await connection.execute(waiting)).fetchall():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_no_more_threads_than_allowed_end_in_one_look(engine: Engine) -> None:
    async with engine.database.transaction() as connection:
        for thread_id in ("a", "b"):
            await engine.threads.create(connection, thread_id=thread_id, ttl=Ttl(minutes=1e-9))

    ended = [await engine.pruning.expire(limit=1) for _ in range(3)]

    assert ended == [1, 1, 0]


async def test_what_waited_for_the_end_of_a_pause_is_swept_then(engine: Engine) -> None:
    url = engine.database.conninfo
    ids = write_thread(url, "t", 30)
    mark_dirty(url, "t")
    await engine.pruning.pause(by="ada", via="console", reason="the auditors are here")
    await engine.pruning.sweep_dirty()

    ended = await engine.pruning.resume(by="bob", via="console")
    await engine.pruning.sweep_dirty()

    assert ended is not None
    assert ended.paused_by == "ada"
    assert ids_of(url, "t") == ids[-20:]


async def test_a_pause_ends_by_itself_when_its_time_is_over(engine: Engine) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    await engine.pruning.pause(by="ada", via="console", reason="lunch", until=soon)
    before = await engine.pruning.pause_state()
    async with engine.database.transaction() as connection:
        await connection.execute("UPDATE holdfast.prune_pauses SET until = clock_timestamp()")

    after = await engine.pruning.pause_state()

    assert before is not None
    assert (before.paused_by, before.reason, before.until) == ("ada", "lunch", soon)
    assert after is None


async def test_a_pause_and_its_end_are_in_the_audit_log(engine: Engine) -> None:
    await engine.pruning.pause(by="ada", via="console", reason="lunch")
    await engine.pruning.resume(by="bob", via="api")
    await engine.pruning.resume(by="bob", via="api")

    entries = await engine.audit.list()

    told = [(e.actor, e.via, e.action) for e in reversed(entries)]
    assert told == [("ada", "console", "pruning.paused"), ("bob", "api", "pruning.resumed")]
    assert entries[1].details["reason"] == "lunch"


@pytest.mark.parametrize(
    "asked",
    [{"reason": " "}, {"reason": "why", "until": datetime(2020, 1, 1, tzinfo=UTC)}],
    ids=["no reason", "an end that is over"],
)
async def test_a_pause_needs_a_reason_and_an_end_to_come(
    engine: Engine, asked: dict[str, Any]
) -> None:
    with pytest.raises(InvalidValueError):
        await engine.pruning.pause(by="ada", via="console", **asked)

    assert await engine.pruning.pause_state() is None


async def test_a_sweep_asked_for_in_a_pause_is_refused_unless_forced(engine: Engine) -> None:
    url = engine.database.conninfo
    ids = write_thread(url, "t", 30)
    await engine.pruning.pause(by="ada", via="console", reason="lunch")

    with pytest.raises(PruningPausedError, match=r"paused by ada .*: lunch"):
        await engine.pruning.sweep(Policy(keep_last=5), trigger="command", options=Options())
    refused = ids_of(url, "t")
    await engine.pruning.sweep(
        Policy(keep_last=5), trigger="command", options=Options(), force=True
    )

    assert refused == ids
    assert ids_of(url, "t") == ids[-5:]


async def test_a_sweep_under_way_ends_where_pruning_is_paused(engine: Engine) -> None:
    url = engine.database.conninfo
    lengths = {name: len(write_thread(url, name, 30)) for name in ("a", "b", "c")}

    def pause(_: Progress) -> None:
        with psycopg.connect(url) as connection:
            connection.execute(
                "INSERT INTO holdfast.prune_pauses (paused_by, reason) VALUES ('ada', 'lunch')"
                " ON CONFLICT DO NOTHING"
            )

    report = await engine.pruning.sweep(
        Policy(keep_last=5),
        trigger="schedule",
        options=Options(batch_threads=1),
        on_progress=pause,
    )

    left = {name: len(ids_of(url, name)) for name in lengths}
    [run] = await engine.pruning.runs()
    assert left == {"a": 5, "b": 30, "c": 30}
    assert report is not None
    assert report.stopped is not None
    assert "paused by ada" in report.stopped
    assert (run.report["stopped"], run.report["rows"]["checkpoints"]) == (report.stopped, 25)


async def test_a_sweep_stops_with_its_process_and_says_what_it_has_done(engine: Engine) -> None:
    url = engine.database.conninfo
    for name in ("a", "b"):
        write_thread(url, name, 30)

    report = await engine.pruning.sweep(
        Policy(keep_last=5),
        trigger="schedule",
        options=Options(batch_threads=1),
        on_progress=lambda _: engine.pruning.stop(),
    )

    assert report is not None
    assert (report.stopped, report.rows["checkpoints"]) == ("the process ends", 50)


async def test_a_job_that_is_at_work_when_the_clock_stops_is_no_error(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    at_work = asyncio.Event()

    async def sample(*_: object, **__: object) -> None:
        at_work.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(type(engine.pruning), "sample", sample)
    async with (
        open_scheduler(engine, Settings(prune_keep_last=None)) as scheduler,
        asyncio.timeout(20),
    ):
        stopped = asyncio.Event()
        scheduler.add_listener(
            lambda event: event.job_id == "storage sample" and stopped.set(), EVENT_JOB_EXECUTED
        )
        await at_work.wait()
    await stopped.wait()

    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_sizes_are_written_down_by_the_clock_although_nothing_is_swept(
    engine: Engine,
) -> None:
    write_thread(engine.database.conninfo, "t", 3)
    sampled = asyncio.Event()

    async with open_scheduler(engine, Settings(prune_keep_last=None)) as scheduler:
        scheduler.add_listener(
            lambda event: event.job_id == "storage sample" and sampled.set(), EVENT_JOB_EXECUTED
        )
        await asyncio.wait_for(sampled.wait(), timeout=30)
    samples = await engine.pruning.samples()

    assert [row["table_name"] for row in samples] == sorted(TABLES)
    assert len({row["sampled_at"] for row in samples}) == 1
    assert all(row["table_bytes"] + row["index_bytes"] > 0 for row in samples)


async def test_a_sample_of_another_process_is_enough(engine: Engine) -> None:
    await engine.pruning.sample()

    await engine.pruning.sample(at_least_seconds=60)

    assert len(await engine.pruning.samples()) == len(TABLES)


async def test_what_was_removed_stays_counted_when_the_sweep_is_forgotten(engine: Engine) -> None:
    url = engine.database.conninfo
    write_thread(url, "t", 30)
    await engine.pruning.sweep(Policy(keep_last=5), trigger="command", options=Options())
    async with engine.database.transaction() as connection:
        await connection.execute("UPDATE holdfast.prune_runs SET started_at = '2020-01-01'")

    await engine.pruning.sample()

    newest = {row["table_name"]: row["pruned_rows"] for row in await engine.pruning.samples()}
    assert await engine.pruning.runs() == []
    assert newest["checkpoints"] == 25
