"""Enters the order in the ERP, once, and spends the money that was held for it."""

from typing import cast

from langgraph.errors import NodeError
from langgraph.types import Command

from nodes.services import JSON, Effects, Erp, ErpOrder, Ledger
from nodes.services.effects import effect
from nodes.services.errors import OutcomeUnknownError
from nodes.services.faults import HandledErrors
from state.purchase_order import Move, Order, PurchaseOrder, due, move, order_text


async def commit_to_erp(
    state: PurchaseOrder, *, erp: Erp, effects: Effects, ledger: Ledger
) -> Move:
    """Return the order with the ERP's number.

    Raises:
        EffectError: the ERP did not confirm; `resolve_commit` finds out what became of it.
    """
    order = due(state)
    sent = _sent(state)

    async def call() -> JSON:
        return dict(await erp.create(order, key=commit_key(order)))

    async def look_up() -> JSON | None:
        found = await erp.find(order["order_id"])
        return None if found is None else dict(found)

    result = await effect(
        effects,
        key=commit_key(order),
        name="commit_to_erp",
        request=dict(order),
        call=call,
        look_up=look_up,
    )
    return await adopt(sent, "commit", cast("ErpOrder", result), effects=effects, ledger=ledger)


async def lose_commit(
    state: PurchaseOrder, error: NodeError, *, handled: HandledErrors
) -> Command[str]:
    """Send an order that the ERP did not confirm to where its fate is found out."""
    handled.keep(error.error)
    update: Move = {
        "facts": _sent(state)["facts"],
        "summary": f"{order_text(due(state))}: the ERP did not confirm it ({error.error})",
        "next": "find out what the ERP knows",
    }
    return Command(update=update, goto="resolve_commit")


def commit_key(order: Order) -> str:
    """Return the key under which an order is entered, whatever its revision."""
    return f"{order['order_id']}:order"


async def adopt(
    state: PurchaseOrder, event: str, found: ErpOrder, *, effects: Effects, ledger: Ledger
) -> Move:
    """Return the order as committed, after its money is spent.

    Raises:
        OutcomeUnknownError: the ERP has another order under our reference.
    """
    order = due(state)
    for name in ("amount", "currency", "supplier_id"):
        if found[name] != order[name]:
            raise OutcomeUnknownError(
                f"the ERP's {found['erp_order_id']} differs: {name} is {found[name]!r},"
                f" ordered was {order[name]!r}"
            )
    await spend(order, effects=effects, ledger=ledger)
    committed: Order = {**order, "erp_order_id": found["erp_order_id"]}
    return {
        **move(state, event),
        "order": committed,
        "summary": f"{order_text(order)}: ordered as {found['erp_order_id']}",
        "next": "tell the requester",
    }


async def spend(order: Order, *, effects: Effects, ledger: Ledger) -> None:
    """Spend the money that an order holds, once."""

    async def call() -> JSON:
        await ledger.commit(order)
        return {}

    await effect(
        effects,
        key=f"{order['order_id']}:spend:{order['revision']}",
        name="commit_budget",
        request={"amount": order["amount"], "currency": order["currency"]},
        call=call,
    )


def _sent(state: PurchaseOrder) -> PurchaseOrder:
    event = "send_approved" if state["facts"]["approved"] else "send"
    return {**state, **move(state, event)}
