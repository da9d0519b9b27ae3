"""Work handed over by another agent: a thread per errand, questions handed back, no orphans.

MCP and A2A are two ways of speaking about this. An errand's thread follows from the caller's own
key, so that a call that is repeated finds its thread instead of making another.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import NAMESPACE_URL, uuid4, uuid5

from engine.errors import IdempotencyMismatchError, NotFoundError
from engine.gates.gate import Gate
from engine.idempotency import Call, make_call
from engine.runs.request import RunRequest
from engine.runs.run import Run
from engine.runtime import Engine
from engine.thread import Thread

FLAT_TYPES = frozenset({"string", "number", "integer", "boolean"})
ERRAND = "urn:holdfast:errand:{via}:{actor}:{assistant_id}:{key}"
# The mark in a thread's metadata of an errand that was given up while it waited for an answer.
GIVEN_UP = {"errand": "cancelled"}

Stage = Literal["submitted", "working", "input_required", "completed", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """How far an errand has come.

    Attributes:
        run: the newest run of its thread.
        questions: what the thread waits for.
    """

    thread: Thread
    run: Run
    questions: Sequence[Gate] = ()

    @property
    def stage(self) -> Stage:
        """Where it stands, in the words of the protocols."""
        if not self.run.finished:
            return "submitted" if self.run.status == "queued" else "working"
        if self.questions:
            return "input_required"
        if self.run.status == "cancelled" or GIVEN_UP.items() <= self.thread.metadata.items():
            return "cancelled"
        return "failed" if self.run.status in ("failed", "expired") else "completed"

    @property
    def values(self) -> Any:
        """The thread's values at the end of the newest run."""
        return self.run.output

    @property
    def error(self) -> str | None:
        """Why it did not end well, as a sentence; None if it did, or has not ended."""
        if self.stage not in ("failed", "cancelled"):
            return None
        error = self.run.error or {}
        if not error:
            return f"the run was {self.run.status}"
        return f"{error.get('error')}: {error.get('message')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """The errands of one caller, in one protocol.

    Attributes:
        via: the protocol's name in the audit log.
        actor: who calls.
        caller: what graphs are told of who calls; None where nobody signed in.
        trusted: whether messages of every role are taken from the caller.
        scope: what the metadata of a thread must contain to exist for the caller.
        metadata: what threads of the caller get.
        stream_modes: what the runs tell while they work, kept for those who come late; nothing
            by default.
    """

    engine: Engine
    via: str
    actor: str
    caller: Mapping[str, Any] | None = None
    trusted: bool = True
    scope: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    stream_modes: tuple[str, ...] = ()

    def thread_of(self, assistant_id: str, *, key: str | None) -> str:
        """Return the thread of an errand: always the same for a caller's key, new without one."""
        if key is None:
            return str(uuid4())
        name = ERRAND.format(via=self.via, actor=self.actor, assistant_id=assistant_id, key=key)
        return str(uuid5(NAMESPACE_URL, name))

    async def begin(
        self,
        thread_id: str,
        *,
        assistant_id: str,
        graph_input: Any,
        key: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Start an errand, unless this thread is about it already.

        Args:
            thread_id: see `thread_of`.
            assistant_id: who does it.
            graph_input: what is to be done.
            key: the caller's, from which the thread follows.
            metadata: of the thread, besides that of the caller's threads.

        Raises:
            IdempotencyMismatchError: the key named another errand.
        """
        async with self.engine.database.transaction() as connection:
            call = None if key is None else self._call(thread_id, graph_input)
            try:
                if call is not None and await self.engine.idempotency.begin(connection, call):
                    return
            except IdempotencyMismatchError as error:
                raise IdempotencyMismatchError(
                    f"{key!r} named another errand before; use a new key for a new errand", key=key
                ) from error
            _, made = await self.engine.threads.create(
                connection,
                thread_id=thread_id,
                metadata={**(metadata or {}), **self.metadata, "via": self.via},
                if_exists="do_nothing",
                scope=self.scope,
            )
            if made:
                request = self._request(assistant_id, thread_id, input=graph_input)
                await self.engine.runs.submit(connection, request)
            if call is not None:
                await self.engine.idempotency.finish(connection, call, resource_id=thread_id)

    async def answer(
        self, thread_id: str, answers: Callable[[], Mapping[str, Any]], *, call: Call | None = None
    ) -> None:
        """Answer questions by their interrupt ids, once for a call that may be repeated.

        Args:
            thread_id: the errand's thread.
            answers: tells what is answered; not asked when the call was heard before, for the
                questions of then are not those of now.
            call: what a repetition is known by.

        Raises:
            EngineError: see `Gates.accept_resume`; the questions stay open.
        """
        thread = await self.engine.threads.get(thread_id, scope=self.scope)
        async with self.engine.database.transaction() as connection:
            if call is not None and await self.engine.idempotency.begin(connection, call):
                return
            command = {"resume": dict(answers())}
            run = await self.engine.runs.submit(
                connection, self._request(str(thread.assistant_id), thread_id, command=command)
            )
            if call is not None:
                await self.engine.idempotency.finish(connection, call, resource_id=run.run_id)

    async def give_up(self, thread_id: str) -> None:
        """Stop an errand: its runs are cancelled, its questions withdrawn."""
        await self.engine.threads.update(thread_id, metadata=GIVEN_UP, scope=self.scope)
        await self.engine.runs.cancel_many(thread_id=thread_id, actor=self.actor, via=self.via)
        errand = await self.look(thread_id)
        if errand.questions:
            await self.engine.states.update(
                thread_id, None, as_node="__end__", actor=self.actor, via=self.via
            )

    async def look(self, thread_id: str, *, wait: bool = True) -> Errand:
        """Tell how an errand stands; with `wait`, once it neither runs nor is about to.

        Raises:
            NotFoundError: there is none.
        """
        await self._check(thread_id)
        run = await self._newest_run(thread_id, wait=wait)
        async with self.engine.database.transaction() as connection:
            thread = await self.engine.threads.read(connection, thread_id)
            questions = await self.engine.gates.live(connection, thread_id)
        return Errand(thread=thread, run=run, questions=tuple(questions))

    def _call(self, thread_id: str, graph_input: Any) -> Call:
        return make_call(
            key=thread_id,
            method="ERRAND",
            route=self.via,
            path=thread_id,
            body=graph_input,
            caller=self.actor,
        )

    def _request(self, assistant_id: str, thread_id: str, **asked: Any) -> RunRequest:
        streams = bool(self.stream_modes)
        return RunRequest(
            assistant_id=assistant_id,
            thread_id=thread_id,
            stream_mode=self.stream_modes or ("values",),
            stream_subgraphs=streams,
            stream_resumable=streams,
            actor=self.actor,
            caller=self.caller,
            trusted=self.trusted,
            via=self.via,
            **asked,
        )

    async def _check(self, thread_id: str) -> None:
        thread = await self.engine.threads.get(thread_id, scope=self.scope)
        if thread.metadata.get("via") != self.via:
            raise NotFoundError("errand", thread_id)

    async def _newest_run(self, thread_id: str, *, wait: bool) -> Run:
        while True:
            runs = await self.engine.runs.list(thread_id, limit=1)
            if not runs:
                raise NotFoundError("errand", thread_id)
            if runs[0].finished or not wait:
                return runs[0]
            await self.engine.runs.wait(runs[0].run_id)


def form_of(gate: Gate) -> dict[str, Any]:
    """Return a form for a question: an object of plain fields, as both protocols want it."""
    question = gate.question
    if question.actions:
        return {
            "type": "object",
            "properties": {
                "decision": {"type": "string", "enum": list(gate.allowed)},
                "comment": {"type": "string"},
            },
            "required": ["decision"],
        }
    schema = question.answer_schema
    if schema is not None and _is_flat(schema):
        return dict(schema)
    return {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}


def answer_of(gate: Gate, content: Mapping[str, Any]) -> Any:
    """Return what the gates take for an answer, from the fields of `form_of`."""
    question = gate.question
    if question.actions:
        decision = {"type": content.get("decision"), "message": content.get("comment")}
        given = {key: value for key, value in decision.items() if value is not None}
        return {"decisions": [given for _ in question.actions]}
    if question.answer_schema is not None and _is_flat(question.answer_schema):
        return dict(content)
    text = content.get("answer")
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text


def _is_flat(schema: Mapping[str, Any]) -> bool:
    fields = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(fields, Mapping) or not fields:
        return False
    return all(
        isinstance(field, Mapping) and field.get("type") in FLAT_TYPES for field in fields.values()
    )
