"""What durability costs: runs per second and latencies beside a bare FastAPI route.

`python -m tests.bench.bench_runs --form short --output build/bench` measures, interleaved in the
same minutes on the same PostgreSQL (fsync on):

- runs/s, latency and processor time per run (of the server and of PostgreSQL) at concurrency 1, 8
  and 32: `POST /runs/wait` of a server with its worker inside, against `tests/bench/bare_app.py`
  (a saver per run), once with LangGraph's default durability, which writes checkpoints behind the
  run and loses work, once with the same as ours;
- dispatch: from the acceptance of a run to its start, on an idle queue;
- resume: from the answer to the first event of its stream;
- two worker processes against one on a queue that is full.

Ratios are what counts; absolute numbers are those of one machine on one day.
"""

import argparse
import asyncio
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from api.embedded_postgres import embedded_postgres
from engine.migrate import migrate
from engine.runs.request import RunRequest
from engine.runtime import EngineOptions, open_engine
from tests.bench.processor import find_postmaster, spent_seconds

PROJECT = Path(__file__).resolve().parents[2]
CONFIG = Path(__file__).parent / "langgraph.json"
CONCURRENCY = (1, 8, 32)
FORMS = {
    # seconds per measurement, rounds, dispatches, resumes, queued runs
    "short": (1.0, 1, 20, 5, 60),
    "long": (6.0, 3, 200, 60, 600),
}
START_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(arguments: list[str], url: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python module beside the measurement; SIGTERM ends it."""
    environment = {
        **os.environ,
        "HOLDFAST_DATABASE_URL": url,
        "LANGGRAPH_STRICT_MSGPACK": "true",
        "LANGSMITH_TRACING": "false",
        **variables,
    }
    started = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(60)


async def answering(url: str) -> None:
    """Wait until a server answers."""
    async with httpx.AsyncClient() as client, asyncio.timeout(START_SECONDS):
        while True:
            try:
                await client.get(url, timeout=2.0)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return


class Caller:
    """A client on one kept connection, cheap enough not to be what is measured."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> "Caller":
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def post(self, path: str, body: Any) -> bytes:
        """Send a request and return the body of the answer."""
        content = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"content-length: {len(content)}\r\n\r\n"
        )
        self._writer.write(head.encode() + content)
        header = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        if " 200 " not in header.partition("\r\n")[0]:
            raise RuntimeError(f"{path}: {header}")
        if "content-length:" in header:
            size = int(header.partition("content-length:")[2].partition("\r\n")[0])
            return await self._reader.readexactly(size)
        parts = []
        while size := int(await self._reader.readline(), 16):
            parts.append(await self._reader.readexactly(size))
            await self._reader.readline()
        await self._reader.readline()
        return b"".join(parts)


