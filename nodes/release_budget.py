"""Gives back the money of an order that will not be: the compensating way back."""

from nodes.services import JSON, Effects, Ledger
from nodes.services.effects import effect
from state.purchase_order import Move, PurchaseOrder, due, move


async def release_budget(state: PurchaseOrder, *, ledger: Ledger, effects: Effects) -> Move:
    """Return the order's end, with its money back in the budget."""
    order = state.get("held") or due(state)

    async def call() -> JSON:
        await ledger.release(order)
        return {}

    await effect(
        effects,
        key=f"{order['order_id']}:release:{order['revision']}",
        name="release_budget",
        request={"amount": order["amount"], "currency": order["currency"]},
        call=call,
    )
    declined = state["facts"]["declined"]
    return {
        **move(state, "release_declined" if declined else "release"),
        "summary": f"{state['summary']}; its money is back in {order['department']}",
        "next": "tell the requester" if declined else "tell the operator",
    }
