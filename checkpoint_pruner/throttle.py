"""Makes a sweep give way to writers: short transactions, and rests that grow with their latency."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

_LONGEST_PAUSE_SECONDS = 5.0
_FIRST_SHARE = 0.05  # of the time, until the probe knows what is normal
_LEAST_SHARE = 0.02  # goes to the sweep whatever else is slow
_PATIENCE_SECONDS = 300.0  # doubles the least share, again and again: a sweep must come to its end
_FIRST_MORE = 2.0  # quickly up, until writers feel it for the first time
_MORE = 1.25  # then with care
_LESS = 0.5
_FINE = 0.75  # of the factor that writers may be slowed down by: below it the sweep takes more
_FIRST_ROWS = 500
_FEWEST_ROWS = 200  # fewer cost about as much, in planning alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """How much a sweep gives way to writers."""

    duty_cycle: float = 0.5
    """Largest share of wall-clock time spent inside transactions, above 0 up to 1."""
    latency_factor: float = 2.0
    """The share falls while the slowest in a hundred commits beside the sweep take this many times
    as long as in its rests, and rises again while they do not."""
    batch_seconds: float = 0.1
    """Transactions are sized to last about this long, and less as the share falls: a writer's
    commit waits until the WAL of the transaction beside it is flushed."""

    def __post_init__(self) -> None:
        if not 0 < self.duty_cycle <= 1:
            raise ValueError(f"duty_cycle must be above 0 and at most 1, got {self.duty_cycle}")
        if self.latency_factor < 1:
            raise ValueError(f"latency_factor must be 1 or more, got {self.latency_factor}")
        if self.batch_seconds <= 0:
            raise ValueError(f"batch_seconds must be positive, got {self.batch_seconds}")


class Probe(Protocol):
    """Knows how writers fare; `checkpoint_pruner.probe.LatencyProbe` is one."""

    def working(self) -> None:
        """Learn that a transaction of the sweep begins."""

    def resting(self) -> None:
        """Learn that a transaction of the sweep has ended."""

    def slowdown(self) -> float | None:
        """Return how many times as slow writers are as without the sweep; None for no news."""


class Pacer:
    """Decides after each transaction how long to pause and how large the next one may be."""

    def __init__(
        self,
        throttle: Throttle | None,
        probe: Probe | None,
        *,
        rows: int,
        pause: Callable[[float], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._began = clock()
        self._throttle = throttle
        self._probe = probe
        self._most_rows = rows
        self._pause = pause
        self._share = 1.0
        self._more = _FIRST_MORE
        self._owed_seconds = 0.0
        self.rows = rows
        self.paused_seconds = 0.0
        if throttle is not None:
            self.rows = min(rows, _FIRST_ROWS)
            self._share = min(throttle.duty_cycle, _FIRST_SHARE if probe else 1.0)

    @contextmanager
    def transaction(self, rows: int | None = None) -> Iterator[None]:
        """Pause for what the last transaction owes to writers, then time the block.

        Args:
            rows: How many the block looks at, if that says how many the next one may.
        """
        self.rest()
        began = time.monotonic()
        if self._probe is not None:
            self._probe.working()
        try:
            yield
        finally:
            if self._probe is not None:
                self._probe.resting()
        self.succeeded(time.monotonic() - began, rows)

    def succeeded(self, seconds: float, rows: int | None = None) -> None:
        """Note a committed transaction, let the next one grow or shrink and come later."""
        if self._throttle is None:
            self.rows = min(self._most_rows, self.rows * 2)
            return
        self._share = self._allowed(self._throttle)
        if rows is not None:
            longest = self._throttle.batch_seconds * self._share / self._throttle.duty_cycle
            fits = min(self.rows * 2, int(rows * longest / max(seconds, 0.001)))
            self.rows = min(self._most_rows, max(_FEWEST_ROWS, fits))
        self._owed_seconds = min(seconds * (1 / self._share - 1), _LONGEST_PAUSE_SECONDS)

    def rest(self) -> None:
        """Pause for as long as the last transaction asked for; after the very last nobody does."""
        owed, self._owed_seconds = self._owed_seconds, 0.0
        if owed > 0:
            self._pause(owed)
            self.paused_seconds += owed

    def failed(self) -> None:
        """Note a timeout or deadlock: the next transactions are smaller."""
        self.rows = max(100, self.rows // 2)

    def _allowed(self, throttle: Throttle) -> float:
        """Return the share of time for the sweep, after what the probe has to say."""
        slowdown = self._probe.slowdown() if self._probe is not None else None
        if slowdown is None:
            return self._at_least(self._share, throttle)
        if slowdown > throttle.latency_factor:
            self._more = _MORE
            return self._at_least(self._share * _LESS, throttle)
        if slowdown < throttle.latency_factor * _FINE:
            return min(throttle.duty_cycle, self._share * self._more)
        return self._at_least(self._share, throttle)

    def _at_least(self, share: float, throttle: Throttle) -> float:
        """Return the share, or what a sweep of this age is due."""
        doublings = min((self._clock() - self._began) / _PATIENCE_SECONDS, 10.0)
        return min(throttle.duty_cycle, max(share, _LEAST_SHARE * 2**doublings))
