"""What the tests of the review screen share: a question about an order, and where things are."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
from itsdangerous import URLSafeSerializer

from engine.links import SALT
from state.review import gate

SCHEMA = {
    "type": "object",
    "required": ["supplier", "amount", "lines"],
    "properties": {
        "supplier": {"type": "string", "title": "Supplier"},
        "amount": {
            "type": "integer",
            "title": "Amount (EUR)",
            "x-minor-units": 2,
            "minimum": 1,
            "maximum": 1_000_000,
        },
        "urgent": {"type": "boolean", "title": "Urgent"},
        "lines": {
            "type": "array",
            "title": "Lines",
            "items": {
                "type": "object",
                "required": ["item", "quantity"],
                "properties": {
                    "item": {"type": "string", "title": "Item"},
                    "quantity": {"type": "integer", "title": "Quantity", "minimum": 1},
                },
            },
        },
    },
}
ORDER = {
    "supplier": "Fix AG",
    "amount": 854_548,
    "urgent": False,
    "lines": [{"item": "M8x40", "quantity": 500}, {"item": "M10x60", "quantity": 200}],
}


def order(title: str, **more: Any) -> Any:
    """Return the question about an order."""
    told: dict[str, Any] = {
        "action": "create_order",
        "args": ORDER,
        "args_schema": SCHEMA,
        "why_now": "over the agent's own limit of 2,000 EUR",
        "evidence": [("Stock", "M8x40 is empty in 3.4 days"), ("Budget", "18,400 EUR left")],
        "effects": {"approve": "goes to the supplier at once", "reject": "nothing is ordered"},
        "reasons": ["too expensive", "wrong supplier"],
        "due_in": timedelta(hours=4),
        "undo_in": timedelta(0),
    }
    return gate(title=title, **{**told, **more})


def at(desk: Any, thread_id: str) -> str:
    """Return the address of the thread's review."""
    return f"/console/reviews/{desk.review_of(thread_id)['id']}"


def title_of(page: Any) -> Any:
    """Return where the page shows the review's title."""
    return page.locator("#review-title")


def settled(page: Any) -> None:
    """Wait until a decision key counts: keys right after another review appeared do not."""
    page.wait_for_timeout(300)


def link_to(database_url: str, thread_id: str) -> str:
    """Make a link as a notification carries it, and return its path."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        (key,) = connection.execute(
            "SELECT value FROM holdfast.secrets WHERE name = 'links'"
        ).fetchone() or ("",)
        link_id = uuid4().hex
        connection.execute(
            "INSERT INTO holdfast.gate_links"
            " (tenant, link_id, gate_id, person, fingerprint, expires_at)"
            " SELECT tenant, %s, gate_id, 'ana@example.org', fingerprint, now() + interval '1 day'"
            " FROM holdfast.gates WHERE thread_id = %s",
            (link_id, thread_id),
        )
    return f"/r/{URLSafeSerializer(key.encode(), salt=SALT).dumps(link_id)}"
