"""Where threads are in a graph, and how a page that is open hears of it."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from api.streams import frame
from engine.inspection import Place
from engine.runtime import Engine

WATCHED = 20  # threads of a graph whose place is looked up
# The bus tells when runs end and states change; steps inside a run are looked for.
LOOK_SECONDS = 0.5
WORDS: Mapping[str, str] = {"busy": "live", "interrupted": "waiting", "error": "failed"}
RANKS = ("failed", "waiting", "live")  # the last one wins where several threads are


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One thread at one node."""

    thread_id: str
    node: str
    state: str


@dataclass(slots=True, kw_only=True)
class Watch:
    """Looks where the threads of a graph are, or where one thread is.

    Attributes:
        scope: what the metadata of a thread must contain to be looked at.
    """

    engine: Engine
    graph_id: str
    thread_id: str | None = None
    scope: Mapping[str, Any] = field(default_factory=dict)
    _nodes: dict[Place, tuple[str, ...]] = field(default_factory=dict)

    async def positions(self) -> list[Position]:
        """Return the threads that are at a node, last touched first."""
        return [
            Position(thread_id=place.thread_id, node=node, state=WORDS[place.status])
            for place in await self._places()
            if place.status in WORDS
            for node in self._nodes[place]
        ]

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield `places` events: at once, and whenever something moved; without end."""
        told: list[Place] | None = None
        while True:
            places = await self._places()
            if places != told:
                told = places
                moved = {
                    "places": states_of(await self.positions()),
                    "heads": {place.thread_id: place.checkpoint_id for place in places},
                }
                yield frame("places", json.dumps(moved))
            topics = [f"thread:{place.thread_id}" for place in places]
            async with self.engine.bus.subscribe(*topics) as subscription:
                await subscription.wait(LOOK_SECONDS)

    async def _places(self) -> list[Place]:
        places = await self.engine.inspection.places(
            self.graph_id, thread_id=self.thread_id, scope=self.scope, limit=WATCHED
        )
        # Reading a thread's state is the dear part; one that has not moved is known already.
        self._nodes = {
            place: self._nodes[place] if place in self._nodes else await self._next(place)
            for place in places
        }
        return places

    async def _next(self, place: Place) -> tuple[str, ...]:
        state = await self.engine.states.get(place.thread_id)
        return tuple(dict.fromkeys(state["next"]))


def states_of(positions: list[Position]) -> dict[str, str]:
    """Return the state of each node that threads are at."""
    ranked = sorted(positions, key=lambda one: RANKS.index(one.state))
    return {one.node: one.state for one in ranked}
