"""Checkpoints on their way to Postgres: what belongs together travels, and commits, together.

LangGraph hands a superstep over in pieces: what each task wrote, one by one, then the checkpoint.
It waits for the checkpoint; the tasks' writes, which spare finished tasks a repetition, it saves
behind the run. So those may wait a moment for the checkpoint that nearly always follows them, and
one statement stores the lot: one round trip and one commit per superstep, all or nothing.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, islice
from typing import Any, NamedTuple

from psycopg import sql

from engine.database import Connection, statement

# What nobody waits for leaves after this long, and after as many turns of a loop that is busy.
PATIENCE_SECONDS = 0.005
PATIENCE_TURNS = 8
# A statement takes 65,535 parameters; a row of writes has nine.
MAX_ROWS = 1_000


class CheckpointRow(NamedTuple):
    """A row of `checkpoints`; the last two are JSON text."""

    thread_id: str
    checkpoint_ns: str
    checkpoint_id: str
    parent_checkpoint_id: str | None
    checkpoint: str
    metadata: str


ValueRow = tuple[str, str, str, str, str, bytes | None]
"""A row of `checkpoint_blobs`: thread, namespace, channel, version, type, blob."""

WriteRow = tuple[str, str, str, str, str, int, str, str, bytes]
"""A row of `checkpoint_writes`: thread, namespace, checkpoint, task, path, place, channel, …."""


@dataclass(slots=True)
class Batch:
    """Pieces that are stored together.

    Attributes:
        writes: by thread, namespace, checkpoint, task and place; the first one stays.
        replacing: the same, where the last one stays.
        stored: resolved with the commit, or with what went wrong.
    """

    checkpoints: dict[Sequence[str], CheckpointRow] = field(default_factory=dict)
    values: dict[Sequence[str], ValueRow] = field(default_factory=dict)
    writes: dict[Sequence[Any], WriteRow] = field(default_factory=dict)
    replacing: dict[Sequence[Any], WriteRow] = field(default_factory=dict)
    stored: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    async def store(self, connection: Connection) -> None:
        """Store everything in one transaction, that of the caller if there is one."""
        statements = list(self._statements())
        if len(statements) < 2:
            for query, parameters in statements:
                await connection.execute(query, parameters)
            return
        async with connection.pipeline(), connection.transaction():
            for query, parameters in statements:
                await connection.execute(query, parameters)

    def _statements(self) -> Iterator[tuple[bytes, list[Any]]]:
        for some in batched(self.replacing.values()):
            yield _query(replace_writes=len(some)), list(chain(*some))
        writes, values, checkpoints = (
            list(table.values()) for table in (self.writes, self.values, self.checkpoints)
        )
        counts = {
            "insert_writes": len(writes),
            "insert_values": len(values),
            "insert_checkpoints": len(checkpoints),
        }
        if 0 < sum(counts.values()) <= MAX_ROWS:
            yield _query(**counts), list(chain(*writes, *values, *checkpoints))
            return
        for name, rows in zip(counts, (writes, values, checkpoints), strict=True):
            for some in batched(rows):
                yield _query(**{name: len(some)}), list(chain(*some))


class CheckpointWriter:
    """Gathers the pieces of one run and stores them in order.

    What went wrong with a piece that nobody waited for is told to whoever stores next.
    """

    def __init__(self, exclusive: Callable[[], AbstractAsyncContextManager[Connection]]) -> None:
        """Keep how to get at the connection between two other operations on it."""
        self._exclusive = exclusive
        self._batch: Batch | None = None
        self._timer: asyncio.Handle | None = None
        self._sending: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    @property
    def batch(self) -> Batch:
        """What is gathered at the moment."""
        if self._batch is None:
            self._batch = Batch()
        return self._batch

    def add_checkpoint(self, row: CheckpointRow, values: Iterable[ValueRow]) -> None:
        """Gather a checkpoint and the values that are new in it."""
        self.batch.checkpoints[row[:3]] = row
        self.batch.values.update((value[:4], value) for value in values)

    def add_writes(self, rows: Iterable[WriteRow], *, replacing: bool) -> None:
        """Gather what a task wrote."""
        batch = self.batch
        for row in rows:
            key = (*row[:4], row[5])
            if replacing:
                batch.replacing[key] = row
            else:
                batch.writes.setdefault(key, row)

    async def store(self) -> None:
        """Store what is gathered now, and return when it is committed.

        Raises:
            psycopg.Error: it is not, or something before it was not.
        """
        if (batch := self._batch) is not None:
            async with self._exclusive() as connection:
                if not batch.stored.done():
                    await self.store_within(connection)
            await batch.stored
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def store_soon(self) -> None:
        """Store what is gathered now with what comes next, or by itself in a moment."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(PATIENCE_SECONDS, self._turn, PATIENCE_TURNS)

    async def store_within(self, connection: Connection) -> None:
        """Store what is gathered on a connection that the caller holds for itself.

        In the caller's pipeline the statement travels with what follows it.
        """
        batch, self._batch = self._batch, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if batch is None:
            return
        try:
            await batch.store(connection)
        except BaseException as error:
            batch.stored.set_exception(
                error if isinstance(error, Exception) else ConnectionAbortedError("cut short")
            )
            batch.stored.exception()  # told to whoever waits, no news for the log
            raise
        batch.stored.set_result(None)

    # Inside

    def _turn(self, turns_left: int) -> None:
        if turns_left:
            self._timer = asyncio.get_running_loop().call_soon(self._turn, turns_left - 1)
            return
        self._timer = None
        self._sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        try:
            await self.store()
        except Exception as error:
            self._failure = self._failure or error


def batched(rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    """Yield rows in lists that one statement can take."""
    waiting = iter(rows)
    while some := list(islice(waiting, MAX_ROWS)):
        yield some


@lru_cache(maxsize=1_000)
def _query(**counts: int) -> bytes:
    """Return one statement that inserts so many rows by each of the named ones.

    The shapes are few, so the server keeps them prepared.
    """
    inserts = [(name, _with_rows(name, count)) for name, count in counts.items() if count]
    *others, (_, last) = inserts
    if not others:
        return last.as_bytes()
    parts = [sql.SQL("{} AS ({})").format(sql.Identifier(name), insert) for name, insert in others]
    return sql.SQL("WITH {} {}").format(sql.SQL(", ").join(parts), last).as_bytes()


def _with_rows(name: str, count: int) -> sql.Composed:
    template = statement(name).decode()
    columns = template.partition("(")[2].partition(")")[0].count(",") + 1
    row = sql.SQL("({})").format(sql.SQL(", ").join([sql.Placeholder()] * columns))
    return sql.SQL(template).format(rows=sql.SQL(", ").join([row] * count))
