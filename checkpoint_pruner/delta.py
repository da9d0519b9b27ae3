"""DeltaChannel values stored at the edge of the window, so that the history before it may go."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from psycopg import Connection

from checkpoint_pruner.statements import planned, statement


class Boundary(NamedTuple):
    """A kept checkpoint whose history is to go, with the channels it would lose."""

    thread_id: str
    checkpoint_ns: str
    checkpoint_id: str
    graph_id: str | None
    channels: list[str]


class DeltaSnapshotter(Protocol):
    """Rebuilds DeltaChannel values; needs the graph, whose reducers the database does not hold."""

    def values(self, boundary: Boundary) -> Mapping[str, tuple[str, bytes]]:
        """Return the serialised snapshot of each channel as `(type, blob)`.

        A channel that is left out keeps its history. An empty mapping says that the graph of
        the thread is not known here.
        """
        ...


class Snapshot(NamedTuple):
    """One value to store."""

    boundary: Boundary
    channel: str
    type: str
    blob: bytes


def rebuild(
    connection: Connection[Any], parameters: Mapping[str, Any], snapshotter: DeltaSnapshotter
) -> list[Snapshot]:
    """Ask the snapshotter for the values that the plan's window would lose.

    Reads only, and outside the transaction that deletes: replaying a long history takes time.
    """
    rows = connection.execute(planned("select_boundaries"), parameters).fetchall()
    return [
        Snapshot(boundary, channel, kind, blob)
        for boundary in map(Boundary._make, rows)
        for channel, (kind, blob) in snapshotter.values(boundary).items()
    ]


def store(connection: Connection[Any], snapshots: Iterable[Snapshot]) -> int:
    """Store values as LangGraph's own snapshots; a pure addition, harmless on its own.

    Returns:
        Checkpoints that now hold the value themselves.
    """
    stored = 0
    for boundary, channel, kind, blob in snapshots:
        row = connection.execute(
            statement("store_snapshot"),
            {
                "thread_id": boundary.thread_id,
                "checkpoint_ns": boundary.checkpoint_ns,
                "checkpoint_id": boundary.checkpoint_id,
                "channel": channel,
                "type": kind,
                "blob": blob,
            },
        )
        stored += row.rowcount
    return stored
