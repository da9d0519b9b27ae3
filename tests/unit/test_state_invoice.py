import copy
from importlib import resources

import pytest

from nodes.services.documents import read
from state.invoice import Invoice, identity, is_credit, party_id

ACME = resources.files("graphs").joinpath("samples/acme-office-supplies.xml").read_bytes()


@pytest.fixture
def invoice() -> Invoice:
    return read(ACME, filename="acme.xml")


@pytest.mark.parametrize(
    ("missing", "identifier"),
    [
        ([], "IE6388047V"),
        (["vat_id"], "0192:123"),
        (["vat_id", "registration_id"], "0088:456"),
        (["vat_id", "registration_id", "ids"], "9935:789"),
        (["vat_id", "registration_id", "ids", "endpoint_id"], "201/113/40209"),
    ],
)
def test_a_party_is_known_by_the_identifier_that_most_documents_carry(invoice, missing, identifier):
    party = invoice["supplier"] | {
        "vat_id": "IE6388047V",
        "registration_id": "0192:123",
        "ids": ["0088:456"],
        "endpoint_id": "9935:789",
        "tax_id": "201/113/40209",
    }

    party |= {field: [] if field == "ids" else None for field in missing}

    assert party_id(party) == identifier


def test_a_tax_registration_in_words_identifies_nobody(invoice):
    party = invoice["supplier"] | {
        "vat_id": None,
        "registration_id": None,
        "ids": [],
        "endpoint_id": None,
        "tax_id": "Foretaksregisteret",
    }

    assert party_id(party) is None


def test_two_spellings_of_a_number_are_one_document(invoice):
    other = copy.deepcopy(invoice)
    other["number"] = "acme- 2026-0417"

    assert identity(other) == identity(invoice)


def test_a_credit_note_is_another_document_than_the_invoice_of_the_same_number(invoice):
    other = copy.deepcopy(invoice)
    other["kind"] = "credit_note"

    assert identity(other) != identity(invoice)


def test_no_number_can_pretend_to_belong_to_another_supplier(invoice):
    one, other = copy.deepcopy(invoice), copy.deepcopy(invoice)
    one["supplier_id"], one["number"] = "A/B", "C"
    other["supplier_id"], other["number"] = "A", "B/C"

    assert identity(one) != identity(other)


def test_an_invoice_below_zero_gives_money_back(invoice):
    invoice["totals"]["tax_inclusive"] = -1

    assert is_credit(invoice)


def test_an_invoice_that_asks_for_money_does_not(invoice):
    assert not is_credit(invoice)
