"""The database goes away, hangs, or does not answer: runs end right all the same."""

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from engine.events import Following
from engine.runs.request import RunRequest
from engine.runtime import open_engine
from tests.fault.chaos import fresh_server, plan_of
from tests.fault.checker import check
from tests.fault.processes import Place, Worker, note, options
from tests.fault.race import serving
from tests.fault.servers import CrashingPostgres, Proxy
from tests.fault.storm import storm
from tests.fault.world import WORLD_VARIABLE


@pytest.fixture(scope="module")
def crashable() -> Iterator[CrashingPostgres]:
    """Return a server of these tests' own that may be crashed, with a database to copy."""
    # Not in pytest's folder: another session of the same user closes that to the server's user.
    with (
        tempfile.TemporaryDirectory(prefix="holdfast-", ignore_cleanup_errors=True) as directory,
        fresh_server(Path(directory), database="original") as (server, _),
    ):
        yield server


@pytest.fixture
def crashing(crashable: CrashingPostgres, tmp_path: Path) -> tuple[CrashingPostgres, Place]:
    """Return the server, and a place in a fresh database on it."""
    name = f"copy_{uuid.uuid4().hex}"
    with psycopg.connect(crashable.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE original")
    url = make_conninfo(crashable.url, dbname=name)
    return crashable, Place(
        database_url=url, world=tmp_path / "world.log", history=tmp_path / "history.log"
    )


@pytest.fixture
async def wire(place: Place, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Proxy, Place]]:
    """Return a proxy in front of the database, and the place as seen through it."""
    monkeypatch.setenv(WORLD_VARIABLE, str(place.world))
    parameters = conninfo_to_dict(place.database_url)
    host, port = str(parameters.get("host", "127.0.0.1")), int(parameters.get("port", 5432))
    path = f"{host}/.s.PGSQL.{port}" if host.startswith("/") else None
    async with Proxy(host=host, port=port, socket_path=path) as proxy:
        url = make_conninfo(place.database_url, host="127.0.0.1", port=proxy.port)
        yield proxy, replace(place, database_url=url)


def work(label: str, **value: Any) -> RunRequest:
    return RunRequest(
        assistant_id="work",
        input={"label": label, "steps": 4, "pause_seconds": 0.05, **value},
    )


def test_after_crashes_of_the_database_everything_accepted_is_done(
    crashing: tuple[CrashingPostgres, Place],
) -> None:
    server, place = crashing

    result = asyncio.run(storm(place, plan_of(kills=0, restarts=2, seed=3), server))

    assert result.restarts == 2
    assert result.verdict.sound, result.verdict.summary()
    assert result.verdict.absorbed > 0  # otherwise nothing was hit, and the test is blind


def test_no_step_starts_while_the_database_is_away(
    crashing: tuple[CrashingPostgres, Place],
) -> None:
    server, place = crashing
    worker = Worker(place=place).start()
    try:
        asyncio.run(_submit(place, 1, steps=30, pause_seconds=0.05))
        _wait(place.world.exists)

        server.crash()
        before = len(place.world.read_text().splitlines())
        _wait(lambda: not _leases_open(worker))
        during = len(place.world.read_text().splitlines())
        server.start()
        _wait(lambda: not _count(place, "status IN ('queued', 'running')"))
    finally:
        worker.kill()

    found = check(place.database_url, world=place.world, history=place.history)
    assert during - before <= 1  # the step that was about to begin
    assert found.sound, found.summary()


def test_a_deadline_that_passes_while_everything_is_down_fires_once_at_the_start(
    crashing: tuple[CrashingPostgres, Place],
) -> None:
    server, place = crashing
    workers = [Worker(place=place).start()]
    try:
        asyncio.run(_submit(place, 1, gates=[1], expires_in_seconds=1.0))
        _wait(lambda: _all(place, "SELECT 1 FROM holdfast.gates WHERE state = 'open'"))
        workers[0].kill()
        server.crash()
        server.start()
        _wait(lambda: _all(place, "SELECT 1 FROM holdfast.gates WHERE expires_at < now()"))

        workers += [Worker(place=place).start() for _ in range(2)]
        _wait(lambda: not _all(place, "SELECT 1 FROM holdfast.gates WHERE state = 'open'"))
        _wait(lambda: not _count(place, "status IN ('queued', 'running')"))
    finally:
        for worker in workers:
            worker.kill()

    found = check(place.database_url, world=place.world, history=place.history)
    ((values,),) = _all(place, 'SELECT "values" FROM holdfast.threads')
    assert values["answers"] == ["w0:1=expired by None"]
    assert _all(place, "SELECT count(*) FROM holdfast.runs WHERE kind = 'resume'") == [(1,)]
    assert found.sound, found.summary()


