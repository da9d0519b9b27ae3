"""The port to a ticket queue: who wakes a worker, and nothing that must not be lost.

A ticket says "take the lease of this thread and run what is due". It may be lost, doubled or
late: the rows of `holdfast.runs` are the truth, and the sweeper issues lost tickets again.
"""

from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from typing import Any, Protocol

from engine.database import Connection

Handler = Callable[[str], Coroutine[Any, Any, None]]


class Dispatcher(Protocol):
    """A queue of tickets; no other module of the engine knows which one.

    All methods raise `psycopg.Error` when the database fails, as the engine's own statements do.
    """

    async def enqueue(
        self,
        connection: Connection,
        thread_id: str,
        *,
        not_before: datetime | None = None,
        priority: int = 0,
    ) -> None:
        """Issue a ticket for a thread within the caller's transaction.

        Args:
            connection: the ticket becomes visible with this connection's commit.
            thread_id: the thread with work.
            not_before: the earliest moment of delivery; None for at once.
            priority: higher first.
        """

    async def reissue(self, connection: Connection, priorities: Mapping[str, int]) -> int:
        """Issue tickets for those of the threads that have none waiting; return how many.

        Args:
            connection: as for `enqueue`.
            priorities: the priority of the ticket, by thread.
        """

    async def consume(self, handler: Handler, *, concurrency: int) -> None:
        """Hand tickets to `handler`, at most `concurrency` at once, until cancelled.

        Survives a lost database; the handlers at work go on meanwhile, and when it is cancelled. A
        handler that raises loses its ticket.
        """

    async def drain(self, handler: Handler, *, concurrency: int) -> None:
        """Hand the tickets that are due now to `handler` and return when they are done."""

    async def tidy(self) -> None:
        """Remove what tickets of dead consumers left behind."""
