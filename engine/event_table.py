"""The table `run_events`: events that were kept, under numbers that grow along a thread."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from engine.database import Connection, Database, statement
from engine.streaming import StreamEvent

READ_BATCH_ROWS = 500
RETENTION_SECONDS = 3600.0
TIDY_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event with its place: `seq` is None when it was never kept."""

    run_id: str
    seq: int | None
    event: StreamEvent


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """A row of the table.

    Attributes:
        announce: whether followers in other processes are told of it.
    """

    run_id: str
    seq: int
    thread_id: str
    event: StreamEvent
    announce: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTable:
    """The kept events of the database's tenant.

    What is followed, a run or a thread, is named by a key: `run_key`, `thread_key`.
    """

    database: Database

    async def insert(self, connection: Connection, events: Sequence[KeptEvent]) -> None:
        """Keep events, in the caller's transaction."""
        await connection.execute(
            statement("insert_events"),
            {
                "tenant": self.database.tenant,
                "run_ids": [kept.run_id for kept in events],
                "seqs": [kept.seq for kept in events],
                "thread_ids": [kept.thread_id for kept in events],
                "events": [kept.event.event for kept in events],
                "data": [kept.event.data for kept in events],
            },
        )

    async def next_block(self) -> int:
        """Return a number above every block of numbers so far."""
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(statement("take_event_block"))
            row = await cursor.fetchone()
        return int(row["block"]) if row is not None else 0

    async def get_last_seq(self, key: str) -> int:
        """Return the number of the last kept event, -1 without one."""
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(
                statement(f"get_last_event_of_{kind_of(key)}"),
                {"tenant": self.database.tenant, "id": identifier(key)},
            )
            row = await cursor.fetchone()
        return int(row["seq"]) if row is not None and row["seq"] is not None else -1

    async def read(self, key: str, last: int) -> AsyncIterator[Recorded]:
        """Yield the kept events after the number `last`, in order."""
        while True:
            async with self.database.pool.connection() as connection:
                cursor = await connection.execute(
                    statement(f"list_events_of_{kind_of(key)}"),
                    {
                        "tenant": self.database.tenant,
                        "id": identifier(key),
                        "after": last,
                        "limit": READ_BATCH_ROWS,
                    },
                )
                rows = await cursor.fetchall()
            for row in rows:
                last = int(row["seq"])
                yield Recorded(row["run_id"], last, StreamEvent(row["event"], row["data"]))
            if len(rows) < READ_BATCH_ROWS:
                return

    async def is_run_over(self, run_id: str) -> bool:
        """Tell whether a run is final or gone, so that no more events come."""
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(
                statement("is_run_over"), {"tenant": self.database.tenant, "run_id": run_id}
            )
            row = await cursor.fetchone()
        return row is None or bool(row["over"])

    async def tidy(self) -> int:
        """Delete events that nobody will ask for any more; returns how many."""
        async with self.database.transaction() as connection:
            cursor = await connection.execute(
                statement("delete_old_events"),
                {
                    "tenant": self.database.tenant,
                    "retention_seconds": RETENTION_SECONDS,
                    "limit": TIDY_ROWS,
                },
            )
            return cursor.rowcount


def run_key(run_id: str) -> str:
    """Return the key of a run."""
    return f"run:{run_id}"


def thread_key(thread_id: str) -> str:
    """Return the key of a thread."""
    return f"thread:{thread_id}"


def kind_of(key: str) -> str:
    """Return `run` or `thread`."""
    return key.partition(":")[0]


def identifier(key: str) -> str:
    """Return the id in a key."""
    return key.partition(":")[2]
