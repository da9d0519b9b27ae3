"""Compare a process with many waiting threads to one with none.

`python -m tests.fault.hibernation --threads 10000`: runs that many real runs to their question,
then starts a worker process on the database as it was before and as it is now, and prints what
each of them holds.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from engine.runs.request import RunRequest
from engine.runtime import open_engine
from tests.fault.chaos import fresh_server
from tests.fault.processes import Place, context, options
from tests.fault.world import WORLD_VARIABLE

BATCH = 100
# Each start is measured so often; the first of each warms the caches and does not count.
STARTS = 5
# Long enough for every duty of the sweeper to have looked.
SETTLE_SECONDS = 2.0
# What the allocator and the kernel vary by from one process to the next.
MEMORY_TOLERANCE_MB = 4.0
START_TOLERANCE_SECONDS = 0.15


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What a worker process holds once it has looked at everything.

    Attributes:
        start_seconds: from opening the engine until it works.
        memory_mb: resident memory.
        connections: its connections to the database.
        tasks: its asyncio tasks.
    """

    start_seconds: float
    memory_mb: float
    connections: int
    tasks: int


def measure(place: Place) -> Footprint:
    """Start a worker in a process of its own and return what it holds."""
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure_here, args=(place, sender), daemon=True)
    process.start()
    footprint: Footprint = receiver.recv()
    process.join()
    return footprint


def _measure_here(place: Place, sender: Any) -> None:
    os.environ.update(place.environment())
    sender.send(asyncio.run(_footprint(place)))


async def _footprint(place: Place) -> Footprint:
    began = time.perf_counter()
    async with open_engine(options(place)) as engine:
        await engine.sweeper.sweep_once()
        started = time.perf_counter() - began
        await asyncio.sleep(SETTLE_SECONDS)
        async with engine.database.pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT count(*) AS open FROM pg_stat_activity WHERE datname = current_database()"
            )
            (row,) = await cursor.fetchall()
        return Footprint(
            start_seconds=started,
            memory_mb=psutil.Process().memory_info().rss / 1_048_576,
            connections=int(row["open"]),
            tasks=len(asyncio.all_tasks()),
        )


async def let_wait(place: Place, threads: int) -> None:
    """Run so many threads to their question."""
    os.environ[WORLD_VARIABLE] = str(place.world)
    async with open_engine(options(place, concurrency=16, pool_size=20)) as engine:
        for first in range(0, threads, BATCH):
            requests = [
                RunRequest(assistant_id="work", input={"label": f"w{n}", "steps": 1, "gates": [0]})
                for n in range(first, min(first + BATCH, threads))
            ]
            runs = await asyncio.gather(*map(engine.runs.create, requests))
            ended = await asyncio.gather(*(engine.runs.wait(run.run_id) for run in runs))
            assert {run.status for run in ended if run} == {"interrupted"}


def compare(empty: Sequence[Footprint], full: Sequence[Footprint]) -> dict[str, Any]:
    """Return the medians of both and whether they are the same."""
    medians = [
        {
            "start_seconds": round(statistics.median(one.start_seconds for one in each), 3),
            "memory_mb": round(statistics.median(one.memory_mb for one in each), 1),
            "connections": int(statistics.median(one.connections for one in each)),
            "tasks": int(statistics.median(one.tasks for one in each)),
        }
        for each in (empty, full)
    ]
    none, many = medians
    same = (
        abs(many["memory_mb"] - none["memory_mb"]) <= MEMORY_TOLERANCE_MB
        and many["start_seconds"] - none["start_seconds"] <= START_TOLERANCE_SECONDS
        and many["connections"] == none["connections"]
        and many["tasks"] == none["tasks"]
    )
    return {"none": none, "many": many, "verdict": "the same" if same else "DIFFERENT"}


def main() -> int:
    """Measure and print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=10_000)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory,
        fresh_server(Path(directory)) as (_, place),
    ):
        empty = [measure(place) for _ in range(STARTS)]
        began = time.monotonic()
        asyncio.run(let_wait(place, arguments.threads))
        took = time.monotonic() - began
        with psycopg.connect(place.database_url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        full = [measure(place) for _ in range(STARTS)]
    report = compare(empty[1:], full[1:])
    put = {"threads": arguments.threads, "put_there_in_seconds": round(took, 1)}
    print(json.dumps({**put, **report}, indent=2))
    return 0 if report["verdict"] == "the same" else 1


if __name__ == "__main__":
    sys.exit(main())