async def test_while_the_database_is_away_requests_are_told_to_come_back_and_then_are_done(
    crashing: tuple[CrashingPostgres, Place],
) -> None:
    server, place = crashing
    body = {"assistant_id": "work", "input": {"label": "w", "steps": 1}}
    headers = {"Idempotency-Key": "one"}
    async with serving(place, 1) as (client,):
        server.crash()
        refused = done = await client.post("/runs/wait", json=body, headers=headers)
        server.start()

        async with asyncio.timeout(30):
            while done.status_code == refused.status_code:  # as a client that obeys does
                done = await client.post("/runs/wait", json=body, headers=headers)

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
    assert done.json().get("log") == ["w:0"], done.text


async def test_whoever_waits_for_a_run_or_follows_it_outlasts_the_absence_of_the_database(
    crashing: tuple[CrashingPostgres, Place], caplog: pytest.LogCaptureFixture
) -> None:
    server, place = crashing
    worker = Worker(place=place).start()
    try:
        async with open_engine(options(place, run_worker=False)) as client:
            client.database.pool.timeout = 0.2
            run = await client.runs.create(work("w", steps=20))
            following = client.events.follow_run(run.run_id, after=-1)
            waiting = asyncio.gather(client.runs.wait(run.run_id), _names(following))
            await asyncio.to_thread(_wait, place.world.exists)
            server.crash()
            client.bus.wake_locally(f"run:{run.run_id}")
            looked = {"wait_interrupted", "stream_interrupted"}
            await asyncio.to_thread(_wait, lambda: looked <= {*caplog.messages})
            server.start()

            async with asyncio.timeout(60):
                over, names = await waiting
    finally:
        worker.kill()

    assert over is not None
    assert over.status == "succeeded"
    assert names[0] == "metadata"


async def _names(following: Following) -> list[str]:
    return [recorded.event.event async for recorded in following]


async def test_when_the_server_takes_no_more_connections_nothing_accepted_is_lost(
    crashing: tuple[CrashingPostgres, Place],
) -> None:
    server, place = crashing
    accepted: list[str] = []
    async with serving(place, 1) as (client,):
        accepted.append(await _accept(client, {"steps": 20, "pause_seconds": 0.1}))
        await asyncio.to_thread(_wait, place.world.exists)
        async with _crowded(server, place):
            refused = await client.post("/runs", json=_body("refused", {}))

        async with asyncio.timeout(60):
            accepted.append(await _accept(client, {"steps": 1}))
            ended = [(await client.get(f"/runs/{run_id}/join")).json() for run_id in accepted]

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
    assert [len(values["log"]) for values in ended] == [20, 1]
    assert not _all(place, "SELECT 1 FROM holdfast.runs WHERE status <> 'succeeded'")
    assert _all(place, "SELECT count(*) FROM holdfast.runs") == [(2,)]


def _body(label: str, value: dict[str, Any]) -> dict[str, Any]:
    return {
        "assistant_id": "work",
        "on_completion": "keep",
        "input": {"label": label, "steps": 1, "pause_seconds": 0.0, **value},
    }


async def _accept(client: Any, value: dict[str, Any]) -> str:
    """Start a run, as a client that obeys `Retry-After` does, and return its id."""
    label = uuid.uuid4().hex
    while True:
        answer = await client.post(
            "/runs", json=_body(label, value), headers={"Idempotency-Key": label}
        )
        if answer.is_success:
            return str(answer.json()["run_id"])
        assert answer.status_code == 503
        await asyncio.sleep(0.2)


@asynccontextmanager
async def _crowded(server: CrashingPostgres, place: Place) -> AsyncIterator[None]:
    """Take the place of every connection to the database, and every place beside them."""
    crowd: list[psycopg.AsyncConnection[Any]] = []

    async def squeeze() -> None:
        while True:
            try:
                crowd.append(await psycopg.AsyncConnection.connect(server.url, autocommit=True))
            except psycopg.OperationalError:
                name = conninfo_to_dict(place.database_url)["dbname"]
                cursor = await crowd[0].execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = %s",
                    (name,),
                )
                if await cursor.fetchone() == (0,):
                    return

    try:
        async with asyncio.timeout(60):
            await squeeze()
        yield
    finally:
        for connection in crowd:
            await connection.close()


