"""Takes the invoice for this thread, so that it is ordered once whoever else submits it."""

from langchain_core.runnables import RunnableConfig

from nodes.services import Orders
from state.invoice import Invoice, is_credit
from state.order_rules import credit_note_reason, order_lines
from state.purchase_order import Move, Order, PurchaseOrder, move, order_text, read_invoice


async def claim_invoice(state: PurchaseOrder, config: RunnableConfig, *, orders: Orders) -> Move:
    """Return the order that the invoice becomes here, or the one that it became before."""
    invoice = read_invoice(state)
    thread_id = str(config["configurable"]["thread_id"])
    claim = await orders.claim(str(state["invoice_id"]), thread_id=thread_id)
    if claim.first is not None:
        is_ordered = claim.first["stage"] == "COMMITTED"
        what = "already ordered" if is_ordered else "already being ordered"
        return {
            **move(state, "find_first"),
            "first": claim.first,
            "summary": f"{what} as {claim.first['order_id']} in thread {claim.first['thread_id']}:"
            f" invoice {invoice['number']} of {invoice['supplier_name']}",
        }
    order = _draft(invoice, claim.order_id, claim.revision)
    if is_credit(invoice):
        return {
            "order": order,
            "question": "credit_note",
            "reasons": [credit_note_reason(invoice)],
            "summary": f"{state['summary']}: waits for a person, a credit note orders nothing",
            "next": "a person takes note of the credit note",
        }
    return {
        "order": order,
        "summary": f"{order_text(order)}: not ordered before",
        "next": "propose a department",
    }


def _draft(invoice: Invoice, order_id: str, revision: int) -> Order:
    return {
        "order_id": order_id,
        "revision": revision,
        "supplier_id": invoice["supplier_id"],
        "supplier_name": invoice["supplier_name"],
        "invoice_number": invoice["number"],
        "department": "",
        "amount": invoice["totals"]["payable"],
        "currency": invoice["currency"],
        "lines": order_lines(invoice),
        "buyer_order": invoice["references"]["order"],
        "erp_order_id": None,
    }
