"""A storm over real processes on a real PostgreSQL, and what was found when it was over.

Three workers, clients that submit and are killed too, two people who answer every question at
once. In between workers get SIGKILL, are stopped until the others take over and go on as zombies,
lose their database connections, and lose the database itself.
"""

import asyncio
import random
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import dict_row

from checkpoint_pruner import PrunerError
from engine.runtime import open_engine
from tests.fault.checker import Verdict, check
from tests.fault.crowd import Crowd
from tests.fault.processes import HUNG_AFTER_SECONDS, Place, Worker, options
from tests.fault.servers import CrashingPostgres

POLL_SECONDS = 0.05
# Between two blows: a run that is hit five times before it can do a single step is rightly taken
# for one that kills its workers.
EFFECTS_BETWEEN_BLOWS = 12
CLIENT_BATCH = 24
# Runs submitted when there is nothing left to hit.
REFILL = 40
QUIET_SECONDS = 120.0
# Runs in the queue at each crash of the database: some in hand, some not yet begun.
CRASH_LOAD = 24
MAX_DOWN_SECONDS = 1.0
# One time in so many the database stays away for as long as a failover takes: pauses between
# attempts to reconnect that grow without bound would show after its return.
LONG_ABSENCE_ONCE_IN = 10
LONG_ABSENCE_SECONDS = 20.0
PRUNE_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much of what.

    Attributes:
        kills: SIGKILLs of workers while they have a run in hand.
        zombies: workers that are stopped, overtaken, and continued.
        cuts: times that all connections of workers, clients and people are ended by the server.
        restarts: immediate stops of the database, and starts up to a second later, or twenty.
        restored_seconds: how long after its return what was accepted may take to be done.
        runs: runs submitted at the start; more follow while there are kills to come.
        pause_seconds: length of a step.
        gates: share of the runs that ask a question.
        plant: bugs planted in the workers.
        client_plant: bugs planted in the clients.
        keep_last: checkpoints per thread that a pruner keeps which sweeps all the time; None for
            no pruner. What it removes can show no fork any more.
    """

    kills: int = 20
    zombies: int = 1
    cuts: int = 1
    restarts: int = 0
    restored_seconds: float = 10.0
    runs: int = 80
    steps: int = 5
    pause_seconds: float = 0.04
    gates: float = 0.2
    workers: int = 3
    seed: int = 1
    plant: str = ""
    client_plant: str = ""
    client_kills: int = 2
    keep_last: int | None = None


@dataclass(kw_only=True)
class Storm:
    """What happened.

    Attributes:
        resumed_after_seconds: from each SIGKILL to the next attempt of each run it hit.
        restored_after_seconds: from each return of the database until everything accepted before
            is done.
        conflicts: answers that came second and were refused.
    """

    verdict: Verdict
    kills: int = 0
    zombies: int = 0
    cuts: int = 0
    restarts: int = 0
    client_kills: int = 0
    pruned: int = 0
    decided: int = 0
    conflicts: int = 0
    seconds: float = 0.0
    resumed_after_seconds: list[float] = field(default_factory=list)
    restored_after_seconds: list[float] = field(default_factory=list)
    restored_seconds: float = 10.0

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong and nothing came late."""
        return self.verdict.sound and max(self.restored_after_seconds, default=0.0) <= (
            self.restored_seconds
        )

    def to_json(self) -> dict[str, Any]:
        resumed = sorted(self.resumed_after_seconds)
        restored = sorted(self.restored_after_seconds)
        return {
            "sigkills": self.kills,
            "zombies": self.zombies,
            "connection_cuts": self.cuts,
            "database_restarts": self.restarts,
            "client_kills": self.client_kills,
            "checkpoints_pruned": self.pruned,
            "runs_accepted": self.verdict.acknowledged,
            "effects_carried_out": self.verdict.executions,
            "repetitions_absorbed": self.verdict.absorbed,
            "gates_decided": self.decided,
            "late_answers_refused": self.conflicts,
            "resumes_measured": len(resumed),
            "resume_p50_seconds": _at(resumed, 0.5),
            "resume_p99_seconds": _at(resumed, 0.99),
            "restored_p50_seconds": _at(restored, 0.5),
            "restored_max_seconds": _at(restored, 1.0),
            "seconds": round(self.seconds, 1),
            "faults": {name: len(items) for name, items in self.verdict.faults.items()},
            "verdict": "sound" if self.sound else "BROKEN",
        }


def _at(ordered: Sequence[float], quantile: float) -> float | None:
    if not ordered:
        return None
    return round(ordered[min(int(len(ordered) * quantile), len(ordered) - 1)], 3)


