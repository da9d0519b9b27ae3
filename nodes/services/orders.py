"""Which thread has which invoice: a unique index decides between two that come at once."""

from typing import cast

from nodes.services import Claim
from nodes.services.database import Database, statement
from state.purchase_order import First

# The holder may free the invoice between the two statements; a second look settles it.
MAX_LOOKS = 5


class PostgresOrders:
    """Keeps the claims in Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, invoice_id: str, *, thread_id: str) -> Claim:
        """Take an invoice, or learn who has it; see `Orders.claim`."""
        values = {"invoice_id": invoice_id, "thread_id": thread_id}
        for _ in range(MAX_LOOKS):
            row = await self._database.fetch_one(statement("claim_invoice"), values)
            if row is None:
                row = await self._database.fetch_one(statement("read_claim"), values)
            if row is not None:
                mine = row["thread_id"] == thread_id and row["stage"] != "COMMITTED"
                first = {name: row[name] for name in ("order_id", "thread_id", "stage")}
                return Claim(
                    order_id=row["order_id"],
                    revision=row["revision"],
                    first=None if mine else cast("First", first),
                )
        raise TimeoutError(f"the claims of invoice {invoice_id!r} change too fast")

    async def set_stage(self, order_id: str, stage: str) -> None:
        """Say how far an order is; see `Orders.set_stage`."""
        values = {"order_id": order_id, "stage": stage}
        await self._database.fetch_all(statement("set_order_stage"), values)
