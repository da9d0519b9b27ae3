"""What everything about gates shares: reading them, locking them, telling of them.

Locks are taken in one order, the thread's row first, then its gates: whoever holds a gate and
wants a run on the thread waits for nobody.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from engine.audit import Audit
from engine.bus import Bus
from engine.database import Connection, Database, statement
from engine.errors import NotFoundError
from engine.gates.gate import Gate
from engine.reviews.question import canonical

TOPIC = "reviews"


class GateListener(Protocol):
    """Hears of everything that happens to a gate, inside the transaction in which it happens."""

    async def __call__(
        self, connection: Connection, gate: Gate, action: str, details: Mapping[str, Any]
    ) -> None:
        """Take note of `action` (`gate.opened`, `gate.decided`, …) on the gate as it was."""


class GateRegister:
    """The gates of the database's tenant; every method joins the caller's transaction."""

    def __init__(self, *, database: Database, audit: Audit, bus: Bus) -> None:
        self._tenant = database.tenant
        self._audit = audit
        self._bus = bus
        self._listeners: list[GateListener] = []

    def listen(self, listener: GateListener) -> None:
        """Let `listener` hear of everything that happens to gates from now on."""
        self._listeners.append(listener)

    async def get(self, connection: Connection, gate_id: str) -> Gate:
        """Return a gate.

        Raises:
            NotFoundError: there is none.
        """
        found = await self._read(connection, [gate_id])
        if not found:
            raise NotFoundError("review", gate_id)
        return found[0]

    async def lock(self, connection: Connection, gate_id: str) -> Gate:
        """Return a gate and keep everybody else from changing it until the transaction ends.

        Raises:
            NotFoundError: there is none.
        """
        seen = await self.get(connection, gate_id)
        await self.lock_thread(connection, seen.thread_id)
        await connection.execute(
            statement("lock_gate"), {"tenant": self._tenant, "gate_id": gate_id}
        )
        return await self.get(connection, gate_id)

    async def lock_thread(self, connection: Connection, thread_id: str) -> None:
        """Lock the thread's row, which comes before its gates in the order of locks."""
        await connection.execute(
            statement("lock_thread"), {"tenant": self._tenant, "thread_id": thread_id}
        )

    async def live(self, connection: Connection, thread_id: str) -> list[Gate]:
        """Return and lock the thread's gates that are open, claimed or scheduled, oldest first."""
        return await self._of_thread(connection, thread_id, ())

    async def link_run(self, connection: Connection, gate_ids: Sequence[str], run_id: str) -> None:
        """Remember the run that carries the answers of these gates."""
        await connection.execute(
            statement("link_gates_to_run"),
            {"tenant": self._tenant, "gate_ids": list(gate_ids), "run_id": run_id},
        )

    async def note(
        self,
        connection: Connection,
        gate: Gate,
        action: str,
        *,
        actor: str,
        via: str,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a line about a gate into the audit log and wake who watches reviews."""
        await self._audit.append(
            connection,
            actor=actor,
            via=via,
            action=action,
            thread_id=gate.thread_id,
            run_id=gate.run_id,
            gate_id=gate.gate_id,
            details=details,
        )
        event = {"gate_id": gate.gate_id, "thread_id": gate.thread_id, "action": action}
        await self._bus.notify(connection, TOPIC, canonical(event))
        for listener in self._listeners:
            await listener(connection, gate, action, details or {})

    # Inside

    async def _of_thread(
        self, connection: Connection, thread_id: str, interrupt_ids: Sequence[str]
    ) -> list[Gate]:
        """Lock the thread's live gates and every one under these interrupts; oldest first."""
        cursor = await connection.execute(
            statement("lock_thread_gates"),
            {
                "tenant": self._tenant,
                "thread_id": thread_id,
                "interrupt_ids": list(interrupt_ids),
            },
        )
        locked = [row["gate_id"] for row in await cursor.fetchall()]
        return await self._read(connection, locked) if locked else []

    async def _last_settled(self, connection: Connection, thread_id: str) -> Gate | None:
        cursor = await connection.execute(
            statement("find_settled_gate"), {"tenant": self._tenant, "thread_id": thread_id}
        )
        row = await cursor.fetchone()
        return None if row is None else await self.get(connection, row["gate_id"])

    async def _read(self, connection: Connection, gate_ids: Sequence[str]) -> list[Gate]:
        cursor = await connection.execute(
            statement("read_gates"), {"tenant": self._tenant, "gate_ids": list(gate_ids)}
        )
        return [Gate.from_row(row) for row in await cursor.fetchall()]
