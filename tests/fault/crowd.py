"""Who stands around the workers in a storm: clients that submit, and people who answer."""

import asyncio
import random
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import dict_row

from engine.errors import EngineError
from engine.runs.request import RunRequest
from engine.runtime import Engine, open_engine
from tests.fault.processes import Place, options, submitter

RUNS_PER_THREAD = 4
PEOPLE = ("ann", "bob")
LOOK_SECONDS = 0.05

Request = tuple[str, str, Mapping[str, Any]]  # run id, thread id, input


@dataclass(kw_only=True)
class Crowd:
    """Clients, each a process, and people.

    Attributes:
        work: the input of every run, but for its label and its questions.
        questions: share of the runs that ask one.
        plant: bugs planted in the clients.
        killed: clients that were killed.
        decided: answers that counted.
        conflicts: answers that came second and were refused.
    """

    place: Place
    seed: int
    dice: random.Random
    work: Mapping[str, Any]
    questions: float
    plant: str = ""
    killed: int = 0
    decided: int = 0
    conflicts: int = 0
    _clients: list[tuple[Any, list[Request]]] = field(default_factory=list)
    _labels: int = 0
    _answering: bool = True

    @property
    def submitting(self) -> bool:
        """Whether a client still has something to submit."""
        return any(process.is_alive() for process, _ in self._clients)

    def submit(self, count: int) -> None:
        """Let two more clients submit so many runs between them."""
        requests = [self._request() for _ in range(count)]
        half = count // 2
        for part in (requests[:half], requests[half:]):
            self._clients.append((submitter(self.place, part, self.plant), part))

    def kill_client(self) -> None:
        """Kill one that is at it; another one submits what it had not been told of."""
        living = [entry for entry in self._clients if entry[0].is_alive()]
        if not living:
            return
        process, part = self.dice.choice(living)
        process.kill()
        process.join()
        self._clients.remove((process, part))
        self.killed += 1
        # What it had not been told may be there or not; a client that knows its ids asks.
        done = self._known([run_id for run_id, _, _ in part]) | self._acknowledged()
        rest = [request for request in part if request[0] not in done]
        self._clients.append((submitter(self.place, rest, self.plant), rest))

    async def answer(self) -> None:
        """Let two people answer every question at the same time, until told to stop."""
        while self._answering:
            with suppress(psycopg.Error, OSError):  # the database is away as they come
                async with open_engine(options(self.place, run_worker=False)) as engine:
                    await self._answer_all(engine)

    def stop_answering(self) -> None:
        """Let the people go home."""
        self._answering = False

    def close(self) -> None:
        """Kill the clients that are left."""
        for process, _ in self._clients:
            process.kill()

    def _request(self) -> Request:
        number = self._labels
        self._labels += 1
        value = {
            **self.work,
            "label": f"w{number}",
            "gates": [2] if self.dice.random() < self.questions else [],
        }
        thread_id = str(uuid.UUID(int=(self.seed << 64) + number // RUNS_PER_THREAD))
        return str(uuid.uuid4()), thread_id, value

    def _acknowledged(self) -> set[str]:
        if not self.place.history.exists():
            return set()
        lines = (line.split() for line in self.place.history.read_text().splitlines())
        return {words[1] for words in lines if words[0] == "ok"}

    def _known(self, run_ids: list[str]) -> set[str]:
        rows = self._rows("SELECT run_id FROM holdfast.runs WHERE run_id = ANY(%s)", run_ids)
        return {row["run_id"] for row in rows}

    async def _answer_all(self, engine: Engine) -> None:
        while self._answering:
            for gate in await asyncio.to_thread(self._open_gates):
                await asyncio.gather(*(self._answer(engine, gate, who) for who in PEOPLE))
            await asyncio.sleep(LOOK_SECONDS)

    def _open_gates(self) -> list[dict[str, Any]]:
        try:
            return self._rows(
                "SELECT interrupt_id, thread_id FROM holdfast.gates WHERE state = 'open'"
            )
        except psycopg.OperationalError:
            return []  # the database is away

    async def _answer(self, engine: Engine, gate: Mapping[str, Any], who: str) -> None:
        request = RunRequest(
            assistant_id="work",
            thread_id=gate["thread_id"],
            command={"resume": {gate["interrupt_id"]: who}},
            actor=who,
        )
        try:
            await engine.runs.create(request)
            self.decided += 1
        except EngineError:
            self.conflicts += 1
        except psycopg.Error:
            return  # the connection was cut; the gate says whether it counted

    def _rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.place.database_url, row_factory=dict_row) as connection:
            return connection.execute(query, parameters).fetchall()
