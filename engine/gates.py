"""Open questions and the one compare-and-set that answers each of them.

A question that a graph stops at becomes a row here before the run's status says `interrupted`; an
answer is a change of that row before the graph hears of it. Locks are taken in one order, the
thread's row first, then its gates: whoever holds a gate and wants a run on the thread waits for
nobody.

LangGraph names an interrupt by a hash of its task and of how many answers the task already has.
So the name is the same in a copy of the thread, and again when a rolled back thread comes to the
same question; `gate_id` is the interrupt id for the first of them and gets `.2`, `.3` … after.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, Protocol, Self

from engine.audit import Audit
from engine.bus import Bus
from engine.database import Connection, Database, statement
from engine.errors import (
    ConflictError,
    EngineError,
    ForbiddenError,
    GoneError,
    InvalidDecisionError,
    NotFoundError,
    PreconditionFailedError,
)
from engine.reviews.decision import Decision
from engine.reviews.dialects import decisions_from, encode, normalise
from engine.reviews.question import Dialect, Question, Risk, canonical
from engine.runs import PendingInterrupt, Run
from engine.values import jsonb, ordered_json, text, to_storable_json

GateState = Literal["open", "claimed", "scheduled", "decided", "expired", "cancelled", "superseded"]
UNANSWERED: frozenset[GateState] = frozenset({"open", "claimed"})
LIVE: frozenset[GateState] = frozenset({"open", "claimed", "scheduled"})
INTERRUPT_ID_LENGTH = 32
TOPIC = "reviews"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One row of `holdfast.gates`.

    Attributes:
        gate_id: also the review's id.
        value: what the graph passed to `interrupt()`.
        review: the question as `Question.to_json` wrote it.
        fingerprint: SHA-256 over what is proposed.
        version: counts the changes of what there is to decide: another proposal, a decision, its
            undoing.
        proposer: who may not decide.
        on_expiry: what happens at `expires_at`.
        escalations: hops still to come.
        effective_at: until then a scheduled decision can be taken back.
        wake_at: the next moment a timer has work here.
        decision: what was decided, as the reviewer said it.
        answer: what the graph is resumed with.
        read_at: the database's clock at the reading.
    """

    gate_id: str
    interrupt_id: str
    ordinal: int
    thread_id: str
    run_id: str
    assistant_id: str
    graph_id: str
    node: str
    task_id: str
    checkpoint_ns: str
    checkpoint_id: str
    dialect: Dialect
    value: Any
    response_schema: Mapping[str, Any] | None
    review: Mapping[str, Any]
    title: str
    risk: Risk
    allowed: Sequence[str]
    fingerprint: str
    version: int
    state: GateState
    proposer: str | None
    assignees: Sequence[str]
    quorum: int
    claimed_by: str | None
    claim_until: datetime | None
    snoozed_until: datetime | None
    signal_name: str | None
    due_at: datetime | None
    remind_at: datetime | None
    expires_at: datetime | None
    on_expiry: Mapping[str, Any]
    escalations: Sequence[Mapping[str, Any]]
    escalate_at: datetime | None
    effective_at: datetime | None
    wake_at: datetime | None
    decision: Mapping[str, Any] | None
    answer: Any
    decided_by: str | None
    decided_via: str | None
    decided_at: datetime | None
    resume_run_id: str | None
    created_at: datetime
    updated_at: datetime
    read_at: datetime

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Return the gate of a database row."""
        return cls(**{column.name: row[column.name] for column in fields(cls)})

    @property
    def question(self) -> Question:
        """The question that is asked."""
        return Question.from_json(self.review)

    def held_by_other(self, actor: str) -> bool:
        """Tell whether somebody else has claimed the gate and the claim has not lapsed."""
        return (
            self.claimed_by not in (None, actor)
            and self.claim_until is not None
            and self.claim_until > self.read_at
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedResume:
    """A resume that was checked against its gates and closed them.

    Attributes:
        values: what the graph is resumed with, by interrupt id.
        gate_ids: the gates that are decided by it.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    gate_ids: Sequence[str] = ()


class GateListener(Protocol):
    """Hears of everything that happens to a gate, inside the transaction in which it happens."""

    async def __call__(
        self, connection: Connection, gate: Gate, action: str, details: Mapping[str, Any]
    ) -> None:
        """Take note of `action` (`gate.opened`, `gate.decided`, …) on the gate as it was."""