async def test_a_connection_ended_by_the_server_costs_no_attempt(
    worker: Any, submit: Any, finished: Any, until: Any, rows: Any, verdict: Any, effects: Any
) -> None:
    run = await submit(steps=10)
    worker()
    await until(effects)

    rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE 'holdfast run %%' AND datname = current_database()"
    )
    over = await finished(run)

    assert (over.status, over.attempts) == ("succeeded", 1)
    assert verdict().sound


async def test_one_hung_connection_delays_only_its_own_run(
    wire: tuple[Proxy, Place], until: Any
) -> None:
    proxy, through = wire
    async with open_engine(options(through, concurrency=8)) as engine:
        hung = await engine.runs.create(work("hung", steps=30))
        (lease,) = await _lease_wires(proxy, 1)
        await until(through.world.exists)
        lease.hang()

        others = [await engine.runs.create(work(f"other{n}")) for n in range(6)]
        ended = [await engine.runs.wait(run.run_id) for run in others]

        still = await engine.runs.get(hung.run_id)
        # Its operation gives up, the server is told to forget it, and it goes on elsewhere.
        over = await engine.runs.wait(hung.run_id)
    assert [run.status for run in ended if run] == ["succeeded"] * 6
    assert still.status == "running"
    assert over is not None
    assert (over.status, over.attempts) == ("succeeded", 1)


async def test_a_lost_reply_to_a_commit_does_not_run_anything_twice(
    wire: tuple[Proxy, Place], place: Place
) -> None:
    proxy, through = wire
    async with open_engine(options(through)) as engine:
        run = await engine.runs.create(work("w", steps=6, pause_seconds=0.2))
        note(place.history, "ok", run.run_id)
        for lease in await _lease_wires(proxy, 1):
            lease.swallow_replies_after = b"w:2"

        over = await engine.runs.wait(run.run_id)

    found = check(place.database_url, world=place.world, history=place.history)
    assert over is not None
    assert over.status == "succeeded"
    assert found.sound, found.summary()


async def test_a_thread_is_not_frozen_by_a_sweeper_that_hangs_in_its_look(
    client: Any, rows: Any
) -> None:
    async with client.database.pool.connection() as connection:
        await connection.execute("BEGIN")
        assert await client.sweeper._leads(connection)

        async with client.database.transaction() as other:
            assert not await client.sweeper._leads(other)
        with pytest.raises(psycopg.OperationalError):  # its silence has lasted a second
            await anext(connection.notifies(timeout=30))

    async with client.database.transaction() as other:
        assert await client.sweeper._leads(other)


async def _submit(place: Place, count: int, **value: Any) -> list[str]:
    async with open_engine(options(place, run_worker=False)) as engine:
        run_ids = []
        for number in range(count):
            run = await engine.runs.create(work(f"w{number}", **value))
            note(place.history, "ok", run.run_id)
            run_ids.append(run.run_id)
        return run_ids


def _wait(question: Callable[[], Any]) -> None:
    import time

    deadline = time.monotonic() + 60
    while not question():
        if time.monotonic() > deadline:
            raise TimeoutError("it does not come")
        time.sleep(0.02)


def _count(place: Place, condition: str) -> int:
    try:
        with psycopg.connect(place.database_url) as connection:
            row = connection.execute(f"SELECT count(*) FROM holdfast.runs WHERE {condition}")
            return int(row.fetchone()[0])
    except psycopg.OperationalError:
        return 1  # not back yet


def _all(place: Place, query: str) -> list[Any]:
    with psycopg.connect(place.database_url) as connection:
        return connection.execute(query).fetchall()


def _leases_open(worker: Worker) -> bool:
    """Whether the worker process still has a connection to the crashed server."""
    sockets = 0
    for entry in Path(f"/proc/{worker.pid}/fd").iterdir():
        try:
            sockets += "socket:" in str(entry.readlink())
        except OSError:
            continue
    return sockets > 6  # event loop and forkserver keep a few of their own


async def _lease_wires(proxy: Proxy, count: int) -> list[Any]:
    async with asyncio.timeout(30):
        while True:
            found = [w for w in proxy.connections if b"pg_try_advisory_lock(hashtext" in w.sent]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.01)
