"""Asks a person whether the ERP has an order; the money stays held until somebody knows."""

from datetime import timedelta

from langgraph.types import interrupt

from nodes.commit_to_erp import commit_key, spend
from nodes.services import Effects, Ledger
from state.money import money_text
from state.order_messages import Approve, ConfirmOrder, DoubtDecision, Expired
from state.purchase_order import Answer, Move, Order, PurchaseOrder, due, move, order_text
from state.review import Gate, gate

PATIENCE = timedelta(days=7)
"""After this nobody is left to wait for: the question is put to the next in the chain."""


async def await_resolution(state: PurchaseOrder, *, effects: Effects, ledger: Ledger) -> Move:
    """Ask, and return what the answer makes of the order."""
    order = due(state)
    known = await effects.get(commit_key(order))
    attempts = known.attempts if known else 0
    # Nothing that others can see may stand above this line: the node runs again from its top.
    answer = interrupt(_ask(state, attempts), response_schema=DoubtDecision).decisions[0]
    said: Answer = {
        "type": answer.type,
        "comment": answer.message,
        "decided_by": answer.decided_by,
    }
    match answer:
        case Expired():
            return {**move(state, "expire", by="timer"), "answer": said}
        case Approve():
            return {"answer": said, "next": "find out what the ERP knows"}
        case ConfirmOrder():
            finding = answer.edited_action.args
            committed: Order = {**order, "erp_order_id": finding.erp_order_id}
            await spend(order, effects=effects, ledger=ledger)
            return {
                **move(state, "confirm", by="person"),
                "answer": {**said, "comment": said["comment"] or finding.evidence or None},
                "order": committed,
                "summary": f"{order_text(order)}: ordered as {finding.erp_order_id}, found by"
                f" {said['decided_by'] or 'a person'}",
                "next": "tell the requester",
            }
        case _:
            message = f"the ERP does not have it{f': {answer.message}' if answer.message else ''}"
            return {
                **move(state, "clear", by="person"),
                "answer": said,
                "summary": f"{order_text(order)}: {message}",
                "error": {
                    "code": "not_in_erp",
                    "message": f"{order['order_id']} was not ordered: {message}",
                    "field": None,
                    "expected": None,
                },
                "next": "release the budget",
            }


def _ask(state: PurchaseOrder, attempts: int) -> Gate:
    order = due(state)
    amount = money_text(order["amount"], order["currency"])
    return gate(
        title=f"Order in doubt · {order['supplier_name']} · {amount}",
        action="resolve_order_in_doubt",
        args={"erp_order_id": "", "evidence": ""},
        args_schema={
            "type": "object",
            "properties": {
                "erp_order_id": {
                    "type": "string",
                    "title": "Order number in the ERP",
                    "minLength": 1,
                    "maxLength": 120,
                },
                "evidence": {"type": "string", "title": "Where you saw it", "maxLength": 2000},
            },
            "required": ["erp_order_id"],
            "additionalProperties": False,
        },
        risk="high",
        why_now="; ".join(reason["message"] for reason in state["reasons"]),
        description=(
            f"Look for reference `{order['order_id']}` in the ERP. Until you answer, {amount} stay"
            f" reserved in {order['department']}."
        ),
        evidence=[
            ("Reference", order["order_id"]),
            ("Idempotency key", commit_key(order)),
            ("Attempts", str(attempts)),
            ("Supplier", f"{order['supplier_name']} ({order['supplier_id']})"),
            ("Invoice", order["invoice_number"]),
            ("Amount", amount),
        ],
        effects={
            "approve": "the ERP is asked once more",
            "edit": "the order counts as entered under your number and its money is spent",
            "reject": f"the order counts as not entered; {amount} go back to the budget",
        },
        due_in=timedelta(hours=4),
        expires_in=PATIENCE,
        on_expiry="escalate",
    )