async def throughput(
    port: int, graph: str, concurrency: int, seconds: float, **extra: str
) -> list[float]:
    """Return the latency of every run that ended within the time, in seconds."""
    body = {"assistant_id": graph, "input": {"text": "begin"}, **extra}
    latencies: list[float] = []
    deadline = time.perf_counter() + seconds

    async def call() -> None:
        async with Caller(port) as caller:
            while True:
                began = time.perf_counter()
                if began >= deadline:
                    return
                await caller.post("/runs/wait", body)
                latencies.append(time.perf_counter() - began)

    await asyncio.gather(*(call() for _ in range(concurrency)))
    return latencies


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the servers that are compared.

    Attributes:
        name: in the results.
        port: where it answers.
        pid: its process.
        extra: fields of its requests.
    """

    name: str
    port: int
    pid: int
    extra: dict[str, str]


class Meter:
    """Adds up what a side did, and the processor time that it and PostgreSQL took for it."""

    def __init__(self, side: Side, postmaster: int) -> None:
        self.side = side
        self._pids = {"server": side.pid, "postgres": postmaster}
        self._spent = dict.fromkeys(self._pids, 0.0)
        self._rates: list[float] = []
        self._took: list[float] = []

    async def measure(self, work: Awaitable[list[float]]) -> None:
        """Await what returns how long each unit of work took."""
        before = {name: spent_seconds(pid) for name, pid in self._pids.items()}
        began = time.perf_counter()
        took = await work
        self._rates.append(len(took) / (time.perf_counter() - began))
        self._took += took
        for name, pid in self._pids.items():
            self._spent[name] += spent_seconds(pid) - before[name]

    def results(self, unit: str) -> dict[str, float]:
        """Return units per second, latencies, and milliseconds of processor per unit."""
        name = self.side.name
        return {
            f"{name}_{unit}_per_second": round(statistics.median(self._rates), 1),
            f"{name}_p50_ms": round(quantile(self._took, 0.5) * 1000, 1),
            f"{name}_p99_ms": round(quantile(self._took, 0.99) * 1000, 1),
            **{
                f"{name}_{process}_cpu_ms": round(seconds / len(self._took) * 1000, 2)
                for process, seconds in self._spent.items()
            },
        }


def ratios(row: dict[str, Any], unit: str) -> dict[str, float]:
    """Return ours to each of the others: units per second, and units per processor time."""
    found = {}
    for name in ("bare", "bare_sync"):
        per_second = [row[f"{side}_{unit}_per_second"] for side in ("ours", name)]
        cpu = [
            row[f"{side}_server_cpu_ms"] + row[f"{side}_postgres_cpu_ms"] for side in (name, "ours")
        ]
        found[f"ratio_to_{name}"] = round(per_second[0] / per_second[1], 2)
        found[f"cpu_ratio_to_{name}"] = round(cpu[0] / cpu[1], 2)
    return found


async def compare(
    sides: list[Side], postmaster: int, seconds: float, rounds: int
) -> list[dict[str, Any]]:
    """Measure the servers in turns."""
    results = []
    for graph in ("work", "quick"):
        for concurrency in CONCURRENCY:
            meters = [Meter(side, postmaster) for side in sides]
            for side in sides:
                await throughput(side.port, graph, concurrency, 0.5, **side.extra)
            for _ in range(rounds):
                for meter in meters:
                    side = meter.side
                    await meter.measure(
                        throughput(side.port, graph, concurrency, seconds, **side.extra)
                    )
            row: dict[str, Any] = {"graph": graph, "concurrency": concurrency}
            for meter in meters:
                row |= meter.results("runs")
            row |= ratios(row, "runs")
            print(json.dumps(row), flush=True)
            results.append(row)
    return results


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Any]:
    """Yield an engine without a worker."""
    options = EngineOptions(
        database_url=url,
        config_path=CONFIG,
        run_worker=False,
        max_queue_depth=1_000_000,
    )
    async with open_engine(options) as engine:
        yield engine


async def dispatch(url: str, count: int) -> dict[str, Any]:
    """Measure from acceptance in one process to the start in another, on an idle queue."""
    async with client(url) as engine:
        first = await engine.runs.create(RunRequest(assistant_id="quick", input={"text": ""}))
        await engine.runs.wait(first.run_id)  # the worker has started
        delays = []
        for _ in range(count):
            run = await engine.runs.create(RunRequest(assistant_id="quick", input={"text": ""}))
            over = await engine.runs.wait(run.run_id)
            delays.append((over.started_at - over.created_at).total_seconds())
    return _in_milliseconds(delays)


async def resumes(port: int, count: int) -> dict[str, Any]:
    """Measure from the answer to a question to the first event of the run that carries it."""
    delays = []
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        for _ in range(count):
            thread = (await http.post("/threads", json={})).json()["thread_id"]
            asked = {"assistant_id": "asking", "input": {"text": ""}}
            (await http.post(f"/threads/{thread}/runs/wait", json=asked)).raise_for_status()
            answer = {"assistant_id": "asking", "command": {"resume": "yes"}}
            began = time.perf_counter()
            async with http.stream("POST", f"/threads/{thread}/runs/stream", json=answer) as stream:
                async for line in stream.aiter_lines():
                    if line.startswith("data:"):
                        delays.append(time.perf_counter() - began)
                        break
    return _in_milliseconds(delays)


async def scaling(url: str, queued: int) -> dict[str, Any]:
    """Measure how fast one and two worker processes work off the same queue."""
    rates: dict[int, float] = {}
    async with client(url) as engine:
        for workers in (1, 2):
            submitted = [
                (
                    await engine.runs.create(RunRequest(assistant_id="work", input={"text": ""}))
                ).run_id
                for _ in range(queued)
            ]
            started = [
                process(["api", "worker", "--config", str(CONFIG)], url) for _ in range(workers)
            ]
            for worker in started:
                worker.__enter__()
            try:
                for run_id in submitted:
                    await engine.runs.wait(run_id)
            finally:
                for worker in started:
                    worker.__exit__(None, None, None)
            with psycopg.connect(url) as connection:
                row = connection.execute(
                    "SELECT extract(epoch FROM max(finished_at) - min(started_at))"
                    " FROM holdfast.runs WHERE run_id = ANY(%s)",
                    (submitted,),
                ).fetchone()
            rates[workers] = queued / float(row[0])
    return {
        "one_worker_runs_per_second": round(rates[1], 1),
        "two_workers_runs_per_second": round(rates[2], 1),
        "ratio": round(rates[2] / rates[1], 2),
    }


def _in_milliseconds(delays: list[float]) -> dict[str, Any]:
    return {
        "count": len(delays),
        "p50_ms": round(quantile(delays, 0.5) * 1000, 1),
        "p99_ms": round(quantile(delays, 0.99) * 1000, 1),
    }


async def measure(url: str, form: str) -> dict[str, Any]:
    """Run every measurement and return the results."""
    seconds, rounds, dispatches, answers, queued = FORMS[form]
    ours, bare = free_port(), free_port()
    serve = ["api", "serve", "--port", str(ours), "--config", str(CONFIG)]
    options = {
        "HOLDFAST_CONCURRENCY": "32",
        "HOLDFAST_POOL_SIZE": "16",
        "HOLDFAST_SAMPLES": "false",
    }
    baseline = ["uvicorn", "tests.bench.bare_app:app", "--port", str(bare), "--log-level", "error"]
    with process(serve, url, **options) as own, process(baseline, url) as other:
        await answering(f"http://127.0.0.1:{ours}/ok")
        await answering(f"http://127.0.0.1:{bare}/docs")
        sides = [
            Side(name="bare", port=bare, pid=other.pid, extra={}),
            Side(name="bare_sync", port=bare, pid=other.pid, extra={"durability": "sync"}),
            Side(name="ours", port=ours, pid=own.pid, extra={"on_completion": "keep"}),
        ]
        compared = await compare(sides, find_postmaster(url), seconds, rounds)
        resumed = await resumes(ours, answers)
    with process(["api", "worker", "--config", str(CONFIG)], url):
        dispatched = await dispatch(url, dispatches)
    scaled = await scaling(url, queued)
    return {
        "throughput": compared,
        "dispatch": dispatched,
        "resume_to_first_event": resumed,
        "two_workers_against_one": scaled,
    }


def main() -> int:
    """Measure, print and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--form", choices=sorted(FORMS), default="long")
    parser.add_argument("--output", type=Path, default=Path("build/bench"))
    arguments = parser.parse_args()
    settings = {"max_connections": "200"}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        data = Path(directory) / "postgres" / "data"
        with embedded_postgres(data, settings=settings) as url:
            asyncio.run(migrate(url))
            results = asyncio.run(measure(url, arguments.form))
    report = {
        "bench": "runs",
        "form": arguments.form,
        "machine": {
            "cpus": os.cpu_count(),
            "load": os.getloadavg(),
            "python": platform.python_version(),
        },
        **results,
    }
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "runs.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
