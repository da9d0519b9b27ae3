"""Makes a sweep give way to writers: a duty cycle, and pauses that grow with their latency."""

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psycopg

_PROBE_INTERVAL_SECONDS = 0.02
_IDLE_PROBES = 5
_LONGEST_PAUSE_SECONDS = 5.0
_LEAST_SHARE = 0.1  # of the time goes to the sweep whatever else is slow: it must come to its end
_FEWEST_ROWS = 500  # fewer cost about as much, in planning alone
_REMEMBERED_RESTS = 50  # commits that say what is normal without the sweep; a second of them
_FASTEST_COUNTED_SECONDS = 0.001  # below a millisecond a doubling is noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """How much a sweep gives way to writers."""

    duty_cycle: float = 0.5
    """Largest share of wall-clock time spent inside transactions, above 0 up to 1."""
    latency_factor: float = 2.0
    """Pauses grow while a commit beside the sweep takes this many times as long as in its rests."""
    batch_seconds: float = 0.1
    """Transactions are sized to last about this long."""

    def __post_init__(self) -> None:
        if not 0 < self.duty_cycle <= 1:
            raise ValueError(f"duty_cycle must be above 0 and at most 1, got {self.duty_cycle}")
        if self.latency_factor < 1:
            raise ValueError(f"latency_factor must be 1 or more, got {self.latency_factor}")
        if self.batch_seconds <= 0:
            raise ValueError(f"batch_seconds must be positive, got {self.batch_seconds}")


class LatencyProbe:
    """Commits a tiny transaction again and again beside the sweep and remembers how long it took.

    The probe writes a WAL message that nobody reads: the same wait as a writer's commit, no table.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._samples: list[float] = []
        self._rested: deque[float] = deque(maxlen=_REMEMBERED_RESTS)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoint-pruner-probe")
        self._ready = threading.Event()
        self.idle_seconds = _FASTEST_COUNTED_SECONDS

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(timeout=5)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def beside(self) -> float:
        """Return the median commit beside the transaction that just ended; 0 without any."""
        samples, self._samples = self._samples, []
        return statistics.median(samples) if samples else 0.0

    def rested(self) -> None:
        """Learn from the rest that just ended what a commit takes without the sweep."""
        samples, self._samples = self._samples, []
        self._rested.extend(samples)
        if self._rested:
            self.idle_seconds = max(statistics.median(self._rested), _FASTEST_COUNTED_SECONDS)

    def _run(self) -> None:
        try:
            with psycopg.connect(self._conninfo, autocommit=True) as connection:
                self._samples = [self._probe(connection) for _ in range(_IDLE_PROBES)]
                self.rested()
                self._ready.set()
                while not self._stop.wait(_PROBE_INTERVAL_SECONDS):
                    self._samples.append(self._probe(connection))
        except psycopg.Error:
            # Without the probe the duty cycle alone gives way to writers.
            return
        finally:
            self._ready.set()

    @staticmethod
    def _probe(connection: psycopg.Connection) -> float:
        began = time.monotonic()
        connection.execute("SELECT pg_logical_emit_message(true, 'checkpoint_pruner', '')")
        return time.monotonic() - began


class Pacer:
    """Decides after each transaction how long to pause and how large the next one may be."""

    def __init__(
        self,
        throttle: Throttle | None,
        probe: LatencyProbe | None,
        *,
        rows: int,
        pause: Callable[[float], object],
    ) -> None:
        self._throttle = throttle
        self._probe = probe
        self._most_rows = rows
        self._pause = pause
        self._penalty = 0.0
        self.rows = min(rows, 2_000) if throttle else rows
        self.paused_seconds = 0.0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Time the block; unless it failed, `succeeded`."""
        began = time.monotonic()
        yield
        self.succeeded(time.monotonic() - began)

    def succeeded(self, seconds: float) -> None:
        """Note a committed transaction, pause for writers, let the next one grow or shrink."""
        if self._throttle is None:
            self.rows = min(self._most_rows, self.rows * 2)
            return
        fits = self._throttle.batch_seconds / max(seconds, 0.001)
        slow = self._slow(self._throttle.latency_factor)
        factor = min(2.0, fits) if not slow else min(0.5, fits)
        self.rows = max(_FEWEST_ROWS, min(self._most_rows, int(self.rows * factor)))
        self._penalty = min(self._penalty * 2 + seconds, _LONGEST_PAUSE_SECONDS) if slow else 0.0
        rest = seconds * (1 / self._throttle.duty_cycle - 1) + self._penalty
        share = min(_LEAST_SHARE, self._throttle.duty_cycle)
        rest = min(rest, seconds * (1 / share - 1), _LONGEST_PAUSE_SECONDS)
        if rest > 0:
            self._pause(rest)
            self.paused_seconds += rest
            if self._probe is not None:
                self._probe.rested()

    def failed(self) -> None:
        """Note a timeout or deadlock: the next transactions are smaller."""
        self.rows = max(100, self.rows // 2)

    def _slow(self, factor: float) -> bool:
        return self._probe is not None and self._probe.beside() > factor * self._probe.idle_seconds
