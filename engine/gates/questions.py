"""What a graph asks becomes gates: opened, kept, asked anew, superseded.

LangGraph names an interrupt by a hash of its task and of how many answers the task already has.
So the name is the same in a copy of the thread, and again when a rolled back thread comes to the
same question; `gate_id` is the interrupt id for the first of them and gets `.2`, `.3` … after.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from engine.audit import Audit
from engine.bus import Bus
from engine.database import Connection, Database, statement
from engine.gates.gate import LIVE, Gate
from engine.gates.register import GateRegister
from engine.reviews.dialects.questions import normalise
from engine.reviews.question import Question, canonical
from engine.runs.run import PendingInterrupt, Run
from engine.values import jsonb, ordered_json, text, to_storable_json


class Questions(GateRegister):
    """Opens and closes gates as the graph comes to its questions and leaves them.

    `defaults` holds, by graph id, the `review` fields for gates that do not say them.
    """

    def __init__(
        self,
        *,
        database: Database,
        audit: Audit,
        bus: Bus,
        defaults: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(database=database, audit=audit, bus=bus)
        self._defaults = defaults or {}

    async def record_pending(
        self, connection: Connection, run: Run, pending: Sequence[PendingInterrupt]
    ) -> list[str]:
        """Make the thread's gates those that its head waits at; return the ids that are new.

        Called when a run has ended, with everything that is pending then. A question that is
        still pending keeps its gate, with another version if the proposal changed; one that is
        not pending any more is superseded; a decided one that is pending again is asked anew, if
        nobody carries its answer any more and the graph has not kept it.
        """
        await self.lock_thread(connection, run.thread_id)
        ids = [interrupt.interrupt_id for interrupt in pending]
        gates = await self._of_thread(connection, run.thread_id, ids)
        carried = await self._carried(connection, gates, run)
        opened: list[str] = []
        for interrupt in pending:
            earlier = [gate for gate in gates if gate.interrupt_id == interrupt.interrupt_id]
            current = next((gate for gate in earlier if gate.state in LIVE), None)
            if current is not None:
                await self._keep(connection, run, interrupt, current)
            elif not await self._answered(connection, interrupt, run.thread_id, earlier, carried):
                opened.append(await self._open(connection, run, interrupt, earlier))
        for gate in gates:
            if gate.state in LIVE and gate.interrupt_id not in ids:
                await self._withdraw(
                    connection,
                    gate,
                    state="superseded",
                    actor="system",
                    via="system",
                    reason="the graph no longer waits for it",
                )
        return opened

    async def cancel_open(
        self, connection: Connection, thread_id: str, *, reason: str, actor: str, via: str
    ) -> list[str]:
        """Close the thread's unsettled gates as cancelled and return their ids."""
        await self.lock_thread(connection, thread_id)
        gates = await self.live(connection, thread_id)
        for gate in gates:
            await self._withdraw(
                connection, gate, state="cancelled", actor=actor, via=via, reason=reason
            )
        return [gate.gate_id for gate in gates]

    async def is_answer_stored(
        self,
        connection: Connection,
        *,
        thread_id: str,
        checkpoint_ns: str,
        checkpoint_id: str,
        task_id: str,
    ) -> bool:
        """Tell whether LangGraph keeps an answer for a task that asks."""
        cursor = await connection.execute(
            statement("is_answer_stored"),
            {
                "thread_id": thread_id,
                "checkpoint_ns": checkpoint_ns,
                "checkpoint_id": checkpoint_id,
                "task_id": task_id,
            },
        )
        return bool((await cursor.fetchall())[0]["stored"])

    # Inside

    async def _carried(
        self, connection: Connection, gates: Sequence[Gate], ended: Run
    ) -> frozenset[str]:
        """Return the runs, other than the one that ended, that still carry answers of `gates`."""
        run_ids = {gate.resume_run_id for gate in gates if gate.resume_run_id} - {ended.run_id}
        cursor = await connection.execute(
            statement("list_live_runs"), {"tenant": self._tenant, "run_ids": sorted(run_ids)}
        )
        return frozenset(str(row["run_id"]) for row in await cursor.fetchall())

    async def _answered(
        self,
        connection: Connection,
        interrupt: PendingInterrupt,
        thread_id: str,
        earlier: Sequence[Gate],
        carried: frozenset[str],
    ) -> bool:
        """Tell whether a pending question has its answer all the same.

        LangGraph keeps an answer before the node goes on with it. When the node fails then, the
        question stays pending, and the kept answer is used whatever is answered next: to ask
        again would be to let somebody reject what is then done.
        """
        if any(gate.resume_run_id in carried for gate in earlier if gate.resume_run_id):
            return True
        if not any(gate.state in ("decided", "expired") for gate in earlier):
            return False
        return await self.is_answer_stored(
            connection,
            thread_id=thread_id,
            checkpoint_ns=interrupt.checkpoint_ns,
            checkpoint_id=interrupt.checkpoint_id,
            task_id=interrupt.task_id,
        )

    def _question(self, graph_id: str, interrupt: PendingInterrupt) -> tuple[Any, Question]:
        """Return an interrupt's value as JSON shapes that Postgres can hold, and the question."""
        value = json.loads(to_storable_json(interrupt.value))
        question = normalise(
            value,
            interrupt.response_schema,
            node=interrupt.node,
            defaults=self._defaults.get(graph_id),
        )
        return value, question

    async def _open(
        self,
        connection: Connection,
        run: Run,
        interrupt: PendingInterrupt,
        earlier: Sequence[Gate],
    ) -> str:
        value, question = self._question(run.graph_id, interrupt)
        proposer = question.policy.proposer
        if proposer is None and question.policy.four_eyes:
            proposer = await self._author(connection, run.thread_id)
        ordinal = max((gate.ordinal for gate in earlier), default=0) + 1
        parameters = {
            **self._parameters(run, interrupt, value, question),
            **_terms(question),
            "ordinal": ordinal,
            "node": interrupt.node,
            "task_id": interrupt.task_id,
            "checkpoint_ns": interrupt.checkpoint_ns,
            "proposer": None if proposer is None else text(proposer),
        }
        gate = await self.get(connection, await self._insert(connection, parameters))
        details = {
            "title": gate.title,
            "risk": gate.risk,
            "dialect": gate.dialect,
            "fingerprint": gate.fingerprint,
            "assignees": list(gate.assignees),
        }
        await self.note(
            connection, gate, "gate.opened", actor="agent", via="system", details=details
        )
        return gate.gate_id

    async def _insert(self, connection: Connection, parameters: Mapping[str, Any]) -> str:
        """Write a gate under the first free name of its interrupt, and return that name."""
        number = parameters["ordinal"]
        while True:
            suffix = "" if number == 1 else f".{number}"
            cursor = await connection.execute(
                statement("insert_gate"),
                {**parameters, "gate_id": f"{parameters['interrupt_id']}{suffix}"},
            )
            row = await cursor.fetchone()
            if row is not None:
                return str(row["gate_id"])
            number += 1

    async def _author(self, connection: Connection, thread_id: str) -> str | None:
        """Return who gave the thread the input that it works on."""
        cursor = await connection.execute(
            statement("read_author"), {"tenant": self._tenant, "thread_id": thread_id}
        )
        row = await cursor.fetchone()
        return None if row is None else row["author"]

    async def _keep(
        self, connection: Connection, run: Run, interrupt: PendingInterrupt, gate: Gate
    ) -> None:
        value, question = self._question(run.graph_id, interrupt)
        if canonical(value) == canonical(gate.value) and gate.fingerprint == question.fingerprint:
            return
        same = question.fingerprint == gate.fingerprint
        await connection.execute(
            statement("refresh_gate" if same else "repropose_gate"),
            {**self._parameters(run, interrupt, value, question), "gate_id": gate.gate_id},
        )
        if same:
            return
        await connection.execute(
            statement("delete_votes"), {"tenant": self._tenant, "gate_id": gate.gate_id}
        )
        await self.note(
            connection,
            await self.get(connection, gate.gate_id),
            "gate.reproposed",
            actor="agent",
            via="system",
            details={"fingerprint": question.fingerprint, "was": gate.fingerprint},
        )

    def _parameters(
        self, run: Run, interrupt: PendingInterrupt, value: Any, question: Question
    ) -> dict[str, Any]:
        schema = interrupt.response_schema
        return {
            "tenant": self._tenant,
            "interrupt_id": interrupt.interrupt_id,
            "thread_id": run.thread_id,
            "run_id": run.run_id,
            "assistant_id": run.assistant_id,
            "graph_id": run.graph_id,
            "checkpoint_id": interrupt.checkpoint_id,
            "dialect": question.dialect,
            "value": ordered_json(value),
            "response_schema": None if schema is None else ordered_json(schema),
            "review": ordered_json(question.to_json()),
            "title": question.title,
            "risk": question.risk,
            "allowed": list(question.allowed),
            "fingerprint": question.fingerprint,
        }

    async def _withdraw(
        self,
        connection: Connection,
        gate: Gate,
        *,
        state: Literal["superseded", "cancelled"],
        actor: str,
        via: str,
        reason: str,
    ) -> None:
        await connection.execute(
            statement("withdraw_gate"),
            {"tenant": self._tenant, "gate_id": gate.gate_id, "state": state},
        )
        details: dict[str, Any] = {"reason": reason}
        if gate.state == "scheduled":
            details["decision_dropped"] = gate.decision
        await self.note(connection, gate, f"gate.{state}", actor=actor, via=via, details=details)


def _terms(question: Question) -> dict[str, Any]:
    """Return who is asked, until when, and what happens then, as columns."""
    policy = question.policy
    hops = [{"after_seconds": hop.after_seconds, "to": hop.to} for hop in policy.escalations]
    return {
        "assignees": list(policy.assignees),
        "quorum": policy.quorum,
        "signal_name": question.signal_name,
        "due_at": policy.due_at,
        "due_in_seconds": policy.due_in_seconds,
        "remind_at": policy.remind_at,
        "remind_in_seconds": policy.remind_in_seconds,
        "expires_at": policy.expires_at,
        "expires_in_seconds": policy.expires_in_seconds,
        "on_expiry": jsonb(policy.on_expiry),
        "escalations": jsonb(hops),
        "escalate_in_seconds": hops[0]["after_seconds"] if hops else None,
    }
