"""The Heart's word on what a person changed: the same rules hold for people."""

from nodes.services import Ledger
from state.order_rules import check_edit
from state.purchase_order import (
    MAX_VIOLATIONS,
    Move,
    PurchaseOrder,
    due,
    move,
    order_text,
    read_invoice,
)


async def check_amendment(state: PurchaseOrder, *, ledger: Ledger) -> Move:
    """Return the changed order on its way to the budget, or the question once more."""
    order, invoice = due(state), read_invoice(state)
    violations = check_edit(order, invoice, await ledger.budgets(invoice["currency"]))
    if not violations:
        accepted = move(state, "accept") if state["stage"] == "DRAFT" else Move()
        return {**accepted, "violations": [], "next": "reserve the budget"}
    refused = move(state, "send_back") if state["stage"] == "RESERVED" else Move()
    return {
        **refused,
        # What is reserved is the order as it was before the change.
        "order": state.get("held") or order,
        "violations": violations[-MAX_VIOLATIONS:],
        "reasons": [
            {
                "code": violation["code"],
                "message": f"your change was refused: {violation['message']}",
            }
            for violation in violations
        ],
        "summary": f"{order_text(order)}: the change was refused",
        "next": "a person decides",
    }
