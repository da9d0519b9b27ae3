"""The words in which dialects say the same, and what means yes or no in a typed answer."""

from collections.abc import Mapping
from typing import Any

from engine.reviews.question import DecisionType
from engine.reviews.schemas import resolve

# langchain's HITL middleware and our own envelope decide one action with one of these.
ACTION_DECISIONS: tuple[DecisionType, ...] = ("approve", "edit", "reject", "respond")
# Agent Inbox's words for the same.
INBOX_WORDS: Mapping[str, DecisionType] = {
    "accept": "approve",
    "edit": "edit",
    "ignore": "reject",
    "response": "respond",
}
# A property that carries the verdict of a typed answer, and the one that carries the words.
VERDICT_NAMES = ("type", "decision", "action", "verdict", "status")
APPROVING = ("approve", "approved", "accept", "yes")
REJECTING = ("reject", "rejected", "decline", "no")
COMMENT_NAMES = ("message", "comment", "reason", "feedback")


def verdict(kind: str, schema: Mapping[str, Any]) -> Any:
    """Return the smallest answer to a typed question that says yes or no; None without one."""
    words = APPROVING if kind == "approve" else REJECTING
    top = resolve(schema, schema)
    if top.get("type") == "boolean":
        return kind == "approve"
    options = top.get("enum")
    if isinstance(options, list):
        return next((word for word in words if word in options), None)
    properties = top.get("properties")
    if not isinstance(properties, Mapping):
        return None
    for name in VERDICT_NAMES:
        field = resolve(properties.get(name), schema)
        options = field.get("enum")
        word = next((w for w in words if isinstance(options, list) and w in options), None)
        if word is not None:
            return {name: word}
    if resolve(properties.get("approved"), schema).get("type") == "boolean":
        return {"approved": kind == "approve"}
    return None
