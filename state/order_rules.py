"""What an order must fulfil before money moves, and what makes a person look at it."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal

from state.budget import Budget, Supplier
from state.errors import IllegalMoveError
from state.invoice import Invoice
from state.invoice_rules import LINE_TOLERANCE, line_amount
from state.machine import Facts
from state.money import money_text
from state.order_messages import OrderEdit
from state.purchase_order import (
    MAX_ITEM,
    PURCHASE_ORDER,
    Order,
    OrderLine,
    ProposalFields,
    Reason,
    Stage,
    Violation,
)

OLD_AFTER = timedelta(days=365)
"""Age of an invoice at which a person looks."""
MAX_ODD_LINES = 3
"""Lines named one by one before the rest is only counted."""


def order_lines(invoice: Invoice) -> list[OrderLine]:
    """Return the lines of an invoice as lines of an order."""
    return [
        {
            "item": line["item"][:MAX_ITEM] or f"line {line['id']}",
            "quantity": f"{Decimal(line['quantity']):f}",
            "amount": line["amount"],
        }
        for line in invoice["lines"]
    ]


def check_proposal(
    proposal: ProposalFields,
    invoice: Invoice,
    budgets: Sequence[Budget],
    *,
    stage: Stage,
    facts: Facts,
) -> list[Violation]:
    """Return what is wrong with a Brain's proposal; an empty list lets it pass.

    Args:
        proposal: what the Brain wants.
        invoice: the document that it is about; its figures are the truth.
        budgets: the budgets in the invoice's currency.
        stage: where the order is.
        facts: what is known of it.
    """
    found: list[Violation] = []
    try:
        # Whether the rules pass it is what is being found out here.
        PURCHASE_ORDER.allow(stage, proposal["stage"], {**facts, "checked": True}, "brain")
    except IllegalMoveError as error:
        found.append(_violation(error.code, "stage", str(error), error.allowed))
    if proposal["currency"] != invoice["currency"]:
        message = f"currency must be {invoice['currency']}, got {proposal['currency']}"
        found.append(_violation("wrong_currency", "currency", message, [invoice["currency"]]))
    payable = invoice["totals"]["payable"]
    if proposal["amount"] != payable:
        message = (
            f"amount must be {payable}, what the invoice asks for in minor units,"
            f" got {proposal['amount']}"
        )
        found.append(_violation("wrong_amount", "amount", message, [str(payable)]))
    elif payable < 1:
        message = f"amount must be above zero, the invoice asks for {payable}"
        found.append(_violation("nothing_to_pay", "amount", message))
    found += _check_department(proposal["department"], invoice["currency"], budgets)
    return found


def check_edit(order: Order, invoice: Invoice, budgets: Sequence[Budget]) -> list[Violation]:
    """Return what is wrong with an order as a person changed it."""
    found = _check_department(order["department"], order["currency"], budgets)
    if order["currency"] != invoice["currency"]:
        message = f"currency must be {invoice['currency']}, got {order['currency']}"
        return [*found, _violation("wrong_currency", "currency", message, [invoice["currency"]])]
    totals = invoice["totals"]
    lines = sum(line["amount"] for line in order["lines"])
    extra = totals["payable"] - totals["line_total"]
    most = lines + extra if order["lines"] else totals["payable"]
    if order["amount"] > min(most, totals["payable"]):
        limit = money_text(min(most, totals["payable"]), order["currency"])
        message = (
            f"amount must be at most {limit}, got {money_text(order['amount'], order['currency'])}:"
            f" the lines come to {money_text(lines, order['currency'])} and the invoice adds"
            f" {money_text(extra, order['currency'])} of tax and charges"
        )
        found.append(_violation("amount_too_high", "amount", message))
    return found


def apply_edit(order: Order, edit: OrderEdit) -> Order:
    """Return the order with a person's changes, as its next revision."""
    changed: Order = {**order, "revision": order["revision"] + 1}
    if edit.amount is not None:
        changed["amount"] = edit.amount
    if edit.department is not None:
        changed["department"] = edit.department
    if edit.currency is not None:
        changed["currency"] = edit.currency
    if edit.lines is not None:
        changed["lines"] = [
            {"item": line.item, "quantity": line.quantity, "amount": line.amount}
            for line in edit.lines
        ]
    return changed


