"""Puts the order to a person and waits, for minutes or months."""

from datetime import timedelta
from typing import Any

from langgraph.types import interrupt

from nodes.services import Ledger
from state.budget import Budget
from state.money import CURRENCIES, LARGEST_AMOUNT, money_text
from state.order_messages import (
    EditOrder,
    Expired,
    NoteDecision,
    OrderDecision,
    ProposalDecision,
    Reject,
)
from state.order_rules import apply_edit
from state.purchase_order import (
    MAX_ITEM,
    MAX_LINES,
    Answer,
    Move,
    Order,
    PurchaseOrder,
    due,
    move,
    order_text,
    read_invoice,
)
from state.review import Allowed, Gate, gate

MAX_EVIDENCE_LINES = 10
PRESET_REASONS = (
    "not ordered by us",
    "wrong amount",
    "wrong supplier",
    "duplicate",
    "too expensive",
)
_Schema = type[OrderDecision] | type[ProposalDecision] | type[NoteDecision]
_SCHEMAS: dict[str, _Schema] = {
    "order": OrderDecision,
    "proposal": ProposalDecision,
    "credit_note": NoteDecision,
}
_ALLOWED: dict[str, tuple[Allowed, ...]] = {
    "order": ("approve", "edit", "reject"),
    "proposal": ("edit", "reject"),
    "credit_note": ("approve", "reject"),
}


async def await_review(state: PurchaseOrder, *, ledger: Ledger, patience: timedelta) -> Move:
    """Ask, and return what the answer makes of the order.

    Args:
        state: with `question` set.
        ledger: for the departments that a reviewer may choose from.
        patience: how long an answer may take before the order is given up.
    """
    question = state["question"] or "order"
    budgets = await ledger.budgets(due(state)["currency"])
    asked = _ask(state, question, budgets, patience)
    # Nothing that others can see may stand above this line: the node runs again from its top.
    answer = interrupt(asked, response_schema=_SCHEMAS[question]).decisions[0]
    said: Answer = {
        "type": answer.type,
        "comment": answer.message,
        "decided_by": answer.decided_by,
    }
    order = due(state)
    if isinstance(answer, Expired):
        return {
            **move(state, "expire", by="timer"),
            "answer": said,
            "summary": f"{order_text(order)}: nobody decided in time",
            "next": "release the budget" if state["stage"] == "RESERVED" else None,
            "error": {
                "code": "review_expired",
                "message": f"nobody decided about {order['order_id']} in time",
                "field": None,
                "expected": None,
            },
        }
    if isinstance(answer, Reject) or question == "credit_note":
        return _declined(state, said)
    if isinstance(answer, EditOrder):
        changed = apply_edit(order, answer.edited_action.args)
        return {
            **move(state, "amend", by="person"),
            "answer": said,
            "order": changed,
            "summary": f"{order_text(changed)}: changed by a person",
            "next": "check the change",
        }
    return {
        **move(state, "approve", by="person"),
        "answer": said,
        "summary": f"{order_text(order)}: approved{_by(said)}",
        "next": "order it",
    }


def _declined(state: PurchaseOrder, said: Answer) -> Move:
    order = due(state)
    comment = said["comment"]
    because = f": {comment}" if comment else ""
    if state["question"] == "credit_note":
        noted = "noted" if said["type"] == "approve" else "refused"
        summary = f"credit note {order['invoice_number']} {noted}{_by(said)}, nothing ordered"
    else:
        summary = f"{order_text(order)}: rejected{_by(said)}"
    return {
        **move(state, "decline", by="person"),
        "answer": said,
        "summary": summary + because,
        "next": "release the budget" if state["stage"] == "RESERVED" else None,
    }


def _ask(state: PurchaseOrder, question: str, budgets: list[Budget], patience: timedelta) -> Gate:
    order = due(state)
    proposal = state.get("proposal")
    amount = money_text(abs(order["amount"]), order["currency"])
    codes = {reason["code"] for reason in state["reasons"]}
    is_risky = bool(codes & {"new_account", "other_payee"})
    is_noted = question == "credit_note"
    title = "Credit note" if is_noted else "Purchase order"
    return gate(
        title=f"{title} · {order['supplier_name']} · {amount}",
        action="note_credit" if is_noted else "create_purchase_order",
        args=_args(order),
        allowed=_ALLOWED[question],
        args_schema=_args_schema(order, budgets),
        description=_description(state),
        risk="high" if is_risky else "normal",
        why_now="; ".join(reason["message"] for reason in state["reasons"]),
        reasoning=proposal["rationale"] if proposal else "",
        evidence=_evidence(state, budgets),
        effects=_effects(question, order),
        reasons=PRESET_REASONS,
        due_in=patience / 3,
        expires_in=patience,
        on_expiry="reject",
    )


