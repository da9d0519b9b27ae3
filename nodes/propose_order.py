"""Asks the Brain for a proposal; what it says is only looked at in `check_proposal`."""

from nodes.services import Brain, Ledger, Task
from nodes.services.errors import UnusableAnswerError
from state.purchase_order import (
    MAX_VIOLATIONS,
    PURCHASE_ORDER,
    Move,
    PurchaseOrder,
    read_invoice,
)


async def propose_order(state: PurchaseOrder, *, brain: Brain, ledger: Ledger) -> Move:
    """Return the Brain's proposal, or what was wrong with its answer."""
    invoice = read_invoice(state)
    checked = {**state["facts"], "checked": True}
    previous = state.get("proposal")
    task = Task(
        invoice=invoice,
        stage=state["stage"],
        allowed=PURCHASE_ORDER.legal(state["stage"], checked, "brain"),
        budgets=await ledger.budgets(invoice["currency"]),
        violations=state["violations"],
        previous=dict(previous) if previous else None,
    )
    try:
        proposal = await brain.propose(task)
    except UnusableAnswerError as error:
        violations = [*state["violations"], *error.violations][-MAX_VIOLATIONS:]
        return {
            "proposal": None,
            "violations": violations,
            "summary": f"no proposal: {error}",
            "next": "check the proposal",
        }
    return {
        "proposal": {
            "stage": proposal.stage,
            "department": proposal.department,
            "amount": proposal.amount,
            "currency": proposal.currency,
            "concerns": proposal.concerns,
            "rationale": proposal.rationale,
        },
        "summary": f"proposed for {proposal.department}: {proposal.rationale}",
        "next": "check the proposal",
    }
