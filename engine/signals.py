"""Events from outside for a thread: kept when they come early, delivered once, never twice."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from engine.audit import Audit
from engine.database import Connection, Database, statement
from engine.errors import GoneError, InvalidDecisionError, InvalidValueError, NotFoundError
from engine.gates.answers import said
from engine.gates.book import Gates
from engine.gates.gate import UNANSWERED, Gate
from engine.reviews.decision import Decision
from engine.reviews.dialects.answers import encode
from engine.reviews.schemas import coerce
from engine.reviews.service import ResumeLedger
from engine.values import check_size, jsonb, text

log = logging.getLogger(__name__)

MAX_NAME_LENGTH = 200
# Less than an answer may have, which is the payload and a little around it.
MAX_PAYLOAD_BYTES = 1_000_000
LIST_LIMIT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """An event that was received.

    Attributes:
        name: what happened, such as `payment_received`.
        signal_id: the sender's own id; the same event sent again is absorbed by it.
        delivered_at: when a gate took it; None while it waits for one.
        gate_id: the gate that took it.
    """

    name: str
    signal_id: str
    payload: Any
    received_at: datetime
    delivered_at: datetime | None
    gate_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of an event: `duplicate` when the same one was received before."""

    signal: Signal
    duplicate: bool


class Signals:
    """Receives events and gives them to the gates that wait for them."""

    def __init__(
        self, *, database: Database, gates: Gates, runs: ResumeLedger, audit: Audit
    ) -> None:
        self._tenant = database.tenant
        self._database = database
        self._gates = gates
        self._runs = runs
        self._audit = audit

    async def send(
        self,
        connection: Connection,
        *,
        thread_id: str,
        name: str,
        payload: Any,
        signal_id: str | None = None,
        actor: str,
        via: str,
    ) -> Receipt:
        """Keep an event, and give it to the oldest gate of the thread that waits for this name.

        Raises:
            NotFoundError: there is no such thread.
            InvalidValueError: the name or id is empty or too long, or the payload too large.
            InvalidDecisionError: a gate waits, and the payload does not fit its schema; nothing
                is kept, so that the sender can send it right.
        """
        _check_name("/name", name)
        if signal_id is not None:
            _check_name("/id", signal_id)
        check_size(payload, "/payload", at_most=MAX_PAYLOAD_BYTES)
        await self._lock_thread(connection, thread_id)
        key = {
            "tenant": self._tenant,
            "thread_id": thread_id,
            "name": text(name),
            "signal_id": text(signal_id) if signal_id is not None else str(uuid4()),
        }
        cursor = await connection.execute(
            statement("insert_signal"), {**key, "payload": jsonb(payload)}
        )
        row = await cursor.fetchone()
        if row is None:
            return Receipt(signal=await self._read(connection, key), duplicate=True)
        await self._audit.append(
            connection,
            actor=actor,
            via=via,
            action="signal.received",
            thread_id=thread_id,
            details={"name": name, "id": key["signal_id"]},
        )
        for gate in await self._gates.live(connection, thread_id):
            if gate.state in UNANSWERED and gate.signal_name == name:
                # One that just expired takes nothing any more; the event waits for the next.
                with suppress(GoneError):
                    await self._deliver(connection, gate, Signal(**row))
                    break
        return Receipt(signal=await self._read(connection, key), duplicate=False)

    async def list(self, thread_id: str) -> Sequence[Signal]:
        """Return the events of a thread, oldest first."""
        async with self._database.pool.connection() as connection:
            return await self._list(connection, thread_id, name=None, only_waiting=False)

    async def on_gate(
        self, connection: Connection, gate: Gate, action: str, details: Mapping[str, Any]
    ) -> None:
        """Answer a gate that has just opened with an event that came before it."""
        if action != "gate.opened" or gate.signal_name is None:
            return
        waiting = await self._list(
            connection, gate.thread_id, name=gate.signal_name, only_waiting=True
        )
        for signal in waiting:
            try:
                await self._deliver(connection, gate, signal)
            except InvalidDecisionError as error:
                # It came when nobody could check it. It stays, and so does the question.
                await self._gates.note(
                    connection,
                    gate,
                    "signal.refused",
                    actor="system",
                    via="system",
                    details={"name": signal.name, "id": signal.signal_id, "error": str(error)},
                )
                continue
            return

    async def _deliver(self, connection: Connection, gate: Gate, signal: Signal) -> None:
        question = gate.question
        value = coerce(question.answer_schema, signal.payload)
        decision = Decision(type="answer", value=value)
        answer = encode(question, [decision], response_schema=gate.response_schema)
        actor, via = f"signal:{signal.name}", "signal"
        decided = await self._gates.decide(
            connection,
            gate,
            decision=said([decision], signal_id=signal.signal_id),
            answer=answer,
            actor=actor,
            via=via,
        )
        await connection.execute(
            statement("deliver_signal"),
            {
                "tenant": self._tenant,
                "thread_id": gate.thread_id,
                "name": signal.name,
                "signal_id": signal.signal_id,
                "gate_id": gate.gate_id,
            },
        )
        run = await self._runs.submit_resume(
            connection,
            thread_id=gate.thread_id,
            values={decided.interrupt_id: decided.answer},
            gate_ids=[gate.gate_id],
            parent_run_id=gate.run_id,
            actor=actor,
            via=via,
        )
        await self._gates.link_run(connection, [gate.gate_id], run.run_id)

    async def _lock_thread(self, connection: Connection, thread_id: str) -> None:
        cursor = await connection.execute(
            statement("lock_thread"), {"tenant": self._tenant, "thread_id": thread_id}
        )
        if await cursor.fetchone() is None:
            raise NotFoundError("thread", thread_id)

    async def _read(self, connection: Connection, key: Mapping[str, Any]) -> Signal:
        cursor = await connection.execute(statement("read_signal"), key)
        return Signal(**(await cursor.fetchall())[0])

    async def _list(
        self, connection: Connection, thread_id: str, *, name: str | None, only_waiting: bool
    ) -> Sequence[Signal]:
        cursor = await connection.execute(
            statement("list_signals"),
            {
                "tenant": self._tenant,
                "thread_id": thread_id,
                "name": name,
                "only_waiting": only_waiting,
                "limit": LIST_LIMIT,
            },
        )
        return [Signal(**row) for row in await cursor.fetchall()]


def _check_name(pointer: str, value: str) -> None:
    if not value.strip() or len(value) > MAX_NAME_LENGTH:
        raise InvalidValueError(pointer, f"1 to {MAX_NAME_LENGTH} characters", value)