class _Stormer:
    def __init__(self, place: Place, plan: Plan, server: CrashingPostgres | None) -> None:
        self._place = place
        self._server = server
        self._plan = plan
        self._random = random.Random(plan.seed)
        self._workers: list[Worker] = []
        self._kills: list[tuple[Any, list[str]]] = []
        self.storm = Storm(verdict=Verdict(), restored_seconds=plan.restored_seconds)
        self._crowd = Crowd(
            place=place,
            seed=plan.seed,
            dice=self._random,
            work={"steps": plan.steps, "pause_seconds": plan.pause_seconds},
            questions=plan.gates,
            plant=plan.client_plant,
        )
        self._zombies: list[asyncio.Task[None]] = []

    async def run(self) -> Storm:
        began = time.monotonic()
        self._workers = [
            Worker(place=self._place, plant=self._plan.plant).start()
            for _ in range(self._plan.workers)
        ]
        try:
            self._crowd.submit(self._plan.runs)
            async with asyncio.TaskGroup() as bystanders:
                bystanders.create_task(self._crowd.answer())
                pruner = bystanders.create_task(self._prune())
                await self._strike()
                await self._settle()
                self._crowd.stop_answering()
                pruner.cancel()
        finally:
            for worker in self._workers:
                worker.kill()
            self._crowd.close()
        self.storm.seconds = time.monotonic() - began
        self.storm.client_kills = self._crowd.killed
        self.storm.decided, self.storm.conflicts = self._crowd.decided, self._crowd.conflicts
        self.storm.resumed_after_seconds = self._latencies()
        self.storm.verdict = check(
            self._place.database_url, world=self._place.world, history=self._place.history
        )
        return self.storm

    # Faults

    async def _strike(self) -> None:
        plan = self._plan
        blows = (
            [self._kill_worker] * plan.kills
            + [self._make_zombie] * plan.zombies
            + [self._cut_connections] * plan.cuts
            + [self._restart_database] * plan.restarts
            + [self._kill_new_client] * plan.client_kills
        )
        self._random.shuffle(blows)
        for blow in blows:
            await blow()
        await asyncio.gather(*self._zombies)

    async def _kill_new_client(self) -> None:
        self._crowd.submit(CLIENT_BATCH)
        await asyncio.sleep(self._random.uniform(0.2, 0.6))  # starting takes the most
        await asyncio.to_thread(self._crowd.kill_client)

    async def _cut_connections(self) -> None:
        await self._victim()
        self.storm.cuts += 1
        self._rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'holdfast%%' AND datname = current_database()"
        )

    async def _kill_worker(self) -> None:
        index, run_ids = await self._victim()
        await asyncio.to_thread(self._workers[index].kill)
        now = self._rows("SELECT clock_timestamp() AS now")[0]["now"]
        self._kills.append((now, run_ids))
        self.storm.kills += 1
        self._workers[index] = Worker(place=self._place, plant=self._plan.plant).start()

    async def _make_zombie(self) -> None:
        index, _ = await self._victim()
        zombie = self._workers[index]
        self.storm.zombies += 1
        self._workers[index] = Worker(place=self._place, plant=self._plan.plant).start()
        self._zombies.append(asyncio.create_task(self._zombie(zombie)))

    async def _restart_database(self) -> None:
        """Stop the database in mid-work; wait until everything that it had accepted is done."""
        assert self._server is not None
        if await asyncio.to_thread(self._unfinished) < CRASH_LOAD:
            self._crowd.submit(CRASH_LOAD)
        await self._victim()
        await asyncio.to_thread(self._server.crash)
        self.storm.restarts += 1
        long = self.storm.restarts % LONG_ABSENCE_ONCE_IN == 0
        down = LONG_ABSENCE_SECONDS if long else self._random.uniform(0, MAX_DOWN_SECONDS)
        await asyncio.sleep(down)
        await asyncio.to_thread(self._server.start)
        back, left = time.monotonic(), 1
        accepted = self._rows(
            "SELECT array_agg(run_id) AS run_ids FROM holdfast.runs"
            " WHERE status IN ('queued', 'running')"
        )[0]["run_ids"]
        while left and time.monotonic() < back + QUIET_SECONDS:
            await asyncio.sleep(POLL_SECONDS)
            left = await asyncio.to_thread(self._left_of, accepted or [])
        self.storm.restored_after_seconds.append(time.monotonic() - back)

    def _left_of(self, run_ids: Sequence[str]) -> int:
        query = (
            "SELECT count(*) AS runs FROM holdfast.runs"
            " WHERE run_id = ANY(%s) AND status IN ('queued', 'running')"
        )
        return int(self._rows(query, list(run_ids))[0]["runs"])

    async def _victim(self) -> tuple[int, list[str]]:
        """Wait until work was done since the last blow; return a busy worker and its runs."""
        await self._progress()
        busy = await self._busy_workers()
        await asyncio.sleep(self._random.uniform(0, 0.12))
        return self._random.choice(busy)

    async def _zombie(self, worker: Worker) -> None:
        """Stop a worker until others have its runs, then let it go on for a while."""
        worker.signal(signal.SIGSTOP)
        await asyncio.sleep(HUNG_AFTER_SECONDS * 2)
        worker.signal(signal.SIGCONT)
        await asyncio.sleep(1.0)
        await asyncio.to_thread(worker.kill)

    async def _progress(self) -> None:
        """Wait until some work was done since the last blow, submitting more when it runs out."""
        deadline = time.monotonic() + QUIET_SECONDS
        before = self._effects()
        while self._effects() < before + EFFECTS_BETWEEN_BLOWS and time.monotonic() < deadline:
            if not await asyncio.to_thread(self._unfinished):
                self._crowd.submit(REFILL)
            await asyncio.sleep(POLL_SECONDS)

    def _effects(self) -> int:
        return self._place.world.read_bytes().count(b"\n") if self._place.world.exists() else 0

    async def _busy_workers(self) -> list[tuple[int, list[str]]]:
        """Return the workers that have runs in hand, waiting until there is one."""
        deadline = time.monotonic() + QUIET_SECONDS
        while time.monotonic() < deadline:
            rows = await asyncio.to_thread(
                self._rows,
                "SELECT workers.pid, array_agg(runs.run_id) AS run_ids FROM holdfast.runs"
                " JOIN holdfast.workers USING (worker_id) WHERE runs.status = 'running' GROUP BY 1"
                # One blow more and such a run would rightly be taken for the killer.
                " HAVING bool_and(runs.attempts < runs.max_attempts)",
            )
            by_pid = {row["pid"]: row["run_ids"] for row in rows}
            busy = [
                (index, by_pid[worker.pid])
                for index, worker in enumerate(self._workers)
                if worker.alive and worker.pid in by_pid
            ]
            if busy:
                return busy
            if not await asyncio.to_thread(self._unfinished):
                self._crowd.submit(REFILL)
            await asyncio.sleep(POLL_SECONDS)
        raise TimeoutError("no worker has anything to do")

    async def _prune(self) -> None:
        """Sweep all the time, as a pruner does that knows the engine's open work."""
        if self._plan.keep_last is None:
            return
        overrides = {"run_worker": False, "prune_keep_last": self._plan.keep_last}
        async with open_engine(options(self._place, **overrides)) as engine:
            while True:
                with suppress(PrunerError, psycopg.Error):
                    report = await engine.pruning.sweep_everything()
                    self.storm.pruned += report.rows.get("checkpoints", 0) if report else 0
                await asyncio.sleep(PRUNE_PAUSE_SECONDS)

    async def _settle(self) -> None:
        """Wait until everything accepted is over, or nothing moves any more."""
        quiet_since, last = time.monotonic(), -1
        limit = QUIET_SECONDS if not (self._plan.plant or self._plan.client_plant) else 15.0
        while True:
            left = await asyncio.to_thread(self._unfinished)
            if not left and not self._crowd.submitting:
                return
            if left != last:
                quiet_since, last = time.monotonic(), left
            if time.monotonic() - quiet_since > limit:
                return
            await asyncio.sleep(POLL_SECONDS)

    def _unfinished(self) -> int:
        row = self._rows(
            "SELECT count(*) FILTER (WHERE status IN ('queued', 'running')) AS runs,"
            " (SELECT count(*) FROM holdfast.gates WHERE state = 'open') AS gates"
            " FROM holdfast.runs"
        )[0]
        return int(row["runs"]) + int(row["gates"])

    def _latencies(self) -> list[float]:
        starts = {
            row["run_id"]: row["starts"]
            for row in self._rows(
                "SELECT run_id, array_agg((entry ->> 'started_at')::timestamptz) AS starts"
                " FROM holdfast.runs, jsonb_array_elements(attempt_log) AS entry GROUP BY 1"
            )
        }
        measured = []
        for killed_at, run_ids in self._kills:
            for run_id in run_ids:
                later = [moment for moment in starts.get(run_id, ()) if moment > killed_at]
                if later:
                    measured.append((min(later) - killed_at).total_seconds())
        return measured

    def _rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        with psycopg.connect(
            self._place.database_url, autocommit=True, row_factory=dict_row
        ) as connection:
            return connection.execute(query, parameters).fetchall()


async def storm(place: Place, plan: Plan, server: CrashingPostgres | None = None) -> Storm:
    """Let it happen and return what was found; `server` is needed to restart the database."""
    return await _Stormer(place, plan, server).run()
