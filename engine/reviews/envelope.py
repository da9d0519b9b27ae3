"""The `review` block of an interrupt: what a graph's author says about the question itself.

Every field is optional and read for itself: one that cannot be used is left out and noted, never
a reason not to ask.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from engine.reviews.question import Escalation, Evidence, Policy, Risk, plain_line

RISKS: Mapping[str, Risk] = {
    "low": "low",
    "normal": "normal",
    "medium": "normal",
    "high": "high",
    "critical": "high",
}
LONGEST_SECONDS = 10 * 366 * 86_400.0
MAX_TEXT = 20_000
MAX_ITEMS = 100


class EnvelopeReader:
    """Reads fields of one `review` block and remembers what was wrong with them."""

    def __init__(self, block: Mapping[str, Any]) -> None:
        self.block = block
        self.notes: list[str] = []

    def text(self, name: str, *, line: bool = False) -> str:
        """Return a text field, "" when absent."""
        value = self.block.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            self._note(name, "a text")
            return ""
        return plain_line(value) if line else value[:MAX_TEXT]

    def risk(self) -> Risk:
        """Return the risk; an unknown word counts as high, the side that harms nobody."""
        value = self.block.get("risk")
        if value is None:
            return "normal"
        if not isinstance(value, str) or value not in RISKS:
            self._note("risk", f"one of {', '.join(RISKS)}")
            return "high"
        return RISKS[value]

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self.block.get(name)
        if value is None:
            return ()
        if isinstance(value, str):
            return (plain_line(value),)
        if not isinstance(value, Sequence) or not all(isinstance(item, str) for item in value):
            self._note(name, "a list of texts")
            return ()
        return tuple(plain_line(item) for item in value[:MAX_ITEMS] if plain_line(item))

    def effects(self) -> dict[str, str]:
        """Return what each decision does."""
        value = self.block.get("effects")
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self._note("effects", "an object of texts by decision type")
            return {}
        return {
            str(key): plain_line(text, 500) for key, text in value.items() if isinstance(text, str)
        }

    def evidence(self) -> tuple[Evidence, ...]:
        """Return the facts: pairs, triples or objects of label, value and href."""
        value = self.block.get("evidence")
        if value is None:
            return ()
        if isinstance(value, Mapping):
            value = list(value.items())
        if not isinstance(value, Sequence) or isinstance(value, str):
            self._note("evidence", "a list of [label, value] pairs")
            return ()
        facts = [_evidence(item) for item in value[:MAX_ITEMS]]
        if any(fact is None for fact in facts):
            self._note("evidence", "a list of [label, value] pairs")
        return tuple(fact for fact in facts if fact is not None)

    def policy(self) -> Policy:
        """Return when and by whom the question must be decided."""
        undo = self._number("undo_seconds", least=0.0)
        quorum = self._number("quorum", least=1.0)
        return Policy(
            **self._moment("due"),
            **self._moment("remind"),
            **self._moment("expires"),
            on_expiry=self._on_expiry(),
            escalations=self._escalations(),
            quorum=int(quorum) if quorum is not None else 1,
            assignees=self.texts("assignees"),
            proposer=self.text("proposer", line=True) or None,
            four_eyes=self.block.get("four_eyes") is True,
            undo_seconds=undo,
        )

    def _moment(self, name: str) -> dict[str, Any]:
        at, seconds = f"{name}_at", f"{name}_in_seconds"
        moment = self.block.get(at)
        if isinstance(moment, str) and _is_instant(moment):
            return {at: moment}
        if moment is not None:
            self._note(at, "an instant with a UTC offset, such as 2027-01-31T09:00:00Z")
        relative = self._number(seconds, least=0.0)
        return {} if relative is None else {seconds: relative}

    def _number(self, name: str, *, least: float) -> float | None:
        value = self.block.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._note(name, f"a number of {least:g} or more")
            return None
        number = float(value) if abs(value) <= LONGEST_SECONDS else math.inf
        if not math.isfinite(number) or number < least:
            self._note(name, f"a number from {least:g} to {LONGEST_SECONDS:g}")
            return None
        return number

    def _on_expiry(self) -> dict[str, Any]:
        value = self.block.get("on_expiry")
        if value is None:
            return {"action": "escalate"}
        if value in ("escalate", "reject"):
            return {"action": value}
        if isinstance(value, Mapping):
            action = value.get("action")
            if action in ("escalate", "reject"):
                return {"action": action}
            if action == "answer" and "value" in value:
                return {"action": "answer", "value": value["value"]}
        self._note("on_expiry", '"escalate", "reject" or {"action": "answer", "value": …}')
        return {"action": "escalate"}

    def _escalations(self) -> tuple[Escalation, ...]:
        value = self.block.get("escalations")
        if value is None:
            return ()
        hops = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        read = [_escalation(hop) for hop in hops[:MAX_ITEMS]]
        if any(hop is None for hop in read):
            self._note("escalations", 'a list of {"after_seconds": …, "to": […]}')
        return tuple(hop for hop in read if hop is not None)

    def _note(self, name: str, expected: str) -> None:
        self.notes.append(f"review.{name} must be {expected}")


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _evidence(item: Any) -> Evidence | None:
    if isinstance(item, Mapping):
        item = [item.get("label"), item.get("value"), item.get("href")]
    if not isinstance(item, Sequence) or isinstance(item, str) or not 2 <= len(item) <= 3:
        return None
    label, value, href = [*item, None][:3]
    if not isinstance(label, str) or not isinstance(value, str | int | float):
        return None
    safe = isinstance(href, str) and href.startswith(("https://", "http://", "/"))
    return Evidence(
        label=plain_line(label),
        value=plain_line(str(value), 2_000),
        href=href[:2_000] if safe and isinstance(href, str) else None,
    )


def _escalation(hop: Any) -> Escalation | None:
    if not isinstance(hop, Mapping):
        return None
    after, to = hop.get("after_seconds"), hop.get("to")
    names = [to] if isinstance(to, str) else to
    if isinstance(after, bool) or not isinstance(after, int | float):
        return None
    if not 0 <= after <= LONGEST_SECONDS or not isinstance(names, Sequence) or not names:
        return None
    if not all(isinstance(name, str) and plain_line(name) for name in names):
        return None
    return Escalation(after_seconds=float(after), to=tuple(plain_line(name) for name in names))
