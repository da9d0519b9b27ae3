"""What the ledger needs of its neighbours: the book of questions, a worker beside it."""

from asyncio import Future
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from psycopg import AsyncCursor
from psycopg.rows import DictRow

from engine.database import Connection
from engine.runs.run import PendingInterrupt, Run

Accept = Callable[[Connection, str], Awaitable[AsyncCursor[DictRow]]]
"""Writes a run for a worker to begin, given a connection and the worker's id; see `insert_run`."""


class Answers(Protocol):
    """What `accept_resume` of the gates returns."""

    @property
    def values(self) -> Mapping[str, Any]:
        """What the graph is resumed with, by interrupt id."""

    @property
    def gate_ids(self) -> Sequence[str]:
        """The gates that are decided by it."""


class GateBook(Protocol):
    """What the ledger needs to know of open questions; `engine.gates.book` has the real one."""

    async def accept_resume(
        self,
        connection: Connection,
        thread_id: str,
        resume: Any,
        *,
        actor: str,
        via: str = "api",
        graph_id: str | None = None,
        checkpoint_id: str | None = None,
    ) -> Answers:
        """Decide the gates that a client's `command.resume` answers."""

    async def link_run(self, connection: Connection, gate_ids: Sequence[str], run_id: str) -> None:
        """Remember the run that carries the answers of these gates."""

    async def cancel_open(
        self, connection: Connection, thread_id: str, *, reason: str, actor: str, via: str
    ) -> Sequence[str]:
        """Close the thread's unsettled gates."""

    async def record_pending(
        self, connection: Connection, run: Run, pending: Sequence[PendingInterrupt]
    ) -> Sequence[str]:
        """Make the thread's gates those that its head waits at."""


class LocalWorker(Protocol):
    """A worker in this process, which needs no queue to hear of work."""

    @property
    def has_room(self) -> bool:
        """Whether it could start another run now."""

    def offer(self, run: Run) -> None:
        """Work on the run's thread at once."""

    def can_start(self, thread_id: str) -> bool:
        """Whether a run of the thread could begin here by the commit that accepts it."""

    async def start(self, thread_id: str, accept: Accept, *, pipelined: bool) -> Run | None:
        """Accept a run in a transaction that takes its thread's lease, and begin with it.

        None if `accept` wrote none: something else comes first on the thread.
        """

    def expect(self, run_id: str) -> Future[Run | None] | None:
        """Return the end of a run that was offered, to come; None of one that is not at work here.

        None comes also when the worker could not write the end, whatever became of the run.
        """