def reasons_to_ask(
    proposal: ProposalFields,
    invoice: Invoice,
    budget: Budget,
    supplier: Supplier | None,
    *,
    today: date,
) -> list[Reason]:
    """Return why a person must see an order that the rules have passed; usually nothing."""
    found: list[Reason] = []
    if proposal["amount"] > budget["agent_limit"]:
        money = money_text(proposal["amount"], proposal["currency"])
        limit = money_text(budget["agent_limit"], budget["currency"])
        found.append(
            _reason(
                "above_limit",
                f"{money} is above the agent's own limit of {limit} for {budget['department']}",
            )
        )
    if supplier is None:
        found.append(_reason("new_supplier", f"{invoice['supplier_name']} is a new supplier"))
    found += _odd_payment(invoice, supplier)
    found += _odd_dates(invoice, today)
    found += _odd_lines(invoice)
    found += [_reason("unclear_document", warning) for warning in invoice["warnings"]]
    found += [_reason("concern", concern) for concern in proposal["concerns"]]
    return found


def credit_note_reason(invoice: Invoice) -> Reason:
    """Return why a document that gives money back goes to a person."""
    money = money_text(abs(invoice["totals"]["payable"]), invoice["currency"])
    what = "a credit note" if invoice["kind"] == "credit_note" else "an invoice below zero"
    refers = ", ".join(invoice["references"]["preceding"])
    about = f" It corrects {refers}." if refers else ""
    return _reason(
        "credit_note",
        f"this is {what} over {money}: it takes money back and orders nothing.{about}",
    )


def _check_department(department: str, currency: str, budgets: Sequence[Budget]) -> list[Violation]:
    known = [budget["department"] for budget in budgets]
    if department in known:
        return []
    allowed = ", ".join(known) or "none"
    message = f"department must be one with a budget in {currency} ({allowed}), got {department!r}"
    return [_violation("unknown_department", "department", message, known)]


def _odd_payment(invoice: Invoice, supplier: Supplier | None) -> Iterator[Reason]:
    if supplier is not None and supplier["accounts"]:
        for means in invoice["payment_means"]:
            account = means["account"]
            if account is not None and account not in supplier["accounts"]:
                name = supplier["name"]
                yield _reason("new_account", f"account {account} was never used by {name} before")
    payee = invoice["payee"]
    if payee is not None and payee["name"] not in (None, invoice["supplier_name"]):
        yield _reason("other_payee", f"the money goes to {payee['name']}, not to the supplier")


def _odd_dates(invoice: Invoice, today: date) -> Iterator[Reason]:
    issued = date.fromisoformat(invoice["issue_date"])
    due = invoice["due_date"]
    if issued > today:
        yield _reason("issued_in_future", f"the invoice is dated {issued}, which is still to come")
    if today - issued > OLD_AFTER:
        yield _reason("old_invoice", f"the invoice is dated {issued}, more than a year ago")
    if due is not None and date.fromisoformat(due) < issued:
        yield _reason("due_before_issue", f"it is due on {due}, before its own date {issued}")


def _odd_lines(invoice: Invoice) -> Iterator[Reason]:
    currency = invoice["currency"]
    odd = [
        (line, expected)
        for line in invoice["lines"]
        if (expected := line_amount(line, currency)) is not None
        and abs(expected - line["amount"]) > LINE_TOLERANCE
    ]
    for line, expected in odd[:MAX_ODD_LINES]:
        says, comes_to = money_text(line["amount"], currency), money_text(expected, currency)
        yield _reason(
            "odd_line", f"line {line['id']} says {says}, its quantity and price come to {comes_to}"
        )
    if len(odd) > MAX_ODD_LINES:
        yield _reason("odd_line", f"{len(odd) - MAX_ODD_LINES} more lines do not add up")


def _violation(code: str, field: str, message: str, allowed: Sequence[str] = ()) -> Violation:
    return {"code": code, "field": field, "message": message, "allowed": list(allowed)}


def _reason(code: str, message: str) -> Reason:
    return {"code": code, "message": message}
