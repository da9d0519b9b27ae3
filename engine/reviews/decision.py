"""What a person decides, before it is put into the graph's dialect."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import InvalidDecisionError
from engine.reviews.question import DecisionType
from engine.reviews.schemas import Flaw


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision about one action, or a free answer.

    Attributes:
        type: approve, edit, reject, respond or answer.
        args: the arguments that replace the proposed ones, whole; for `edit` only.
        message: what the agent is told.
        value: the answer; for `answer` only.
    """

    type: DecisionType
    args: dict[str, Any] | None = None
    message: str | None = None
    value: Any = None

    def to_json(self) -> dict[str, Any]:
        """Return the decision as JSON shapes, without what it does not carry."""
        shown: dict[str, Any] = {"type": self.type}
        if self.type == "edit":
            shown["args"] = self.args
        if self.type == "answer":
            shown["value"] = self.value
        if self.message:
            shown["message"] = self.message
        return shown


def refuse(flaws: Sequence[Flaw]) -> None:
    """Raise when something is wrong.

    Raises:
        InvalidDecisionError: there are flaws; it names them all.
    """
    if flaws:
        raise InvalidDecisionError(
            [{"pointer": flaw.pointer, "message": flaw.message} for flaw in flaws]
        )