class Gates:
    """Opens, decides and closes gates; every method joins the caller's transaction.

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
        self._tenant = database.tenant
        self._audit = audit
        self._bus = bus
        self._defaults = defaults or {}
        self._listeners: list[GateListener] = []

    def listen(self, listener: GateListener) -> None:
        """Let `listener` hear of everything that happens to gates from now on."""
        self._listeners.append(listener)

    # Reading and locking

    async def get(self, connection: Connection, gate_id: str) -> Gate:
        """Return a gate.

        Raises:
            NotFoundError: there is none.
        """
        return await self._one(connection, "read_gate", gate_id)

    async def lock(self, connection: Connection, gate_id: str) -> Gate:
        """Return a gate and keep everybody else from changing it until the transaction ends.

        Raises:
            NotFoundError: there is none.
        """
        seen = await self._one(connection, "read_gate", gate_id)
        await self.lock_thread(connection, seen.thread_id)
        return await self._one(connection, "lock_gate", gate_id)

    async def lock_thread(self, connection: Connection, thread_id: str) -> None:
        """Lock the thread's row, which comes before its gates in the order of locks."""
        await connection.execute(
            statement("lock_thread"), {"tenant": self._tenant, "thread_id": thread_id}
        )

    async def live(self, connection: Connection, thread_id: str) -> list[Gate]:
        """Return and lock the thread's gates that are open, claimed or scheduled, oldest first."""
        return await self._of_thread(connection, thread_id, ())

    # What the graph says

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

    # What people and other clients say

    async def accept_resume(
        self,
        connection: Connection,
        thread_id: str,
        resume: Any,
        *,
        actor: str,
        via: str = "api",
        checkpoint_id: str | None = None,
    ) -> AcceptedResume:
        """Decide the gates that a client's `command.resume` answers, and return the answers.

        A map by interrupt id answers each gate it names; any other value answers the one gate
        that is open. Numbers that came as text are numbers again in the answer. There is no
        window for undoing here: the caller starts the run at once.

        Raises:
            ConflictError: nothing is open, it was decided by somebody else, several gates are
                open and none is named, the gate needs more votes, or the page was of another
                checkpoint.
            GoneError: the gate expired or was withdrawn.
            ForbiddenError: this person may not decide.
            InvalidDecisionError: the value does not fit the gate's schema.
        """
        await self.lock_thread(connection, thread_id)
        named = _named(resume)
        gates = await self._of_thread(connection, thread_id, list(named or ()))
        unanswered = [gate for gate in gates if gate.state in UNANSWERED]
        if named is None:
            answers = {(await self._only(connection, thread_id, unanswered)).gate_id: resume}
        else:
            answers = _by_gate(named, gates)
        chosen = {gate.gate_id: gate for gate in gates}
        values: dict[str, Any] = {}
        for gate_id, value in answers.items():
            gate = chosen[gate_id]
            if checkpoint_id is not None and checkpoint_id != gate.checkpoint_id:
                raise ConflictError(
                    f"the answer is for checkpoint {checkpoint_id!r}, the question is of"
                    f" {gate.checkpoint_id!r}; look at it again",
                    gate_id=gate_id,
                    checkpoint_id=gate.checkpoint_id,
                )
            values[gate.interrupt_id] = await self._decide_foreign(
                connection, gate, value, actor=actor, via=via
            )
        return AcceptedResume(values=values, gate_ids=tuple(answers))

    async def decide(
        self,
        connection: Connection,
        gate: Gate,
        *,
        decision: Mapping[str, Any],
        answer: Any,
        actor: str,
        via: str,
        version: int | None = None,
        fingerprint: str | None = None,
        undo_seconds: float = 0.0,
    ) -> Gate:
        """Close a locked gate with an answer that was encoded and checked; return it as it is now.

        The row changes only if it still is what the caller saw; the audit entry is written beside
        it. With `undo_seconds` the gate is `scheduled` first. The caller starts the resume run of
        a gate that comes back `decided`.

        Raises:
            ConflictError: somebody decided or claimed it, or its checkpoint was pruned.
            GoneError: it expired or was withdrawn.
            PreconditionFailedError: what the caller saw is not what there is to decide.
            ForbiddenError: the proposer decides.
        """
        self.check_open(gate, actor=actor, version=version, fingerprint=fingerprint)
        await self._check_ground(connection, gate)
        cursor = await connection.execute(
            statement("decide_gate"),
            {
                "tenant": self._tenant,
                "gate_id": gate.gate_id,
                "version": gate.version if version is None else version,
                "fingerprint": gate.fingerprint if fingerprint is None else fingerprint,
                "decision": jsonb(decision),
                "answer": jsonb(answer),
                "actor": text(actor),
                "via": via,
                "undo_seconds": undo_seconds,
            },
        )
        if await cursor.fetchone() is None:
            # Everything but time was checked under the lock.
            raise GoneError(
                f"the question expired at {_shown(gate.expires_at)}", **outcome_of(gate)
            )
        await self.note(
            connection,
            gate,
            "gate.decided" if undo_seconds <= 0 else "gate.scheduled",
            actor=actor,
            via=via,
            details={
                "decision": dict(decision),
                "fingerprint": gate.fingerprint,
                "version": gate.version,
                "undo_seconds": undo_seconds,
                "took_seconds": (gate.read_at - gate.created_at).total_seconds(),
            },
        )
        return await self.get(connection, gate.gate_id)

    def check_open(
        self, gate: Gate, *, actor: str, version: int | None, fingerprint: str | None
    ) -> None:
        """Check that a gate can be decided by `actor`, who saw this version of it.

        Raises:
            ConflictError, GoneError, PreconditionFailedError, ForbiddenError: as `decide` does.
        """
        if gate.state not in UNANSWERED:
            raise settled(gate)
        if gate.expires_at is not None and gate.expires_at <= gate.read_at:
            raise GoneError(
                f"the question expired at {_shown(gate.expires_at)}", **outcome_of(gate)
            )
        if fingerprint is not None and fingerprint != gate.fingerprint:
            raise PreconditionFailedError(
                "the proposal changed since it was read; look at it again", **outcome_of(gate)
            )
        if version is not None and version != gate.version:
            raise PreconditionFailedError(
                f"the review is at version {gate.version}, version {version} was read;"
                " look at it again",
                **outcome_of(gate),
            )
        if gate.proposer is not None and gate.proposer == actor:
            raise ForbiddenError(
                f"{actor!r} proposed this and may not decide it; another person has to",
                **outcome_of(gate),
            )
        if gate.held_by_other(actor):
            raise ConflictError(
                f"{gate.claimed_by!r} works on it until {_shown(gate.claim_until)}",
                **outcome_of(gate),
            )

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

    async def _one(self, connection: Connection, name: str, gate_id: str) -> Gate:
        cursor = await connection.execute(
            statement(name), {"tenant": self._tenant, "gate_id": gate_id}
        )
        row = await cursor.fetchone()
        if row is None:
            raise NotFoundError("review", gate_id)
        return Gate.from_row(row)

    async def _of_thread(
        self, connection: Connection, thread_id: str, interrupt_ids: Sequence[str]
    ) -> list[Gate]:
        cursor = await connection.execute(
            statement("lock_thread_gates"),
            {
                "tenant": self._tenant,
                "thread_id": thread_id,
                "interrupt_ids": list(interrupt_ids),
            },
        )
        return [Gate.from_row(row) for row in await cursor.fetchall()]

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

    def _read(self, graph_id: str, interrupt: PendingInterrupt) -> tuple[Any, Question]:
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
        value, question = self._read(run.graph_id, interrupt)
        policy = question.policy
        proposer = policy.proposer
        if proposer is None and policy.four_eyes:
            proposer = await self._author(connection, run.thread_id)
        ordinal = max((gate.ordinal for gate in earlier), default=0) + 1
        parameters = {
            **self._parameters(run, interrupt, value, question),
            "ordinal": ordinal,
            "node": interrupt.node,
            "task_id": interrupt.task_id,
            "checkpoint_ns": interrupt.checkpoint_ns,
            "proposer": None if proposer is None else text(proposer),
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
            "escalations": jsonb(
                [{"after_seconds": hop.after_seconds, "to": hop.to} for hop in policy.escalations]
            ),
            "escalate_in_seconds": policy.escalations[0].after_seconds
            if policy.escalations
            else None,
        }
        suffix = ordinal
        while True:
            gate_id = (
                interrupt.interrupt_id if suffix == 1 else f"{interrupt.interrupt_id}.{suffix}"
            )
            cursor = await connection.execute(
                statement("insert_gate"), {**parameters, "gate_id": gate_id}
            )
            if await cursor.fetchone() is not None:
                break
            suffix += 1
        gate = await self.get(connection, gate_id)
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
        return gate_id

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
        value, question = self._read(run.graph_id, interrupt)
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

    async def _only(
        self, connection: Connection, thread_id: str, unanswered: Sequence[Gate]
    ) -> Gate:
        if len(unanswered) == 1:
            return unanswered[0]
        if unanswered:
            raise ConflictError(
                f"{len(unanswered)} questions are open on the thread; name the one that is"
                " answered: {interrupt_id: value}",
                thread_id=thread_id,
                interrupt_ids=[gate.interrupt_id for gate in unanswered],
            )
        cursor = await connection.execute(
            statement("read_last_thread_gate"), {"tenant": self._tenant, "thread_id": thread_id}
        )
        row = await cursor.fetchone()
        if row is not None:
            raise settled(Gate.from_row(row))
        raise ConflictError("the thread waits for no answer", thread_id=thread_id)

    async def _check_ground(self, connection: Connection, gate: Gate) -> None:
        # Only another program than ours can have pruned it: an open question pins where it stands.
        cursor = await connection.execute(
            statement("has_lost_checkpoint"),
            {
                "thread_id": gate.thread_id,
                "checkpoint_ns": gate.checkpoint_ns,
                "checkpoint_id": gate.checkpoint_id,
            },
        )
        row = await cursor.fetchone()
        if row is not None and row["lost"]:
            raise ConflictError(
                f"checkpoint {gate.checkpoint_id!r}, where this was asked, no longer exists; the"
                " thread went on without an answer",
                **outcome_of(gate),
            )

    async def _decide_foreign(
        self, connection: Connection, gate: Gate, value: Any, *, actor: str, via: str
    ) -> Any:
        self.check_open(gate, actor=actor, version=None, fingerprint=None)
        if gate.quorum > 1:
            raise ConflictError(
                f"the question needs {gate.quorum} votes; vote at /reviews/{gate.gate_id}/decision",
                **outcome_of(gate),
            )
        question = gate.question
        decisions = decisions_from(question, value)
        answer = encode(question, decisions, response_schema=gate.response_schema, decided_by=actor)
        await self.decide(
            connection, gate, decision=said(decisions), answer=answer, actor=actor, via=via
        )
        return answer


