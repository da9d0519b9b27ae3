"""Threads in memory: what nobody prunes need not be in Postgres, and runs faster here."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver

from tests.pruner.zoo import Driver, Shape


@dataclass(slots=True)
class Memory:
    """LangGraph's saver in memory, with what the oracle asks of a place that holds threads."""

    saver: InMemorySaver = field(default_factory=InMemorySaver)
    graphs: dict[str, Any] = field(default_factory=dict)

    def driver(self, shape: Shape, thread_id: str, durability: str) -> Driver:
        """Return a driver of `thread_id`; one graph per shape serves all threads."""
        if shape.name not in self.graphs:
            self.graphs[shape.name] = shape.build(self.saver)
        return Driver(self.graphs[shape.name], thread_id, durability, home=self)

    def clone(self, source: str, target: str) -> str:
        """Copy a thread under another thread id."""
        for namespace, rows in self.saver.storage[source].items():
            self.saver.storage[target][namespace] = dict(rows)
        for place in (self.saver.writes, self.saver.blobs):
            for key in [key for key in place if key[0] == source]:
                value = place[key]
                place[target, *key[1:]] = dict(value) if isinstance(value, dict) else value
        return target

    def forget(self, thread_id: str) -> None:
        """Delete a thread."""
        self.saver.delete_thread(thread_id)

    def ids(self, thread_id: str) -> list[str]:
        """Return the ids of the root graph's checkpoints, newest first."""
        return sorted(self.saver.storage[thread_id][""], reverse=True)

    def places(self, thread_id: str) -> dict[str, tuple[int | None, str | None]]:
        """Return step and source of each of the root graph's checkpoints, newest first, by id."""
        checkpoints = self.saver.storage[thread_id][""]
        read = self.saver.serde.loads_typed
        found = {each: read(checkpoints[each][1]) for each in self.ids(thread_id)}
        return {each: (known.get("step"), known.get("source")) for each, known in found.items()}

    def fingerprint(self, thread_id: str) -> Hashable:
        """Return a hash of all that the thread consists of."""
        rows = [
            (namespace, checkpoint_id, row)
            for namespace, checkpoints in self.saver.storage[thread_id].items()
            for checkpoint_id, row in checkpoints.items()
        ]
        writes = [
            (key, tuple(row.items()))
            for key, row in self.saver.writes.items()
            if key[0] == thread_id
        ]
        blobs = [item for item in self.saver.blobs.items() if item[0][0] == thread_id]
        return hash((tuple(rows), tuple(writes), tuple(blobs)))
