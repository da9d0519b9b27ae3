"""Let five callers race for each of many gates: `python -m tests.fault.race --gates 1000`.

Two servers on one database. Two people approve, one rejects, the proposer approves too, and a
page of an older checkpoint answers as well, all at once and each through one of the servers. One
of the first three may win; what the graph hears and does afterwards must be that one's decision.
"""

import argparse
import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import dict_row

from tests.fault.chaos import fresh_server
from tests.fault.checker import Verdict, check
from tests.fault.processes import GRAPHS, Place, note

PROPOSER = "pat"
SERVERS = 2
# Gates that are raced for at the same time, and requests that put them there.
AT_ONCE = 8
START_SECONDS = 60.0
QUIET_SECONDS = 300.0
POLL_SECONDS = 0.05
# How often a caller asks again when a connection breaks.
RETRIES = 2
ACCEPTED, CONFLICT, FORBIDDEN = 202, 409, 403


@dataclass(kw_only=True)
class Race:
    """What happened.

    Attributes:
        outcomes: by caller, how often each status was answered.
        faults: gates with another number of winners than one, an answer that does not fit the
            caller, or a graph that heard something else than the winner said.
    """

    gates: int = 0
    winners: Counter[str] = field(default_factory=Counter)
    outcomes: dict[str, Counter[int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    verdict: Verdict = field(default_factory=Verdict)

    @property
    def sound(self) -> bool:
        return not self.faults and self.verdict.sound

    def to_json(self) -> dict[str, Any]:
        return {
            "gates": self.gates,
            "winners": dict(self.winners),
            "answers": {
                who: {str(status): times for status, times in sorted(counts.items())}
                for who, counts in self.outcomes.items()
            },
            "effects_carried_out": self.verdict.executions,
            "seconds": round(self.seconds, 1),
            "faults": self.faults[:10],
            "verdict": "sound" if self.sound else "BROKEN",
        }


async def race(place: Place, *, gates: int, seed: int) -> Race:
    """Open the gates, race for them, and check what came of it."""
    result = Race(gates=gates)
    began = time.monotonic()
    async with serving(place, SERVERS) as clients:
        await _ask(place, clients, gates)
        rows = await asyncio.to_thread(_rows, place, OPEN_GATES)
        if len(rows) != gates:
            result.faults.append(f"{len(rows)} gates are open instead of {gates}")
        dice, limit = random.Random(seed), asyncio.Semaphore(AT_ONCE)
        winners = dict(
            await asyncio.gather(*(_race_for(row, clients, dice, limit, result) for row in rows))
        )
        await _until_done(place)
    for row in _rows(place, 'SELECT thread_id, "values" AS state FROM holdfast.threads'):
        heard = [answer.partition("=")[2] for answer in (row["state"] or {}).get("answers", [])]
        if heard != [winners.get(row["thread_id"])]:
            result.faults.append(f"{row['thread_id']} heard {heard}")
    result.verdict = check(place.database_url, world=place.world, history=place.history)
    result.seconds = time.monotonic() - began
    return result


OPEN_GATES = """
    SELECT gate_id, interrupt_id, thread_id, checkpoint_id, fingerprint
    FROM holdfast.gates
    WHERE state = 'open'
    ORDER BY created_at
"""


async def _race_for(
    gate: dict[str, Any],
    clients: Sequence[httpx.AsyncClient],
    dice: random.Random,
    limit: asyncio.Semaphore,
    result: Race,
) -> tuple[str, str | None]:
    """Return the thread, and what its graph has to hear."""

    async def decide(client: httpx.AsyncClient, who: str, kind: str) -> int:
        answer = await _post(
            client,
            f"/reviews/{gate['gate_id']}/decision",
            json={"type": kind, "fingerprint": gate["fingerprint"]},
            headers={"x-holdfast-user": who},
        )
        return answer.status_code

    async def answer_stale(client: httpx.AsyncClient) -> int:
        answer = await _post(
            client,
            f"/threads/{gate['thread_id']}/runs",
            json={
                "assistant_id": "work",
                "command": {"resume": {gate["interrupt_id"]: {"type": "approve"}}},
                "checkpoint_id": str(uuid.UUID(int=0)),
            },
            headers={"x-holdfast-user": "sam"},
        )
        return answer.status_code

    said = {"ann": "approve", "bob": "approve", "cho": "reject", PROPOSER: "approve", "sam": ""}
    callers = list(said)
    dice.shuffle(callers)
    ways = [dice.choice(clients) for _ in callers]
    async with limit:
        statuses = await asyncio.gather(
            *(
                decide(way, who, said[who]) if said[who] else answer_stale(way)
                for who, way in zip(callers, ways, strict=True)
            )
        )
    told = dict(zip(callers, statuses, strict=True))
    for who, status in told.items():
        result.outcomes.setdefault(who, Counter())[status] += 1
    won = [who for who, status in told.items() if status == ACCEPTED]
    losers = {who: status for who, status in told.items() if status != ACCEPTED}
    if len(won) != 1 or won[0] in (PROPOSER, "sam"):
        result.faults.append(f"{gate['gate_id']}: {told}")
        return gate["thread_id"], None
    # The proposer may be told either: that it is not his to decide, or that it is decided.
    if not set(losers.values()) <= {CONFLICT, FORBIDDEN}:
        result.faults.append(f"{gate['gate_id']}: {told}")
    result.winners[won[0]] += 1
    return gate["thread_id"], f"{said[won[0]]} by {won[0]}"


async def _ask(place: Place, clients: Sequence[httpx.AsyncClient], gates: int) -> None:
    limit = asyncio.Semaphore(AT_ONCE)

    async def start(number: int) -> None:
        async with limit:
            answer = await _post(
                clients[number % len(clients)],
                f"/threads/{uuid.uuid4()}/runs",
                json={
                    "assistant_id": "work",
                    "if_not_exists": "create",
                    "input": {
                        "label": f"w{number}",
                        "steps": 2,
                        "gates": [1],
                        "proposer": PROPOSER,
                    },
                },
            )
        answer.raise_for_status()
        note(place.history, "ok", answer.json()["run_id"])

    await asyncio.gather(*(start(number) for number in range(gates)))
    await _until_done(place)


async def _post(
    client: httpx.AsyncClient, path: str, *, json: Any, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """Send a request, and send it again with its key when the connection broke under it."""
    keyed = {**(headers or {}), "idempotency-key": uuid.uuid4().hex}
    for _ in range(RETRIES):
        with suppress(httpx.TransportError):
            return await client.post(path, json=json, headers=keyed)
    return await client.post(path, json=json, headers=keyed)


async def _until_done(place: Place) -> None:
    deadline = time.monotonic() + QUIET_SECONDS
    unfinished = "SELECT 1 FROM holdfast.runs WHERE status IN ('queued', 'running') LIMIT 1"
    while await asyncio.to_thread(_rows, place, unfinished):
        if time.monotonic() > deadline:
            raise TimeoutError("the runs do not end")
        await asyncio.sleep(POLL_SECONDS)


def _rows(place: Place, query: str) -> list[dict[str, Any]]:
    with psycopg.connect(place.database_url, row_factory=dict_row) as connection:
        return connection.execute(query).fetchall()


@asynccontextmanager
async def serving(place: Place, count: int) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Yield clients of so many servers, processes that share the database."""
    ports = [_free_port() for _ in range(count)]
    processes = [_serve(place, port) for port in ports]
    clients = [
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60.0) for port in ports
    ]
    try:
        for client in clients:
            await _until_up(client)
        yield clients
        died = [process.returncode for process in processes if process.poll() is not None]
        if died:
            raise RuntimeError(f"servers ended by themselves with {died}")
    finally:
        for client in clients:
            await client.aclose()
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def _serve(place: Place, port: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "api", "serve", "--port", str(port), "--config", str(GRAPHS)],
        cwd=Path(__file__).resolve().parents[2],
        env={
            **os.environ,
            **place.environment(),
            "HOLDFAST_DATABASE_URL": place.database_url,
            "HOLDFAST_SAMPLES": "false",
            "HOLDFAST_UNDO_SECONDS": "0",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


async def _until_up(client: httpx.AsyncClient) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if (await client.get("/ok")).is_success:
                return
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(POLL_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    """Run the race and print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gates", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(f"race: seed {arguments.seed}, {arguments.gates} gates", flush=True)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory,
        fresh_server(Path(directory)) as (_, place),
    ):
        result = asyncio.run(race(place, gates=arguments.gates, seed=arguments.seed))
    print(json.dumps(result.to_json(), indent=2))
    print(result.verdict.summary())
    return 0 if result.sound else 1


if __name__ == "__main__":
    sys.exit(main())