def said(decisions: Sequence[Decision], **more: Any) -> dict[str, Any]:
    """Return decisions as the gate's row and the audit log keep them."""
    shown = [decision.to_json() for decision in decisions]
    kinds = {decision.type for decision in decisions}
    return {"type": kinds.pop() if len(kinds) == 1 else "mixed", "decisions": shown, **more}


def settled(gate: Gate) -> EngineError:
    """Return the error that tells a latecomer who came first, when, with what and why."""
    values = outcome_of(gate)
    if gate.state == "expired":
        return GoneError(f"the question expired at {_shown(gate.expires_at)}", **values)
    if gate.state in ("superseded", "cancelled"):
        return GoneError(f"the question is {gate.state}: nobody needs to answer it", **values)
    kind = (gate.decision or {}).get("type", "decided")
    return ConflictError(
        f"{gate.decided_by!r} decided {kind!r} at {_shown(gate.decided_at)}", **values
    )


def outcome_of(gate: Gate) -> dict[str, Any]:
    """Return what a conflict answer says about a gate: who, when, what, why."""
    return {
        "review_id": gate.gate_id,
        "state": gate.state,
        "version": gate.version,
        "fingerprint": gate.fingerprint,
        "decided_by": gate.decided_by,
        "decided_at": None if gate.decided_at is None else gate.decided_at.isoformat(),
        "decided_via": gate.decided_via,
        "decision": gate.decision,
        "claimed_by": gate.claimed_by,
        "checkpoint_id": gate.checkpoint_id,
    }


