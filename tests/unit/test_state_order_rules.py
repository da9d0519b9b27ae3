from datetime import date
from typing import Any

import pytest

from nodes.services.documents import read
from nodes.services.standins import sample_budgets
from state.budget import Supplier
from state.invoice import Invoice
from state.order_messages import OrderEdit
from state.order_rules import apply_edit, check_edit, check_proposal, order_lines, reasons_to_ask
from state.purchase_order import PURCHASE_ORDER, Order, ProposalFields
from tests.desk import SUPPLIER, mail

BUDGETS = [budget for budget in sample_budgets() if budget["currency"] == "EUR"]
IT = next(budget for budget in BUDGETS if budget["department"] == "it")
KNOWN: Supplier = {"supplier_id": SUPPLIER, "name": "Acme AS", "accounts": []}
TODAY = date(2026, 11, 20)


def invoice(**changes: Any) -> Invoice:
    document = read(mail().encode(), filename="mail.txt")
    return {**document, "issue_date": "2026-11-01", **changes}


def proposal(**changes: Any) -> ProposalFields:
    whole: ProposalFields = {
        "stage": "RESERVED",
        "department": "it",
        "amount": 125_00,
        "currency": "EUR",
        "concerns": [],
        "rationale": "",
    }
    return {**whole, **changes}


def order(**changes: Any) -> Order:
    whole: Order = {
        "order_id": "PO-1",
        "revision": 1,
        "supplier_id": SUPPLIER,
        "supplier_name": "Acme AS",
        "invoice_number": "77",
        "department": "it",
        "amount": 125_00,
        "currency": "EUR",
        "lines": order_lines(invoice()),
        "buyer_order": None,
        "erp_order_id": None,
    }
    return {**whole, **changes}


def violations(**changes: Any) -> list[str]:
    found = check_proposal(
        proposal(**changes), invoice(), BUDGETS, stage="DRAFT", facts=PURCHASE_ORDER.facts
    )
    return [violation["code"] for violation in found]


def reasons(document: Invoice, supplier: Supplier | None = KNOWN, **changes: Any) -> list[str]:
    found = reasons_to_ask(proposal(**changes), document, IT, supplier, today=TODAY)
    return [reason["code"] for reason in found]


def test_a_right_proposal_passes() -> None:
    assert violations() == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"stage": "COMMITTED"}, "illegal_transition"),
        ({"stage": "REJECTED"}, "illegal_transition"),
        ({"amount": 124_99}, "wrong_amount"),
        ({"currency": "USD"}, "wrong_currency"),
        ({"department": "moon"}, "unknown_department"),
    ],
)
def test_each_rule_is_broken_by_its_own_name(change: dict[str, Any], code: str) -> None:
    assert violations(**change) == [code]


def test_every_fault_is_named_at_once() -> None:
    assert len(violations(stage="COMMITTED", amount=1, currency="USD", department="x")) == 4


def test_an_invoice_that_asks_for_nothing_is_no_order() -> None:
    document = invoice()
    document["totals"] = {**document["totals"], "payable": 0}

    found = check_proposal(
        proposal(amount=0), document, BUDGETS, stage="DRAFT", facts=PURCHASE_ORDER.facts
    )

    assert [violation["code"] for violation in found] == ["nothing_to_pay"]


def test_a_proposal_from_another_stage_is_refused() -> None:
    found = check_proposal(
        proposal(), invoice(), BUDGETS, stage="COMMITTED", facts=PURCHASE_ORDER.facts
    )

    assert found[0]["message"] == (
        "the order cannot go from COMMITTED to RESERVED; allowed: nothing"
    )


def test_a_plain_order_of_a_known_supplier_needs_nobody() -> None:
    assert reasons(invoice()) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"issue_date": "2026-11-21"}, "issued_in_future"),
        ({"issue_date": "2025-11-19"}, "old_invoice"),
        ({"due_date": "2026-10-31"}, "due_before_issue"),
        ({"warnings": ["the total was read from a blurred line"]}, "unclear_document"),
        ({"payee": {"name": "Somebody else"}}, "other_payee"),
    ],
)
def test_each_oddity_of_a_document_makes_a_person_look(changes: dict[str, Any], code: str) -> None:
    assert reasons(invoice(**changes)) == [code]


def test_an_account_that_the_supplier_never_used_makes_a_person_look() -> None:
    means = {
        "code": "30",
        "payment_id": None,
        "account": "NO93",
        "account_name": None,
        "bic": None,
    }
    supplier: Supplier = {**KNOWN, "accounts": ["NO11"]}

    assert reasons(invoice(payment_means=[means]), supplier) == ["new_account"]


def test_a_line_that_does_not_multiply_makes_a_person_look() -> None:
    document = invoice()
    document["lines"] = [{**document["lines"][0], "amount": 90_00}]

    assert reasons(document) == ["odd_line"]


def test_many_odd_lines_are_counted_not_listed() -> None:
    document = invoice()
    document["lines"] = [{**document["lines"][0], "amount": 1}] * 50

    assert len(reasons(document)) == 4


@pytest.mark.parametrize(("amount", "asks"), [(2_000_00, []), (2_000_01, ["above_limit"])])
def test_the_limit_is_the_last_amount_that_goes_alone(amount: int, asks: list[str]) -> None:
    assert reasons(invoice(), amount=amount) == asks


def test_an_edit_makes_the_next_revision_and_keeps_what_it_does_not_name() -> None:
    edited = apply_edit(order(), OrderEdit(amount=100_00))

    assert (edited["revision"], edited["amount"], edited["department"]) == (2, 100_00, "it")


def test_an_edit_may_not_be_above_the_invoice() -> None:
    found = check_edit(order(amount=125_01), invoice(), BUDGETS)

    assert [violation["code"] for violation in found] == ["amount_too_high"]


def test_fewer_lines_want_a_lower_amount() -> None:
    line = {"item": "x", "quantity": "1", "amount": 50_00}

    found = check_edit(order(lines=[line]), invoice(), BUDGETS)

    assert "at most 75.00 EUR" in found[0]["message"]


def test_an_amount_that_is_a_text_is_no_amount() -> None:
    with pytest.raises(ValueError, match="valid integer"):
        OrderEdit.model_validate({"amount": "4300"})