def _args(order: Order) -> dict[str, Any]:
    return {
        "department": order["department"],
        "amount": order["amount"],
        "currency": order["currency"],
        "lines": order["lines"],
    }


def _args_schema(order: Order, budgets: list[Budget]) -> dict[str, Any]:
    # Integers of minor units; forms show and take decimals.
    money = {"type": "integer", "x-minor-units": CURRENCIES[order["currency"]]}
    line = {
        "type": "object",
        "properties": {
            "item": {"type": "string", "title": "Item", "minLength": 1, "maxLength": MAX_ITEM},
            # A line below zero takes something back.
            "quantity": {"type": "string", "title": "Quantity", "pattern": r"^-?\d+(\.\d+)?$"},
            "amount": {
                **money,
                "title": f"Net ({order['currency']})",
                "minimum": -LARGEST_AMOUNT,
                "maximum": LARGEST_AMOUNT,
            },
        },
        "required": ["item", "quantity", "amount"],
        "additionalProperties": False,
    }
    properties = {
        "department": {
            "type": "string",
            "title": "Department",
            "enum": [budget["department"] for budget in budgets] or [order["department"]],
        },
        "amount": {
            **money,
            "title": f"Amount ({order['currency']})",
            "minimum": 1,
            "maximum": LARGEST_AMOUNT,
        },
        "currency": {"type": "string", "title": "Currency", "const": order["currency"]},
        "lines": {"type": "array", "title": "Lines", "items": line, "maxItems": MAX_LINES},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": ["department", "amount"],
        "additionalProperties": False,
    }


def _evidence(state: PurchaseOrder, budgets: list[Budget]) -> list[tuple[str, str]]:
    invoice, order = read_invoice(state), due(state)
    totals, currency = invoice["totals"], invoice["currency"]
    found = [
        ("Supplier", f"{order['supplier_name']} ({order['supplier_id']})"),
        ("Invoice", f"{invoice['number']} of {invoice['issue_date']}"),
        ("Payable", money_text(totals["payable"], currency)),
        (
            "Net and tax",
            f"{money_text(totals['tax_exclusive'], currency)}"
            f" + {money_text(totals['tax_total'], currency)}",
        ),
    ]
    if invoice["due_date"]:
        found.append(("Due", invoice["due_date"]))
    found += [("Your order", order["buyer_order"])] if order["buyer_order"] else []
    found += [
        ("Account", means["account"]) for means in invoice["payment_means"] if means["account"]
    ]
    found += [
        (
            f"Budget {b['department']}",
            f"{money_text(b['available'], currency)} of {money_text(b['limit'], currency)} left",
        )
        for b in budgets
        if b["department"] == order["department"]
    ]
    return found


def _description(state: PurchaseOrder) -> str:
    order = due(state)
    shown = order["lines"][:MAX_EVIDENCE_LINES]
    lines = [
        f"- {line['quantity']} x {line['item']}: {money_text(line['amount'], order['currency'])}"
        for line in shown
    ]
    rest = len(order["lines"]) - len(shown)
    return "\n".join([*lines, *([f"- and {rest} more lines"] if rest else [])])


def _effects(question: str, order: Order) -> dict[Allowed, str]:
    if question == "credit_note":
        return {
            "approve": "the credit note is noted; nothing is ordered and no budget moves",
            "reject": "the credit note is refused; nothing is ordered and no budget moves",
        }
    held = f"{money_text(order['amount'], order['currency'])} go back to the budget"
    return {
        "approve": f"order {order['order_id']} is entered in the ERP at once",
        "edit": "your figures are checked again and then ordered",
        "reject": f"nothing is ordered; {held}" if question == "order" else "nothing is ordered",
    }


def _by(said: Answer) -> str:
    return f" by {said['decided_by']}" if said["decided_by"] else ""