def _named(resume: Any) -> Mapping[str, Any] | None:
    """Return a resume that is a map by interrupt id, None for any other value."""
    if resume is None or resume == {}:
        raise InvalidDecisionError(
            [{"pointer": "/command/resume", "message": "an answer is expected, got nothing"}]
        )
    if isinstance(resume, Mapping) and all(_is_interrupt_id(key) for key in resume):
        return resume
    return None


def _is_interrupt_id(key: Any) -> bool:
    return (
        isinstance(key, str)
        and len(key) == INTERRUPT_ID_LENGTH
        and all(character in "0123456789abcdef" for character in key)
    )


def _by_gate(named: Mapping[str, Any], gates: Sequence[Gate]) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for interrupt_id, value in named.items():
        asked = [gate for gate in gates if gate.interrupt_id == interrupt_id]
        if not asked:
            raise ConflictError(
                f"the thread does not wait at interrupt {interrupt_id!r}",
                interrupt_id=interrupt_id,
                interrupt_ids=[gate.interrupt_id for gate in gates if gate.state in UNANSWERED],
            )
        gate = next((one for one in asked if one.state in UNANSWERED), None)
        if gate is None:
            raise settled(max(asked, key=lambda one: one.ordinal))
        answers[gate.gate_id] = value
    return answers


def _shown(moment: datetime | None) -> str:
    return "an unknown time" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
