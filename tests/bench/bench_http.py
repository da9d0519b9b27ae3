"""A review over HTTP: start, stop at a question, answer, end; beside bare routes.

`python -m tests.bench.bench_http --form short --output build/bench` measures whole cycles (POST
/threads, POST runs/wait up to the question, POST runs/wait with the answer) at concurrency 1, 8
and 32, interleaved in the same minutes on the same PostgreSQL (fsync on). The bare routes write no
run, no gate, no audit entry and hold no lease; they are measured once with LangGraph's default
durability and once with `sync`, which is ours.

Ratios are what counts; absolute numbers are those of one machine on one day.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from api.embedded_postgres import embedded_postgres
from engine.migrate import migrate
from tests.bench.bench_runs import (
    CONFIG,
    Caller,
    Meter,
    Side,
    answering,
    free_port,
    process,
    ratios,
)
from tests.bench.processor import find_postmaster

CONCURRENCY = (1, 8, 32)
FORMS = {"short": (1.0, 1), "long": (8.0, 3)}  # seconds per measurement, rounds
START = {"assistant_id": "asking", "input": {"text": "begin"}}
ANSWER = {"assistant_id": "asking", "command": {"resume": "yes"}}


async def cycles(port: int, concurrency: int, seconds: float, **extra: str) -> list[float]:
    """Return how long each cycle took that ended within the time, in seconds."""
    took: list[float] = []
    deadline = time.perf_counter() + seconds

    async def call() -> None:
        async with Caller(port) as caller:
            while (began := time.perf_counter()) < deadline:
                thread = json.loads(await caller.post("/threads", {}))["thread_id"]
                path = f"/threads/{thread}/runs/wait"
                stopped = json.loads(await caller.post(path, {**START, **extra}))
                finished = json.loads(await caller.post(path, {**ANSWER, **extra}))
                if "__interrupt__" not in stopped or finished.get("answer") != "yes":
                    raise RuntimeError(f"no review took place: {stopped} {finished}")
                took.append(time.perf_counter() - began)

    await asyncio.gather(*(call() for _ in range(concurrency)))
    return took


async def compare(
    sides: list[Side], postmaster: int, seconds: float, rounds: int
) -> list[dict[str, Any]]:
    """Measure the servers in turns."""
    rows = []
    for concurrency in CONCURRENCY:
        meters = [Meter(side, postmaster) for side in sides]
        for side in sides:
            await cycles(side.port, concurrency, 0.5, **side.extra)
        for _ in range(rounds):
            for meter in meters:
                side = meter.side
                await meter.measure(cycles(side.port, concurrency, seconds, **side.extra))
        row: dict[str, Any] = {"concurrency": concurrency}
        for meter in meters:
            row |= meter.results("cycles")
        row |= ratios(row, "cycles")
        print(json.dumps(row), flush=True)
        rows.append(row)
    return rows


async def measure(url: str, form: str) -> list[dict[str, Any]]:
    """Start both servers, measure them, return the rows."""
    seconds, rounds = FORMS[form]
    ports = {"bare": free_port(), "ours": free_port()}
    serve = ["api", "serve", "--port", str(ports["ours"]), "--config", str(CONFIG)]
    options = {
        "HOLDFAST_CONCURRENCY": "32",
        "HOLDFAST_POOL_SIZE": "16",
        "HOLDFAST_SAMPLES": "false",
    }
    bare = ["uvicorn", "tests.bench.bare_review_app:app", "--port", str(ports["bare"])]
    with (
        process(serve, url, **options) as own,
        process([*bare, "--log-level", "error"], url) as other,
    ):
        await answering(f"http://127.0.0.1:{ports['ours']}/ok")
        await answering(f"http://127.0.0.1:{ports['bare']}/docs")
        sync = {"durability": "sync"}
        sides = [
            Side(name="bare", port=ports["bare"], pid=other.pid, extra={}),
            Side(name="bare_sync", port=ports["bare"], pid=other.pid, extra=sync),
            Side(name="ours", port=ports["ours"], pid=own.pid, extra={}),
        ]
        return await compare(sides, find_postmaster(url), seconds, rounds)


def main() -> int:
    """Measure, print and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--form", choices=sorted(FORMS), default="long")
    parser.add_argument("--output", type=Path, default=Path("build/bench"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        data = Path(directory) / "postgres" / "data"
        with embedded_postgres(data, settings={"max_connections": "200"}) as url:
            asyncio.run(migrate(url))
            rows = asyncio.run(measure(url, arguments.form))
    report = {
        "bench": "http",
        "form": arguments.form,
        "machine": {
            "cpus": os.cpu_count(),
            "load": os.getloadavg(),
            "python": platform.python_version(),
        },
        "reviews": rows,
    }
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "http.json").write_text(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
