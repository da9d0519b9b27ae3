"""What happens to reviews, as it happens, for whoever watches."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from engine.bus import Bus
from engine.gates.register import TOPIC

# A watcher that is so far behind reads the list again instead.
BACKLOG = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewEvent:
    """Something happened to a review; `name` is `resync` when events may have been missed.

    Attributes:
        name: `opened`, `reproposed`, `claimed`, `scheduled`, `decided`, `expired`, …
        review_id: empty for `resync`.
        thread_id: empty for `resync`.
    """

    name: str
    review_id: str = ""
    thread_id: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the event as JSON shapes."""
        return {"review_id": self.review_id, "thread_id": self.thread_id, "event": self.name}


RESYNC = ReviewEvent(name="resync")


class Feed:
    """Hands the bus's news about reviews to every watcher of this process."""

    def __init__(self, bus: Bus) -> None:
        self._watchers: set[asyncio.Queue[ReviewEvent]] = set()
        bus.handle(TOPIC, self._receive)

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[AsyncIterator[ReviewEvent]]:
        """Yield the events from now on, without end; in force before the body starts."""
        queue: asyncio.Queue[ReviewEvent] = asyncio.Queue(BACKLOG)
        self._watchers.add(queue)
        try:
            yield _events(queue)
        finally:
            self._watchers.discard(queue)

    @property
    def watchers(self) -> int:
        """How many watch in this process."""
        return len(self._watchers)

    def _receive(self, _topic: str, payload: str) -> None:
        event = _read(payload)
        for queue in self._watchers:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(RESYNC)
            else:
                queue.put_nowait(event)


async def _events(queue: asyncio.Queue[ReviewEvent]) -> AsyncIterator[ReviewEvent]:
    while True:
        yield await queue.get()


def _read(payload: str) -> ReviewEvent:
    if not payload:
        return RESYNC
    told: Mapping[str, Any] = json.loads(payload)
    return ReviewEvent(
        name=str(told["action"]).rpartition(".")[2],
        review_id=str(told["gate_id"]),
        thread_id=str(told["thread_id"]),
    )
