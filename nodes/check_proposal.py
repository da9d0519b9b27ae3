"""The Heart's word on the Brain's proposal: accept it, send it back, or ask a person."""

from datetime import UTC, datetime

from nodes.services import Ledger, Suppliers
from state.budget import Budget
from state.invoice import Invoice
from state.order_rules import check_proposal as find_violations
from state.order_rules import reasons_to_ask
from state.purchase_order import (
    MAX_REPAIRS,
    MAX_VIOLATIONS,
    Move,
    Order,
    ProposalFields,
    PurchaseOrder,
    Reason,
    Violation,
    due,
    move,
    order_text,
    read_invoice,
)


async def check_proposal(state: PurchaseOrder, *, ledger: Ledger, suppliers: Suppliers) -> Move:
    """Return the order with the proposal in it, or why the proposal was refused."""
    invoice = read_invoice(state)
    proposal = state.get("proposal")
    if proposal is None:
        return _refuse(state, [])
    budgets = await ledger.budgets(invoice["currency"])
    violations = find_violations(
        proposal, invoice, budgets, stage=state["stage"], facts=state["facts"]
    )
    if violations:
        return _refuse(state, violations)
    return await _accept(state, proposal, invoice, budgets, suppliers)


async def _accept(
    state: PurchaseOrder,
    proposal: ProposalFields,
    invoice: Invoice,
    budgets: list[Budget],
    suppliers: Suppliers,
) -> Move:
    budget = next(b for b in budgets if b["department"] == proposal["department"])
    supplier = await suppliers.get(invoice["supplier_id"])
    # A day more or less does not matter here; that it is the same in every time zone does.
    today = datetime.now(UTC).date()
    reasons = reasons_to_ask(proposal, invoice, budget, supplier, today=today)
    order: Order = {**due(state), "department": proposal["department"]}
    return {
        **move(state, "accept_for_review" if reasons else "accept"),
        "order": order,
        "reasons": reasons,
        "question": "order" if reasons else None,
        "violations": [],
        "summary": f"{order_text(order)} for {budget['name']}: the rules accept it",
        "next": "reserve the budget",
    }


def _refuse(state: PurchaseOrder, violations: list[Violation]) -> Move:
    kept = [*state["violations"], *violations][-MAX_VIOLATIONS:]
    if state["repairs"] < MAX_REPAIRS:
        repairs = state["repairs"] + 1
        last = kept[-1]["message"] if kept else "no proposal"
        return {
            **move(state, "send_back"),
            "violations": kept,
            "repairs": repairs,
            "summary": f"proposal refused ({repairs} of {MAX_REPAIRS}): {last}",
            "next": "propose again",
        }
    reasons: list[Reason] = []
    for violation in kept:
        reason: Reason = {"code": violation["code"], "message": violation["message"]}
        if reason not in reasons:
            reasons.append(reason)
    return {
        "violations": kept,
        "reasons": reasons,
        "question": "proposal",
        "summary": f"no proposal for {order_text(due(state))} passed the rules",
        "next": "a person decides",
    }
