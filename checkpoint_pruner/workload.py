"""The threads of a sweep, cut into pieces that fit one transaction."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from psycopg import Connection

from checkpoint_pruner.statements import statement

_ATTEMPTS = 3  # of one thread alone, before it is given up
_COUNTED_AHEAD = 2_000  # threads whose lengths are read at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Threads to be worked off in one transaction, or one huge thread in several."""

    thread_ids: tuple[str, ...]
    """Threads, each once."""
    rows: int
    """Their checkpoints."""
    attempts: int = 0
    """How often it was tried in vain."""

    def halves(self) -> tuple["Work", "Work"]:
        """Return two smaller pieces of the same work."""
        middle = len(self.thread_ids) // 2
        return (
            replace(self, thread_ids=self.thread_ids[:middle], rows=self.rows // 2),
            replace(self, thread_ids=self.thread_ids[middle:], rows=self.rows - self.rows // 2),
        )


class Workload:
    """Hands out pieces of work until none is left."""

    def __init__(
        self, connection: Connection[Any], thread_ids: Iterable[str], *, most_threads: int
    ) -> None:
        """Take the threads in their order; at most `most_threads` make one piece."""
        self._connection = connection
        self._left = deque(thread_ids)
        self._most_threads = most_threads
        self._again: deque[Work] = deque()
        self._lengths: dict[str, int] = {}
        self.threads = len(self._left)

    def __bool__(self) -> bool:
        """Return whether there is work left."""
        return bool(self._left or self._again)

    def take(self, rows: int) -> Work:
        """Return threads with at most `rows` checkpoints together, or one that has more alone."""
        if self._again:
            return self._again.popleft()
        if self._left[0] not in self._lengths:
            self._count()
        taken: list[str] = []
        held = 0
        while (
            self._left
            and self._left[0] in self._lengths
            and len(taken) < self._most_threads
            and (not taken or held + self._lengths[self._left[0]] <= rows)
        ):
            held += self._lengths[self._left[0]]
            taken.append(self._left.popleft())
        return Work(thread_ids=tuple(taken), rows=held)

    def give_back(self, work: Work) -> bool:
        """Take work back that ran into a timeout or deadlock: halved, or to be tried again.

        Returns:
            False when it is one thread that was tried often enough.
        """
        if len(work.thread_ids) > 1:
            self._again.extendleft(reversed(work.halves()))
        elif work.attempts + 1 < _ATTEMPTS:
            # To the end of the line: whoever is in the way may be gone by then.
            self._again.append(replace(work, attempts=work.attempts + 1))
        else:
            return False
        return True

    def _count(self) -> None:
        ahead = list(islice(self._left, _COUNTED_AHEAD))
        self._lengths = dict.fromkeys(ahead, 0)
        counts = self._connection.execute(statement("count_rows"), {"thread_ids": ahead})
        self._lengths.update(counts.fetchall())
