"""Feels what a writer feels: how long commits take beside the sweep, and in its rests."""

import statistics
import threading
import time
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import psycopg

from checkpoint_pruner.statements import statement

_INTERVAL_SECONDS = 0.02
_REMEMBERED = 256  # commits, of each kind: five seconds of them, and every hundredth has a meaning
_FEWEST = 50  # commits, of each kind, before they say anything
_PER_ANSWER = 100  # commits between two answers: what is changed upon one has to be felt first
_SETTLED_SECONDS = 0.03  # after a transaction its WAL still is on the way to the disk
_FASTEST_COUNTED_SECONDS = 0.001  # below a millisecond a doubling is noise


class LatencyProbe:
    """Commits a tiny transaction again and again beside the sweep and remembers how long it took.

    The probe writes a WAL message that nobody reads: the same wait as a writer's commit, no table.
    What holds writers up, a queue for the WAL, does so now and then; so it is the slowest in a
    hundred that are compared.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._all: deque[float] = deque(maxlen=_REMEMBERED)
        self._rested: deque[float] = deque(maxlen=_REMEMBERED)
        self._resting_since: float | None = time.monotonic()
        self._others_write = False
        self._answerable = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoint-pruner-probe")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def working(self) -> None:
        """Learn that a transaction of the sweep begins."""
        self._resting_since = None

    def resting(self) -> None:
        """Learn that a transaction of the sweep has ended."""
        self._resting_since = time.monotonic()

    def slowdown(self) -> float | None:
        """Return how many times as long as in the rests the slowest commits take.

        1 where nobody writes or the probe cannot reach the server: then the duty cycle alone gives
        way to writers. None while too few commits were made since the last answer.
        """
        if not self._thread.is_alive():
            return 1.0
        if not self._answerable.is_set():
            return None
        self._answerable.clear()
        if not self._others_write:
            return 1.0
        idle = max(_slowest(self._rested), _FASTEST_COUNTED_SECONDS)
        return _slowest(self._all) / idle

    def _run(self) -> None:
        with (
            suppress(psycopg.Error),
            psycopg.connect(self._conninfo, autocommit=True) as connection,
        ):
            inserted = _inserted(connection)
            unanswered = 0
            while not self._stop.wait(_INTERVAL_SECONDS):
                self._sample(connection)
                unanswered += 1
                if unanswered >= _PER_ANSWER and len(self._rested) >= _FEWEST:
                    before, inserted = inserted, _inserted(connection)
                    self._others_write = inserted != before
                    unanswered = 0
                    self._answerable.set()

    def _sample(self, connection: psycopg.Connection[Any]) -> None:
        resting_since = self._resting_since
        began = time.monotonic()
        connection.execute(statement("probe_commit"))
        seconds = time.monotonic() - began
        self._all.append(seconds)
        settled = resting_since is not None and began - resting_since > _SETTLED_SECONDS
        if settled and self._resting_since == resting_since:
            self._rested.append(seconds)


def _slowest(samples: deque[float]) -> float:
    """Return what ninety-nine of a hundred commits stay below."""
    return statistics.quantiles(samples.copy(), n=100, method="inclusive")[-1]


def _inserted(connection: psycopg.Connection[Any]) -> int:
    """Return how many rows were ever inserted into the database; a sweep inserts next to none."""
    row = connection.execute(statement("count_inserted")).fetchone()
    return row[0] if row else 0
