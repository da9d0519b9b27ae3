"""Telling people that a review waits: written into the outbox with the fact they tell of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.database import Connection
from engine.gates.gate import Gate
from engine.outbox import Kind, Outbox
from engine.reviews.people import People
from engine.reviews.question import plain_line

# What is worth a message, and how it is said.
TOLD: Mapping[str, str] = {
    "gate.opened": "New review",
    "gate.reproposed": "The proposal changed",
    "gate.reminded": "Reminder",
    "gate.delegated": "Handed to you",
    "gate.escalated": "Escalated",
    "gate.overdue": "Overdue",
    "gate.expired": "Expired",
}
# Nothing can be decided by these any more.
OVER = frozenset({"gate.expired"})
MAX_SHOWN = 2_000


class LinkMaker(Protocol):
    """Makes single-use links; `engine.links.Links` is the real one."""

    async def make(self, connection: Connection, gate: Gate, person: str) -> str | None:
        """Return the token of a new link, None where links are not offered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationOptions:
    """Who is told, and how much.

    Attributes:
        webhook: URL of a signed webhook.
        slack: Slack-compatible webhook.
        email: address that gets every message, beside the addresses of the people asked.
        arguments: whether messages carry what is proposed; off, they only name it.
        public_url: where the console is found from outside; without it messages carry no links.
    """

    webhook: str | None = None
    slack: str | None = None
    email: str | None = None
    arguments: bool = False
    public_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifications:
    """Listens to gates and writes messages, in the transaction in which it happens."""

    outbox: Outbox
    people: People
    links: LinkMaker | None
    options: NotificationOptions

    async def on_gate(
        self, connection: Connection, gate: Gate, action: str, details: Mapping[str, Any]
    ) -> None:
        """Tell about one event of a gate, if it is worth it."""
        if action not in TOLD or gate.dialect == "signal":
            return
        assignees = details.get("to", gate.assignees)
        facts = self._facts(gate, action, list(assignees))
        if self.options.webhook is not None:
            await self._put(connection, gate, "webhook", self.options.webhook, facts)
        if self.options.slack is not None:
            await self._put(
                connection, gate, "slack", self.options.slack, self._slack(gate, action)
            )
        if self.options.email is not None:
            mail = self._mail(gate, action, self._page(gate))
            await self._put(connection, gate, "email", self.options.email, mail)
        for person in await self.people.reached(connection, assignees):
            address = self.people.emails.get(person)
            if address is not None and address != self.options.email:
                page = await self._own_page(connection, gate, action, person)
                await self._put(connection, gate, "email", address, self._mail(gate, action, page))

    async def _put(
        self, connection: Connection, gate: Gate, kind: Kind, target: str, payload: Any
    ) -> None:
        await self.outbox.put(connection, kind=kind, target=target, payload=payload)

    def _facts(self, gate: Gate, action: str, assignees: list[str]) -> dict[str, Any]:
        data: dict[str, Any] = {
            "review_id": gate.gate_id,
            "thread_id": gate.thread_id,
            "graph_id": gate.graph_id,
            "title": gate.title,
            "risk": gate.risk,
            "why_now": gate.review["why_now"],
            "assignees": assignees,
            "version": gate.version,
            "fingerprint": gate.fingerprint,
            "due_at": _instant(gate.due_at),
            "expires_at": _instant(gate.expires_at),
            "url": self._page(gate),
        }
        if self.options.arguments:
            data["actions"] = _proposed(gate)
        # Standard Webhooks' form of an event.
        return {"type": action.replace("gate.", "review."), "data": data}

    def _slack(self, gate: Gate, action: str) -> dict[str, Any]:
        page = self._page(gate)
        title = _slack_text(gate.title)
        shown = f"<{page}|{title}>" if page else title
        lines = [f"*{TOLD[action]}*: {shown}"]
        if gate.review["why_now"]:
            lines.append(_slack_text(gate.review["why_now"]))
        facts = [f"risk {gate.risk}", *self._deadline(gate)]
        lines.append(" · ".join(facts))
        if self.options.arguments:
            lines += [_slack_text(line) for line in _argument_lines(gate)]
        return {"text": "\n".join(lines)[:MAX_SHOWN]}

    def _mail(self, gate: Gate, action: str, page: str | None) -> dict[str, Any]:
        lines = [gate.title, ""]
        if gate.review["why_now"]:
            lines += [f"Why: {gate.review['why_now']}", ""]
        lines += [f"Risk: {gate.risk}", *(line.capitalize() for line in self._deadline(gate))]
        if self.options.arguments:
            lines += ["", *_argument_lines(gate)]
        if page is not None:
            lines += ["", f"Look at it and decide: {page}"]
        return {"subject": f"{TOLD[action]}: {gate.title}", "text": "\n".join(lines)}

    def _deadline(self, gate: Gate) -> list[str]:
        moments = (("due", gate.due_at), ("expires", gate.expires_at))
        return [f"{name} {at:%Y-%m-%d %H:%M} UTC" for name, at in moments if at is not None]

    def _page(self, gate: Gate) -> str | None:
        base = self.options.public_url
        return None if base is None else f"{base.rstrip('/')}/console/reviews/{gate.gate_id}"

    async def _own_page(
        self, connection: Connection, gate: Gate, action: str, person: str
    ) -> str | None:
        """Return a link that decides as this person, or the page where one has to sign in."""
        base = self.options.public_url
        if base is None or self.links is None or action in OVER or person == gate.proposer:
            return self._page(gate)
        token = await self.links.make(connection, gate, person)
        return self._page(gate) if token is None else f"{base.rstrip('/')}/r/{token}"


def _instant(moment: Any) -> str | None:
    return None if moment is None else str(moment.isoformat())


def _proposed(gate: Gate) -> list[dict[str, Any]]:
    return [{"name": action["name"], "args": action["args"]} for action in gate.review["actions"]]


def _argument_lines(gate: Gate) -> list[str]:
    return [
        f"{name}: {plain_line(str(value))}"
        for action in gate.review["actions"]
        for name, value in action["args"].items()
    ]


def _slack_text(value: str) -> str:
    # The three characters that mean something in Slack's own markup.
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
