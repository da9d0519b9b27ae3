"""What the fault tests share: a place for processes to work in, and its checker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from engine.runs.request import RunRequest
from engine.runs.run import Run
from engine.runtime import Engine, open_engine
from tests.fault.checker import Verdict, check
from tests.fault.processes import Place, Worker, note, options

# A deadline, not a pace: tests wait for what they need and fail loudly when it does not come.
PATIENCE_SECONDS = 60.0


@pytest.fixture
def place(migrated_database: str, tmp_path: Path) -> Place:
    """Return a fresh database and a fresh world."""
    return Place(
        database_url=migrated_database,
        world=tmp_path / "world.log",
        history=tmp_path / "history.log",
    )


@pytest.fixture
def worker(place: Place) -> Iterator[Callable[..., Worker]]:
    """Return a factory of worker processes that are gone when the test ends."""
    started: list[Worker] = []

    def start(**settings: Any) -> Worker:
        started.append(Worker(place=place, **settings).start())
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
async def client(place: Place) -> AsyncIterator[Engine]:
    """Return an engine without a worker: the client's side."""
    async with open_engine(options(place, run_worker=False)) as engine:
        yield engine


@pytest.fixture
def submit(place: Place, client: Engine) -> Callable[..., Awaitable[Run]]:
    """Return a function that submits a piece of work and notes that it was accepted."""

    async def submit_work(label: str = "w", thread_id: str | None = None, **value: Any) -> Run:
        run = await client.runs.create(
            RunRequest(
                assistant_id="work",
                thread_id=thread_id,
                input={"label": label, "steps": 4, "pause_seconds": 0.05, **value},
            )
        )
        note(place.history, "ok", run.run_id)
        return run

    return submit_work


@pytest.fixture
def finished(client: Engine) -> Callable[[Run], Awaitable[Run]]:
    """Return a function that waits for a run to be over."""

    async def wait(run: Run) -> Run:
        async with asyncio.timeout(PATIENCE_SECONDS):
            over = await client.runs.wait(run.run_id)
        assert over is not None
        return over

    return wait


@pytest.fixture
def verdict(place: Place) -> Callable[[], Verdict]:
    """Return a function that checks everything."""
    return lambda: check(place.database_url, world=place.world, history=place.history)


@pytest.fixture
def rows(place: Place) -> Callable[..., list[dict[str, Any]]]:
    """Return a function that asks the database."""

    def ask(query: str, *parameters: Any) -> list[dict[str, Any]]:
        with psycopg.connect(
            place.database_url, autocommit=True, row_factory=dict_row
        ) as connection:
            return connection.execute(query, parameters).fetchall()

    return ask


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], Awaitable[Any]]:
    """Return a function that waits until a question has a true answer, and returns it."""

    async def wait(question: Callable[[], Any]) -> Any:
        async with asyncio.timeout(PATIENCE_SECONDS):
            # Other processes do the work and have nobody to tell.
            while not (answer := await asyncio.to_thread(question)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            return answer

    return wait


@pytest.fixture
def effects(place: Place) -> Callable[[], list[str]]:
    """Return a function that lists what was done outside, `label:step`, in order."""

    def read() -> list[str]:
        if not place.world.exists():
            return []
        return [line.split()[1] for line in place.world.read_text().splitlines()]

    return read
