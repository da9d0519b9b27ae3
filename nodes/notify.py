"""Tells the requester how it ended, and settles what the end means for the next document."""

import hashlib

from langchain_core.runnables import RunnableConfig

from nodes.services import JSON, Effects, Notifier, Orders, Suppliers
from nodes.services.effects import effect
from state.purchase_order import Move, PurchaseOrder, due, read_invoice


async def notify(
    state: PurchaseOrder,
    config: RunnableConfig,
    *,
    notifier: Notifier,
    effects: Effects,
    orders: Orders,
    suppliers: Suppliers,
) -> Move:
    """Leave a notice, free or keep the invoice, remember the supplier; then it is over."""
    order = state.get("order")
    thread_id = str(config["configurable"]["thread_id"])
    if order is not None and state["stage"] != "ALREADY_ORDERED":
        await orders.set_stage(order["order_id"], state["stage"])
    if state["stage"] == "COMMITTED":
        invoice, bought = read_invoice(state), due(state)
        accounts = [means["account"] for means in invoice["payment_means"]]
        await suppliers.learn(
            bought["supplier_id"],
            name=bought["supplier_name"],
            accounts=[account for account in accounts if account],
        )

    async def call() -> JSON:
        await notifier.notify(
            key,
            audience="requester",
            thread_id=thread_id,
            order_id=order["order_id"] if order else None,
            title=state["stage"].replace("_", " ").capitalize(),
            body=state["summary"],
        )
        return {}

    key = notice_key(state, thread_id, "requester")
    await effect(effects, key=key, name="notify", request={"body": state["summary"]}, call=call)
    return {"next": None}


def notice_key(state: PurchaseOrder, thread_id: str, audience: str) -> str:
    """Return the key of a notice about how a process ended."""
    order = state.get("order")
    if order is not None:
        return f"{order['order_id']}:{state['stage'].lower()}:{audience}"
    # A thread may be given one document after another: each end is told by what it says.
    said = hashlib.sha256(state["summary"].encode()).hexdigest()[:16]
    return f"{thread_id}:{said}:{state['stage'].lower()}:{audience}"
