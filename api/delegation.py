"""Work handed over by another agent: a thread per errand, questions handed back, no orphans.

MCP and A2A are two ways of speaking about this. An errand's thread follows from the caller's own
key, so that a call that is repeated finds its thread instead of making another.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from engine.errors import NotFoundError
from engine.gates.gate import Gate
from engine.runs.request import RunRequest
from engine.runs.run import Run
from engine.runtime import Engine

FLAT_TYPES = frozenset({"string", "number", "integer", "boolean"})
ERRAND = "urn:holdfast:errand:{via}:{actor}:{assistant_id}:{key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """How far an errand has come.

    Attributes:
        questions: what it waits for; empty when it has ended.
        values: the thread's values, for an errand that ended well.
        error: `{"error", "message"}` of one that did not.
    """

    thread_id: str
    questions: Sequence[Gate] = ()
    values: Any = None
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """Errands of one protocol.

    Attributes:
        via: the protocol's name in the audit log.
    """

    engine: Engine
    via: str
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def thread_of(self, *, actor: str, assistant_id: str, key: str | None) -> str:
        """Return the thread of an errand: always the same for a caller's key, new without one."""
        if key is None:
            return str(uuid4())
        name = ERRAND.format(via=self.via, actor=actor, assistant_id=assistant_id, key=key)
        return str(uuid5(NAMESPACE_URL, name))

    async def begin(
        self, *, thread_id: str, assistant_id: str, graph_input: Any, actor: str
    ) -> Errand:
        """Start an errand, or find the one that this thread is about, and wait for it."""
        async with self.engine.database.transaction() as connection:
            _, made = await self.engine.threads.create(
                connection,
                thread_id=thread_id,
                metadata={**self.metadata, "via": self.via},
                if_exists="do_nothing",
            )
            if made:
                await self.engine.runs.submit(
                    connection,
                    RunRequest(
                        assistant_id=assistant_id,
                        thread_id=thread_id,
                        input=graph_input,
                        actor=actor,
                        via=self.via,
                    ),
                )
        return await self.look(thread_id)

    async def go_on(self, *, thread_id: str, graph_input: Any, actor: str) -> Errand:
        """Give a thread that has ended more input, and wait."""
        thread = await self.engine.threads.get(thread_id)
        await self.engine.runs.create(
            RunRequest(
                assistant_id=str(thread.assistant_id),
                thread_id=thread_id,
                input=graph_input,
                actor=actor,
                via=self.via,
            )
        )
        return await self.look(thread_id)

    async def answer(self, *, thread_id: str, answers: Mapping[str, Any], actor: str) -> Errand:
        """Answer questions by their interrupt ids, and wait.

        Raises:
            EngineError: see `Gates.accept_resume`; the questions stay open.
        """
        thread = await self.engine.threads.get(thread_id)
        await self.engine.runs.create(
            RunRequest(
                assistant_id=str(thread.assistant_id),
                thread_id=thread_id,
                command={"resume": dict(answers)},
                actor=actor,
                via=self.via,
            )
        )
        return await self.look(thread_id)

    async def look(self, thread_id: str) -> Errand:
        """Wait until the thread neither runs nor is about to, and tell how it stands."""
        run = await self._last_run(thread_id)
        async with self.engine.database.transaction() as connection:
            questions = await self.engine.gates.live(connection, thread_id)
        if questions:
            return Errand(thread_id=thread_id, questions=tuple(questions))
        if run.status in ("succeeded", "interrupted"):
            return Errand(thread_id=thread_id, values=run.output)
        error = run.error or {"error": run.status, "message": f"the run was {run.status}"}
        return Errand(thread_id=thread_id, error=error)

    async def _last_run(self, thread_id: str) -> Run:
        while True:
            runs = await self.engine.runs.list(thread_id, limit=1)
            if not runs:
                raise NotFoundError("errand", thread_id)
            run = await self.engine.runs.wait(runs[0].run_id)
            newest = await self.engine.runs.list(thread_id, limit=1)
            if run is not None and newest and newest[0].run_id == run.run_id:
                return run


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
