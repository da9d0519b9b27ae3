"""What a thread takes in the checkpoint tables."""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.database import Connection, statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Stored bytes of one thread; compressed values count as stored.

    Attributes:
        checkpoints: how many, and their bytes.
        channel_values: how many versions, and their bytes.
        pending_writes: how many, and their bytes.
        by_channel: versions and bytes of each channel's values.
    """

    checkpoints: tuple[int, int]
    channel_values: tuple[int, int]
    pending_writes: tuple[int, int]
    by_channel: Mapping[str, tuple[int, int]]

    @property
    def total_bytes(self) -> int:
        """Return the bytes of all three tables."""
        return self.checkpoints[1] + self.channel_values[1] + self.pending_writes[1]


async def measure(connection: Connection, thread_id: str) -> Storage:
    """Measure the rows of a thread, all namespaces together."""
    cursor = await connection.execute(statement("measure_thread"), {"thread_id": thread_id})
    rows = await cursor.fetchall()
    by_channel = {
        row["channel"]: (row["items"], row["bytes"])
        for row in rows
        if row["section"] == "channel_values"
    }
    sections = {
        row["section"]: (row["items"], row["bytes"]) for row in rows if row["channel"] is None
    }
    return Storage(
        checkpoints=sections["checkpoints"],
        channel_values=(
            sum(items for items, _ in by_channel.values()),
            sum(size for _, size in by_channel.values()),
        ),
        pending_writes=sections["pending_writes"],
        by_channel=by_channel,
    )
