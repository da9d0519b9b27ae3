"""Gives up orders whose thread will not finish them: it was deleted, or its run was cancelled.

Such an order keeps its invoice and its money until a person says that it is over.
"""

from datetime import datetime
from typing import Literal, cast

from typing_extensions import TypedDict

from nodes.services import Erp
from nodes.services.database import Database, statement
from nodes.services.errors import EffectError, ServiceError
from nodes.services.ledger import PostgresLedger


class UnfinishedOrder(TypedDict):
    """An order that holds an invoice, and money as well when `amount` is set.

    `thread` is `running`, `waiting` (at a review), `stopped` (nothing will move it by itself) or
    `deleted`; `amount` is in minor units.
    """

    order_id: str
    invoice_id: str
    thread_id: str
    created_at: datetime
    department: str | None
    currency: str | None
    amount: int | None
    thread: Literal["running", "waiting", "stopped", "deleted"]


class OrderNotReleasedError(ServiceError):
    """An order cannot be given up by hand; the sentence says why and what to do instead."""


async def unfinished_orders(
    database: Database, order_id: str | None = None
) -> list[UnfinishedOrder]:
    """Return the orders that hold an invoice, oldest first; with `order_id` that one or none."""
    rows = await database.fetch_all(statement("list_unfinished_orders"), {"order_id": order_id})
    return [cast("UnfinishedOrder", row) for row in rows]


async def release_order(
    database: Database, erp: Erp, order_id: str, *, actor: str, reason: str
) -> UnfinishedOrder:
    """Give back the money and the invoice of an order whose thread is over; return what it held.

    The order is barred in the ERP first: should its thread be taken up again, it is refused there.
    The thread's row is locked meanwhile, so that no run begins.

    Raises:
        OrderNotReleasedError: there is no such order, its thread is alive, or the ERP has it.
    """
    values = {"order_id": order_id, "actor": actor, "reason": reason}
    async with database.transaction() as connection:
        await database.execute(connection, statement("lock_thread_of_order"), values)
        rows = await database.execute(connection, statement("list_unfinished_orders"), values)
        if not rows:
            raise OrderNotReleasedError(
                f"no unfinished order {order_id!r}; `holdfast orders list` shows them"
            )
        order = cast("UnfinishedOrder", rows[0])
        _refuse_alive(order)
        await _bar(erp, order_id)
        ledger = PostgresLedger(database)
        await ledger.release_by_hand(connection, order_id, actor=actor, reason=reason)
        await database.execute(connection, statement("release_order"), values)
    return order


def _refuse_alive(order: UnfinishedOrder) -> None:
    ways_out = {
        "running": "cancel its run first",
        "waiting": "reject its review, or cancel it",
    }
    way_out = ways_out.get(order["thread"])
    if way_out is not None:
        raise OrderNotReleasedError(
            f"order {order['order_id']} is {order['thread']} in thread {order['thread_id']};"
            f" {way_out}"
        )


async def _bar(erp: Erp, order_id: str) -> None:
    try:
        found = await erp.find(order_id)
        if found is not None:
            raise OrderNotReleasedError(
                f"order {order_id} stands in the ERP as {found['erp_order_id']}; its invoice is"
                " ordered and its money spent, cancel it there"
            )
        await erp.cancel(order_id, key=f"{order_id}:cancel")
    except EffectError as error:
        raise OrderNotReleasedError(
            f"order {order_id} cannot be barred in the ERP: {error}; try again when it answers"
        ) from error
