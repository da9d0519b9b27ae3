"""Durable timers of gates: the moment is data in the row, this only looks who is due.

A timer meets a person in the same compare-and-set: whoever changes the row first has decided. All
times are the database's; a process that was down fires what is overdue when it is back.
"""

import asyncio
import logging
import random
from typing import Any

from engine.database import Connection, Database, statement
from engine.errors import InvalidDecisionError, NotFoundError
from engine.gates.book import Gates
from engine.gates.gate import UNANSWERED, Gate
from engine.reviews.dialects.answers import expiry_answer
from engine.reviews.service import Reviews
from engine.values import jsonb

log = logging.getLogger(__name__)

BATCH = 100
# Few enough to leave connections of the pool to others.
AT_ONCE = 3
TIMER = "timer"


class Timers:
    """Fires what is due at gates; any number of processes may do so at once."""

    def __init__(self, *, database: Database, gates: Gates, reviews: Reviews) -> None:
        self._database = database
        self._gates = gates
        self._reviews = reviews

    async def fire_due(self) -> int:
        """Do everything that is due now, some gates at a time; return how many were woken.

        A gate that cannot be served is logged and does not keep the others waiting.
        """
        fired, seen = 0, set[str]()
        while True:
            due = [gate_id for gate_id in await self._due() if gate_id not in seen]
            seen.update(due)
            # Not in the order in which every other process comes to them, and waits for them.
            random.shuffle(due)
            places = asyncio.Semaphore(AT_ONCE)
            fired += sum(await asyncio.gather(*(self._try(gate_id, places) for gate_id in due)))
            if len(due) < BATCH:
                return fired

    async def fire(self, gate_id: str) -> bool:
        """Do what is due at one gate; false when there was nothing to do any more."""
        async with self._database.transaction() as connection:
            gate = await self._gates.lock(connection, gate_id)
            if gate.wake_at is None or gate.wake_at > gate.read_at:
                return False
            if gate.state == "scheduled":
                return await self._reviews.finalise(connection, gate)
            if gate.state not in UNANSWERED:
                return False
            if gate.expires_at is not None and gate.expires_at <= gate.read_at:
                return await self._expire(connection, gate)
            await self._wake(connection, gate)
            return True

    async def _try(self, gate_id: str, places: asyncio.Semaphore) -> bool:
        async with places:
            try:
                return await self.fire(gate_id)
            except NotFoundError:
                return False  # deleted with its thread
            except Exception:
                log.exception("timer_failed", extra={"gate_id": gate_id})
                return False

    async def _due(self) -> list[str]:
        async with self._database.pool.connection() as connection:
            cursor = await connection.execute(
                statement("list_due_gates"), {"tenant": self._database.tenant, "limit": BATCH}
            )
            return [str(row["gate_id"]) for row in await cursor.fetchall()]

    async def _wake(self, connection: Connection, gate: Gate) -> None:
        now, key = gate.read_at, self._key(gate)
        if gate.claim_until is not None and gate.claim_until <= now:
            await connection.execute(statement("release_gate"), key)
            await self._note(connection, gate, "gate.claim_lapsed", was=gate.claimed_by)
        if gate.snoozed_until is not None and gate.snoozed_until <= now:
            await connection.execute(statement("snooze_gate"), {**key, "until": None})
            await self._note(connection, gate, "gate.woken")
        if gate.remind_at is not None and gate.remind_at <= now:
            await connection.execute(statement("clear_reminder"), key)
            await self._note(connection, gate, "gate.reminded")
        if gate.escalate_at is not None and gate.escalate_at <= now:
            await self._escalate(connection, gate)

    async def _expire(self, connection: Connection, gate: Gate) -> bool:
        question = gate.question
        answer: Any = None
        if gate.on_expiry["action"] != "escalate":
            try:
                answer = expiry_answer(question, response_schema=gate.response_schema)
            except InvalidDecisionError as error:
                # Checked when the gate was recorded; a person is asked rather than nobody.
                log.warning("expiry_untold", extra={"gate_id": gate.gate_id, "error": str(error)})
                await self._escalate(connection, gate)
                return True
        if gate.on_expiry["action"] == "escalate":
            await self._escalate(connection, gate)
            return True
        decision = {"type": "expired", "on_expiry": dict(gate.on_expiry)}
        cursor = await connection.execute(
            statement("expire_gate"),
            {
                **self._key(gate),
                "decision": jsonb(decision),
                "answer": jsonb(answer),
                "actor": TIMER,
            },
        )
        if await cursor.fetchone() is None:
            return False
        await self._reviews.resume(connection, await self._gates.get(connection, gate.gate_id))
        await self._note(connection, gate, "gate.expired", decision=decision)
        return True

    async def _escalate(self, connection: Connection, gate: Gate) -> None:
        """Ask the next in the chain; without one the question stays open without a deadline."""
        hop = gate.escalations[0] if gate.escalations else None
        rest = list(gate.escalations[1:])
        expired = gate.expires_at is not None and gate.expires_at <= gate.read_at
        window = (gate.expires_at - gate.created_at).total_seconds() if gate.expires_at else None
        await connection.execute(
            statement("escalate_gate"),
            {
                **self._key(gate),
                "assignees": list(hop["to"]) if hop else [],
                "escalations": jsonb(rest),
                "escalate_in_seconds": rest[0]["after_seconds"] if rest else None,
                "expires_in_seconds": window if hop else None,
            },
        )
        now = await self._gates.get(connection, gate.gate_id)
        if hop:
            await self._note(
                connection,
                now,
                "gate.escalated",
                to=list(hop["to"]),
                was=list(gate.assignees),
                expired=expired,
            )
        else:
            await self._note(connection, now, "gate.overdue", assignees=list(gate.assignees))

    def _key(self, gate: Gate) -> dict[str, Any]:
        return {"tenant": self._database.tenant, "gate_id": gate.gate_id}

    async def _note(self, connection: Connection, gate: Gate, action: str, **details: Any) -> None:
        await self._gates.note(connection, gate, action, actor=TIMER, via=TIMER, details=details)
