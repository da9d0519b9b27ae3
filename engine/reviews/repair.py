"""A way out for a thread that keeps an answer its node cannot live with.

LangGraph keeps an answer before the node goes on with it, and uses the kept one for ever after:
every later answer to the question is ignored and the same error comes again. The cure is a new
checkpoint without it, and a run that asks anew.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from engine.database import Connection, Database, statement
from engine.errors import ConflictError
from engine.gates.book import Gates
from engine.gates.gate import UNANSWERED, Gate, outcome_of
from engine.reviews.people import People
from engine.runs.request import RunRequest
from engine.runs.run import Run

SETTLED = ("decided", "expired")


class StateWriter(Protocol):
    """What a repair needs of `engine.thread_state.ThreadStates`."""

    async def write(
        self,
        connection: Connection,
        thread_id: str,
        values: Any,
        *,
        actor: str = "system",
        via: str = "api",
    ) -> dict[str, Any]:
        """Write a checkpoint; without values it only forgets what tasks have begun."""


class RunStarter(Protocol):
    """What a repair needs of `engine.runs.ledger.Runs`."""

    async def submit(self, connection: Connection, request: RunRequest) -> Run:
        """Accept a run in the caller's transaction."""


class Repair:
    """Lets a review be asked anew."""

    def __init__(
        self,
        *,
        database: Database,
        gates: Gates,
        people: People,
        states: StateWriter,
        runs: RunStarter,
    ) -> None:
        self._database = database
        self._gates = gates
        self._people = people
        self._states = states
        self._runs = runs

    async def repair(self, connection: Connection, review_id: str, *, actor: str, via: str) -> Run:
        """Forget the answer that the thread keeps, and start the run that asks again.

        Every question of the thread is asked again, under new ids. It all happens in the caller's
        transaction: a thread without the answer and without that run would ask nobody any more.

        Raises:
            NotFoundError: there is no such review.
            ConflictError: nothing is wrong with it, or the thread is at work.
            ForbiddenError: the person may not decide it.
        """
        gate = await self._gates.lock(connection, review_id)
        await self._people.require(connection, gate.assignees, actor)
        if not await self._is_stuck(connection, gate):
            raise ConflictError(
                "nothing is to be repaired: the thread does not keep an answer that failed",
                **outcome_of(gate),
            )
        await self._states.write(connection, gate.thread_id, None, actor=actor, via=via)
        request = RunRequest(
            assistant_id=gate.assistant_id, thread_id=gate.thread_id, actor=actor, via=via
        )
        run = await self._runs.submit(connection, request)
        details = {"dropped": gate.decision, "run_id": run.run_id}
        await self._gates.note(
            connection, gate, "gate.repaired", actor=actor, via=via, details=details
        )
        return run

    async def needed(self, gate: Gate) -> bool:
        """Tell whether the thread keeps an answer to this review that its node failed with."""
        async with self._database.pool.connection() as connection:
            return await self._is_stuck(connection, gate)

    async def _is_stuck(self, connection: Connection, gate: Gate) -> bool:
        return (
            gate.state in (*UNANSWERED, *SETTLED)
            and await self._gates.is_answer_stored(
                connection,
                thread_id=gate.thread_id,
                checkpoint_ns=gate.checkpoint_ns,
                checkpoint_id=gate.checkpoint_id,
                task_id=gate.task_id,
            )
            and not await self._is_carried(connection, [gate])
            and await self._is_head(connection, gate)
        )

    async def _is_carried(self, connection: Connection, gates: Sequence[Gate]) -> bool:
        cursor = await connection.execute(
            statement("list_live_runs"),
            {
                "tenant": self._database.tenant,
                "run_ids": [gate.resume_run_id for gate in gates if gate.resume_run_id],
            },
        )
        return await cursor.fetchone() is not None

    async def _is_head(self, connection: Connection, gate: Gate) -> bool:
        cursor = await connection.execute(
            statement("read_head_checkpoint"),
            {"thread_id": gate.thread_id, "checkpoint_ns": gate.checkpoint_ns},
        )
        row = await cursor.fetchone()
        return row is not None and row["checkpoint_id"] == gate.checkpoint_id
