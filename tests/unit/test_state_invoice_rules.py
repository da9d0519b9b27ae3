from importlib import resources

import pytest

from nodes.services.documents import read
from state.errors import InvalidFieldError, MissingFieldError, WrongTotalError
from state.invoice import Invoice
from state.invoice_rules import check_invoice, find_discrepancies, line_amount

ACME = resources.files("graphs").joinpath("samples/acme-office-supplies.xml").read_bytes()


@pytest.fixture
def invoice() -> Invoice:
    return read(ACME, filename="acme.xml")


def test_an_invoice_that_adds_up_leaves_no_doubt(invoice):
    assert check_invoice(invoice) == []


@pytest.mark.parametrize(
    "field",
    [
        "line_total",
        "allowance_total",
        "charge_total",
        "tax_exclusive",
        "tax_total",
        "tax_inclusive",
        "prepaid",
        "rounding",
        "payable",
    ],
)
def test_every_total_that_is_changed_is_found(invoice, field):
    invoice["totals"][field] += 100

    assert find_discrepancies(invoice)


def test_a_wrong_total_says_what_was_expected_and_what_stands_there(invoice):
    invoice["totals"]["payable"] = 1

    with pytest.raises(WrongTotalError) as caught:
        check_invoice(invoice, {"totals.payable": "cbc:PayableAmount"})

    assert str(caught.value) == (
        "cbc:PayableAmount must be 5,347.06 EUR"
        " (tax inclusive - prepaid + rounding + third party), "
        "got 0.01 EUR; ask the supplier for a corrected document"
    )


def test_a_total_may_differ_by_one_rounding(invoice):
    invoice["totals"]["payable"] += 1

    assert check_invoice(invoice) == []


def test_a_line_that_is_not_quantity_times_price_is_an_error_under_peppol(invoice):
    invoice["lines"][0]["price"] = "488"

    with pytest.raises(WrongTotalError, match="2,928"):
        check_invoice(invoice)


def test_a_line_that_is_not_quantity_times_price_is_a_doubt_elsewhere(invoice):
    invoice["lines"][0]["price"] = "488"
    invoice["profile"] = "urn:cen.eu:en16931:2017"

    (doubt,) = check_invoice(invoice)

    assert "2,928.00 EUR" in doubt


def test_taxable_amounts_that_miss_the_net_total_are_refused(invoice):
    invoice["taxes"][0]["taxable"] += 100

    with pytest.raises(WrongTotalError, match="taxable amounts"):
        check_invoice(invoice)


def test_taxable_amounts_that_miss_the_net_total_are_a_doubt_in_an_extension(invoice):
    invoice["taxes"][0]["taxable"] += 100
    invoice["profile"] = "urn:cen.eu:en16931:2017#conformant#urn:example:extension"

    (doubt,) = check_invoice(invoice)

    assert "taxable amounts" in doubt


def test_a_tax_far_from_its_rate_is_refused(invoice):
    invoice["taxes"][0]["tax"] += 1000
    invoice["totals"]["tax_total"] += 1000
    invoice["totals"]["tax_inclusive"] += 1000
    invoice["totals"]["payable"] += 1000

    with pytest.raises(WrongTotalError, match="23 % of the taxable amount"):
        check_invoice(invoice)


def test_plain_ubl_may_round_before_payment(invoice):
    invoice["profile"] = None
    invoice["totals"]["rounding"] = 40
    invoice["totals"]["tax_inclusive"] += 40
    invoice["totals"]["payable"] += 40

    assert check_invoice(invoice) == []


def test_en16931_may_not_round_before_payment(invoice):
    invoice["totals"]["rounding"] = 40
    invoice["totals"]["tax_inclusive"] += 40
    invoice["totals"]["payable"] += 40

    with pytest.raises(WrongTotalError):
        check_invoice(invoice)


def test_an_invoice_without_number_is_refused(invoice):
    invoice["number"] = " "

    with pytest.raises(MissingFieldError) as caught:
        check_invoice(invoice)

    assert (caught.value.field, caught.value.code) == ("number", "missing_field")


def test_an_invoice_whose_supplier_has_no_identifier_is_refused(invoice):
    invoice["supplier_id"] = ""

    with pytest.raises(MissingFieldError) as caught:
        check_invoice(invoice)

    assert caught.value.code == "missing_supplier_id"


def test_a_currency_that_does_not_exist_is_refused(invoice):
    invoice["currency"] = "XXX"

    with pytest.raises(InvalidFieldError, match="ISO 4217"):
        check_invoice(invoice)


def test_a_line_comes_to_quantity_times_price_per_base_quantity(invoice):
    paper = invoice["lines"][2]

    assert line_amount(paper, "EUR") == 15120
