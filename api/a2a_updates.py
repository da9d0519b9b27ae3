"""What an A2A client hears of a task at work: its steps as status, its replies piece by piece.

    metadata -> working     updates -> working, with what the node did     messages -> artifact

A reply of a model is an artifact of its own, named by the message's id; a chunk carries the text
that was added. A run that is executed again after a crash begins its replies anew, so their first
chunk takes the place of what was heard before.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from a2a.helpers import new_data_part
from a2a.helpers.proto_helpers import new_text_part
from a2a.server.events import Event
from a2a.types import (
    Artifact,
    Message,
    Role,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)

from engine.event_table import Recorded
from engine.streaming import INTERRUPT_KEY

# What the runs of tasks stream; with subgraphs, for an agent is often one of them.
STREAM_MODES = ("updates", "messages-tuple")
REPLY = "reply"
REPLY_TYPES = frozenset({"ai", "AIMessageChunk"})


class Updates:
    """Turns the events of one task's runs into A2A's; remembers which replies have begun.

    Attributes:
        complete: ids of the replies that were told to their end.
    """

    def __init__(self, task_id: str, context_id: str) -> None:
        self.complete: set[str] = set()
        self._task_id = task_id
        self._context_id = context_id
        self._begun: set[str] = set()

    def of(self, recorded: Recorded) -> Iterator[Event]:
        """Yield what an event of a run is in A2A: nothing, for most of them."""
        match recorded.event.event:
            case "metadata":
                self._begun.clear()
                self.complete.clear()
                yield self._working()
            case "updates":
                for node, update in json.loads(recorded.event.data).items():
                    if node != INTERRUPT_KEY:  # the questions come with the final status
                        yield self._working({"node": node, "update": update}, recorded)
            case "messages":
                yield from self._reply(*json.loads(recorded.event.data))
            case _:
                pass

    def whole(self, artifact: Artifact) -> TaskArtifactUpdateEvent:
        """Return an artifact that is told at once."""
        return TaskArtifactUpdateEvent(
            task_id=self._task_id, context_id=self._context_id, artifact=artifact, last_chunk=True
        )

    def _working(
        self, told: Mapping[str, Any] | None = None, recorded: Recorded | None = None
    ) -> TaskStatusUpdateEvent:
        status = TaskStatus(state=TaskState.TASK_STATE_WORKING)
        status.timestamp.GetCurrentTime()
        if told is not None and recorded is not None:
            message = Message(
                message_id=f"{recorded.run_id}:{recorded.seq}",
                task_id=self._task_id,
                context_id=self._context_id,
                role=Role.ROLE_AGENT,
                parts=[new_data_part(told)],
            )
            status.message.CopyFrom(message)
        return TaskStatusUpdateEvent(
            task_id=self._task_id, context_id=self._context_id, status=status
        )

    def _reply(
        self, message: Mapping[str, Any], metadata: Mapping[str, Any]
    ) -> Iterator[TaskArtifactUpdateEvent]:
        reply_id = message.get("id")
        if message.get("type") not in REPLY_TYPES or not reply_id:
            return
        text = text_of(message.get("content"))
        last = message["type"] == "ai" or message.get("chunk_position") == "last"
        begun = reply_id in self._begun
        if not text and not (begun and last):
            return  # a call of a tool, or a chunk without words
        self._begun.add(reply_id)
        if last:
            self.complete.add(reply_id)
        artifact = reply(reply_id, text)
        artifact.metadata.update({"node": str(metadata.get("langgraph_node", ""))})
        yield TaskArtifactUpdateEvent(
            task_id=self._task_id,
            context_id=self._context_id,
            artifact=artifact,
            append=begun,
            last_chunk=last,
        )


def replies_in(values: Any) -> list[Artifact]:
    """Return the replies of models that a graph's values hold, each as an artifact."""
    messages = values.get("messages") if isinstance(values, Mapping) else None
    return [
        reply(message["id"], text)
        for message in (messages if isinstance(messages, list) else ())
        if isinstance(message, Mapping) and message.get("type") == "ai" and message.get("id")
        if (text := text_of(message.get("content")))
    ]


def reply(reply_id: str, text: str) -> Artifact:
    """Return a model's reply, or a piece of it, as an artifact."""
    return Artifact(artifact_id=reply_id, name=REPLY, parts=[new_text_part(text)])


def text_of(content: Any) -> str:
    """Return the words of a message's content, which is text or a list of blocks."""
    if isinstance(content, str):
        return content
    blocks: Sequence[Any] = content if isinstance(content, list) else ()
    return "".join(
        block if isinstance(block, str) else str(block.get("text", ""))
        for block in blocks
        if isinstance(block, str) or (isinstance(block, Mapping) and block.get("type") == "text")
    )
