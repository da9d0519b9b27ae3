"""Workers and clients as real processes, forked from one that has imported everything.

A process takes twenty milliseconds to start that way, so that hundreds can be killed in minutes.
"""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from engine.runs.request import RunRequest
from engine.runtime import Engine, EngineOptions, open_engine
from tests.fault import points
from tests.fault.world import WORLD_VARIABLE

GRAPHS = Path(__file__).parent / "langgraph.json"
# Fast enough for a test, slow enough for a busy machine.
HEARTBEAT_SECONDS = 0.3
HUNG_AFTER_SECONDS = 2.0
EXIT_SECONDS = 20.0

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.fault.processes"])


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where processes work: the database and the file of side effects."""

    database_url: str
    world: Path
    history: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        return {WORLD_VARIABLE: str(self.world), "LANGSMITH_TRACING": "false", **self.variables}


def options(place: Place, **overrides: Any) -> EngineOptions:
    defaults = {
        "database_url": place.database_url,
        "config_path": GRAPHS,
        "concurrency": 4,
        "pool_size": 6,
        "heartbeat_seconds": HEARTBEAT_SECONDS,
        "hung_after_seconds": HUNG_AFTER_SECONDS,
        "drain_seconds": 5.0,
        "undo_seconds": 0.0,
    }
    return EngineOptions(**{**defaults, **overrides})


@dataclass(kw_only=True)
class Worker:
    """A worker process."""

    place: Place
    fault: str = ""
    plant: str = ""
    overrides: dict[str, Any] = field(default_factory=dict)
    process: Any = None

    def start(self) -> "Worker":
        variables = {
            **self.place.environment(),
            points.FAULT_VARIABLE: self.fault,
            points.PLANT_VARIABLE: self.plant,
        }
        self.process = context.Process(
            target=_work, args=(self.place, variables, self.overrides), daemon=True
        )
        self.process.start()
        return self

    @property
    def pid(self) -> int:
        return int(self.process.pid)

    @property
    def alive(self) -> bool:
        return bool(self.process.is_alive())

    def signal(self, number: signal.Signals) -> None:
        if self.alive:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.join(EXIT_SECONDS)

    def terminate(self) -> int | None:
        """Ask for an orderly stop and return the exit code."""
        self.signal(signal.SIGTERM)
        self.process.join(EXIT_SECONDS)
        return self.process.exitcode

    async def died(self) -> int | None:
        """Wait until the process is gone; return its exit code."""
        await asyncio.to_thread(self.process.join, EXIT_SECONDS)
        return self.process.exitcode


def faked(place: Place, *, library: Path, offset: str, plant: str = "") -> subprocess.Popen[bytes]:
    """Start a worker whose wall clock is wrong by `offset`, such as `+1h`."""
    variables = {
        **os.environ,
        **place.environment(),
        points.PLANT_VARIABLE: plant,
        "LD_PRELOAD": str(library),
        "FAKETIME": offset,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    arguments = [place.database_url, str(place.world), str(place.history)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.fault.processes", *arguments],
        cwd=Path(__file__).resolve().parents[2],
        env=variables,
    )


def submitter(
    place: Place, requests: Sequence[tuple[str, str, Mapping[str, Any]]], plant: str
) -> Any:
    """Return a started process that submits runs and notes what was acknowledged."""
    process = context.Process(
        target=_submit,
        args=(place, {**place.environment(), points.PLANT_VARIABLE: plant}, list(requests)),
        daemon=True,
    )
    process.start()
    return process


def _work(place: Place, variables: dict[str, str], overrides: dict[str, Any]) -> None:
    os.environ.update(variables)
    points.install()
    asyncio.run(_serve(place, overrides))


async def _serve(place: Place, overrides: dict[str, Any]) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    while not stopped.is_set():
        try:
            async with open_engine(options(place, **overrides)):
                await stopped.wait()
        except Exception as error:
            # The database is down at the start; a supervisor would start the process again.
            print(f"worker {os.getpid()}: {error!r}", file=sys.stderr)
            await asyncio.sleep(0.2)


def _submit(
    place: Place, variables: dict[str, str], requests: list[tuple[str, str, Mapping[str, Any]]]
) -> None:
    os.environ.update(variables)
    asyncio.run(_submit_all(place, requests))


async def _submit_all(place: Place, requests: list[tuple[str, str, Mapping[str, Any]]]) -> None:
    """Submit everything; while the database is away, ask and try again."""
    left = list(requests)
    doubtful = False
    while left:
        try:
            async with open_engine(options(place, run_worker=False, pool_size=2)) as engine:
                while left:
                    if not (doubtful and await engine.runs.list(run_ids=[left[0][0]], limit=1)):
                        await _submit_one(place, engine, *left[0])
                    note(place.history, "ok", left.pop(0)[0])
                    doubtful = False
        except (psycopg.Error, OSError):
            doubtful = True
            await asyncio.sleep(0.1)


async def _submit_one(
    place: Place, engine: Engine, run_id: str, thread_id: str, value: Mapping[str, Any]
) -> None:
    note(place.history, "invoke", run_id)
    request = RunRequest(
        assistant_id="work",
        run_id=run_id,
        thread_id=thread_id,
        if_not_exists="create",
        input=value,
    )
    if "reply_first" in points.planted():
        note(place.history, "ok", run_id)
        await asyncio.sleep(0.01)
    await engine.runs.create(request)


def note(history: Path, *words: str) -> None:
    """Append a line to the history in one write."""
    descriptor = os.open(history, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, (" ".join(words) + "\n").encode())
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    url, world, history = sys.argv[1:]
    here = Place(database_url=url, world=Path(world), history=Path(history))
    _work(here, here.environment(), {})
