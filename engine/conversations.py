"""Where somebody who joins a thread's protocol stream without a number begins to read.

A conversation lasts while anybody is connected: who joins it sees it from its beginning. When all
have left, what they saw is over, and the next to come begins with the thread's unfinished run. A
run that ended before its own client could connect is shown to that client.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from engine.database import Database, statement

# A client starts a run, then connects: its run may be over by then.
UNSEEN_SECONDS = 30.0
MAX_REMEMBERED = 10_000  # threads; forgetting one may show its last run again


@dataclass(slots=True)
class _Conversation:
    begins_after: int
    connected: int = 0


@dataclass(slots=True, kw_only=True)
class Conversations:
    """The conversations of this process."""

    database: Database
    _open: dict[str, _Conversation] = field(default_factory=dict, init=False)
    _seen: OrderedDict[str, int] = field(default_factory=OrderedDict, init=False)

    async def join(self, thread_id: str) -> int:
        """Enter a thread's conversation; returns the id after which reading begins."""
        # Asked first, needed or not: meanwhile a client that has just left is noticed.
        begins_after = await self._find_start(thread_id)
        conversation = self._open.setdefault(thread_id, _Conversation(begins_after))
        conversation.connected += 1
        return conversation.begins_after

    def leave(self, thread_id: str, *, seen: int) -> None:
        """Go away, having seen the events up to `seen`."""
        self._seen[thread_id] = max(seen, self._seen.get(thread_id, -1))
        self._seen.move_to_end(thread_id)
        if len(self._seen) > MAX_REMEMBERED:
            self._seen.popitem(last=False)
        conversation = self._open.get(thread_id)
        if conversation is not None:
            conversation.connected -= 1
            if conversation.connected <= 0:
                del self._open[thread_id]

    async def _find_start(self, thread_id: str) -> int:
        seen = self._seen.get(thread_id, -1)
        parameters = {
            "tenant": self.database.tenant,
            "thread_id": thread_id,
            "seen": seen,
            "unseen_seconds": UNSEEN_SECONDS,
        }
        async with self.database.pool.connection() as connection:
            cursor = await connection.execute(statement("find_replay_start"), parameters)
            (row,) = await cursor.fetchall()
        return int(row["seq"])
