"""Holds the order's money in its department's budget."""

from nodes.services import JSON, Effects, Ledger
from nodes.services.effects import effect
from nodes.services.errors import BudgetRefusedError, EffectRefusedError
from state.money import money_text
from state.purchase_order import Move, PurchaseOrder, due, move, order_text


async def reserve_budget(state: PurchaseOrder, *, ledger: Ledger, effects: Effects) -> Move:
    """Return the order with its money held, or where it goes without money."""
    order = due(state)

    async def call() -> JSON:
        await ledger.reserve(order)
        return {"department": order["department"], "amount": order["amount"]}

    try:
        await effect(
            effects,
            key=f"{order['order_id']}:reserve:{order['revision']}",
            name="reserve_budget",
            request={
                "department": order["department"],
                "amount": order["amount"],
                "currency": order["currency"],
            },
            call=call,
        )
    except EffectRefusedError as error:
        return _without_money(state, error)
    event = "reserve" if state["stage"] == "DRAFT" else "accept"
    asks = state["question"] is not None and not state["facts"]["approved"]
    then = f"waits for a person: {state['reasons'][0]['message']}" if asks else "goes to the ERP"
    return {
        **move(state, event),
        "held": order,
        "summary": f"{order_text(order)}: reserved in {order['department']}, {then}",
        "next": "a person decides" if asks else "order it",
    }


def _without_money(state: PurchaseOrder, error: EffectRefusedError) -> Move:
    order = due(state)
    if state["stage"] == "RESERVED":
        # A reviewer's change does not fit the budget; what was held before is still held.
        code = error.code
        return {
            **move(state, "send_back"),
            "order": state["held"],
            "question": "order",
            "reasons": [{"code": code, "message": f"your change was refused: {error}"}],
            "summary": f"{order_text(order)}: {error}",
            "next": "a person decides",
        }
    code = "no_budget" if isinstance(error, BudgetRefusedError) else error.code
    return {
        **move(state, "fail"),
        "summary": f"{order_text(order)} failed: {error}",
        "next": "tell the operator",
        "error": {
            "code": code,
            "message": str(error),
            "field": "department",
            "expected": f"a department with {money_text(order['amount'], order['currency'])} left",
        },
    }
