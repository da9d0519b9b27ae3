"""UBL and CII: what the samples say, what standards allow, and what must be refused."""

from importlib import resources
from pathlib import Path

import pytest

from nodes.services.documents import read
from nodes.services.documents.xml_tree import parse_xml
from state.errors import DocumentError, UnreadableDocumentError

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
ACME = resources.files("graphs").joinpath("samples/acme-office-supplies.xml").read_text()
CREDIT_NOTE = (SAMPLES / "acme-credit-note.xml").read_text()
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'


def read_text(text, encoding="utf-8"):
    return read(text.encode(encoding), filename="invoice.xml")


def refused(content):
    with pytest.raises(DocumentError) as caught:
        read(content if isinstance(content, bytes) else content.encode(), filename="invoice.xml")
    return caught.value


def without(text, element):
    start, end = f"<cbc:{element}", f"</cbc:{element}>"
    before, _, rest = text.partition(start)
    assert rest, element
    return before + rest.partition(end)[2]


def test_a_ubl_invoice_says_who_what_and_when():
    invoice = read_text(ACME)

    assert (
        invoice["kind"],
        invoice["number"],
        invoice["supplier_name"],
        invoice["supplier_id"],
        invoice["issue_date"],
        invoice["due_date"],
        invoice["totals"]["payable"],
        invoice["currency"],
    ) == (
        "invoice",
        "ACME-2026-0417",
        "Acme Office Supplies Ltd",
        "IE6388047V",
        "2026-09-14",
        "2026-10-14",
        534706,
        "EUR",
    )


def test_a_price_for_several_units_keeps_its_base_quantity():
    paper = read_text(ACME)["lines"][2]

    assert (paper["quantity"], paper["price"], paper["base_quantity"], paper["amount"]) == (
        "40",
        "18.9",
        "5",
        15120,
    )


def test_a_credit_note_is_no_invoice():
    note = read_text(CREDIT_NOTE)

    assert (note["kind"], note["references"]["preceding"]) == ("credit_note", ["ACME-2026-0417"])


def test_an_invoice_with_the_type_of_a_credit_note_is_one():
    note = read_text(ACME.replace(">380<", ">381<"))

    assert note["kind"] == "credit_note"


def test_prefixes_may_be_any():
    text = ACME.replace("cbc:", "x:").replace("cac:", "y:")
    text = text.replace("xmlns:cbc", "xmlns:x").replace("xmlns:cac", "xmlns:y")

    assert read_text(text) == read_text(ACME)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig", "iso-8859-1"])
def test_an_encoding_changes_nothing(encoding):
    text = ACME.replace("Ms Weber", "Frau Müller")
    label = {"utf-8-sig": "UTF-8", "utf-16-le": "UTF-16"}.get(encoding, encoding)
    content = text.replace('"UTF-8"', f'"{label}"', 1).encode(encoding)
    content = b"\xff\xfe" + content if encoding == "utf-16-le" else content

    assert read(content, filename="invoice.xml") == read_text(text)


def test_utf_8_with_the_label_utf_16_is_read():
    assert read_text(ACME.replace('"UTF-8"', '"utf-16"', 1)) == read_text(ACME)


def test_blank_lines_before_the_declaration_are_nothing():
    assert read_text(f"\n\n  {ACME}") == read_text(ACME)


def test_an_envelope_is_opened():
    header = "http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader"
    body = ACME.removeprefix(DECLARATION)
    text = (
        f'{DECLARATION}<sh:StandardBusinessDocument xmlns:sh="{header}">'
        f"<sh:StandardBusinessDocumentHeader/>{body}</sh:StandardBusinessDocument>"
    )

    assert read_text(text) == read_text(ACME)


def test_two_invoices_in_one_envelope_are_too_many():
    body = ACME.removeprefix(DECLARATION)

    assert refused(f"<batch>{body}{body}</batch>").code == "several_invoices"


@pytest.mark.parametrize(
    ("written", "amount"),
    [("+5347.06", 534706), ("005347.060", 534706), (" 5347.06\n", 534706), ("5347.06000", 534706)],
)
def test_every_spelling_of_xs_decimal_is_a_number(written, amount):
    text = ACME.replace(">5347.06</cbc:PayableAmount>", f">{written}</cbc:PayableAmount>")

    assert read_text(text)["totals"]["payable"] == amount


@pytest.mark.parametrize(
    "written", ["5,347.06", "5.3e3", "NaN", "INF", "0x10", "5347.06 EUR", "\u0665"]
)
def test_what_is_no_xs_decimal_is_refused_by_its_path(written):
    error = refused(ACME.replace(">5347.06</cbc:PayableAmount>", f">{written}</cbc:PayableAmount>"))

    assert (error.code, error.field) == (
        "invalid_number",
        "cac:LegalMonetaryTotal/cbc:PayableAmount",
    )


def test_an_amount_that_no_json_reader_keeps_is_refused():
    error = refused(
        ACME.replace(">5347.06</cbc:PayableAmount>", f">{'9' * 25}</cbc:PayableAmount>")
    )

    assert error.code == "invalid_number"


@pytest.mark.parametrize("written", ["2026-02-30", "14.09.2026", "2026-9-14", "soon", "20260914"])
def test_what_is_no_day_is_refused_by_its_path(written):
    error = refused(ACME.replace(">2026-09-14<", f">{written}<"))

    assert (error.code, error.field, error.got) == ("invalid_date", "cbc:IssueDate", repr(written))


@pytest.mark.parametrize("written", ["2026-09-14Z", "2026-09-14+02:00", "2026-09-14T10:00:00"])
def test_a_day_may_have_a_time_zone(written):
    assert read_text(ACME.replace(">2026-09-14<", f">{written}<"))["issue_date"] == "2026-09-14"


@pytest.mark.parametrize(
    ("element", "field"),
    [
        ("ID", "cbc:ID"),
        ("IssueDate", "cbc:IssueDate"),
        ("InvoiceTypeCode", "cbc:InvoiceTypeCode"),
        ("DocumentCurrencyCode", "cbc:DocumentCurrencyCode"),
        ("PayableAmount", "cac:LegalMonetaryTotal/cbc:PayableAmount"),
        ("TaxInclusiveAmount", "cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount"),
        ("TaxExclusiveAmount", "cac:LegalMonetaryTotal/cbc:TaxExclusiveAmount"),
        ("InvoicedQuantity", "cac:InvoiceLine[1]/cbc:InvoicedQuantity"),
        ("PriceAmount", "cac:InvoiceLine[1]/cac:Price/cbc:PriceAmount"),
    ],
)
def test_a_missing_field_is_named_by_its_path(element, field):
    error = refused(without(ACME, element))

    assert (error.field, error.got) == (field, "nothing")


def test_a_missing_amount_says_in_which_currency_it_was_expected():
    error = refused(without(ACME, "PayableAmount"))

    assert (error.code, error.expected) == ("missing_amount", "the amount due in EUR")


def test_a_supplier_without_identifier_is_refused():
    text = without(without(ACME, "EndpointID"), "CompanyID")

    assert refused(text).code == "missing_supplier_id"


def test_an_invoice_without_lines_is_refused():
    before, _, rest = ACME.partition("<cac:InvoiceLine>")
    text = before + rest.rpartition("</cac:InvoiceLine>")[2]

    assert refused(text).field == "cac:InvoiceLine"


def test_wrong_totals_are_refused_with_what_was_expected():
    error = refused((SAMPLES / "acme-wrong-totals.xml").read_bytes())

    assert (error.code, error.field, error.expected, error.got) == (
        "wrong_total",
        "cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount",
        "5,347.06 EUR (tax exclusive + tax)",
        "5,437.06 EUR",
    )


def test_an_amount_in_another_currency_is_refused():
    error = refused(
        ACME.replace('<cbc:PayableAmount currencyID="EUR">', '<cbc:PayableAmount currencyID="SEK">')
    )

    assert (error.code, error.field) == (
        "currency_mismatch",
        "cac:LegalMonetaryTotal/cbc:PayableAmount/@currencyID",
    )


def test_an_amount_without_currency_is_in_that_of_the_document():
    assert read_text(ACME.replace(' currencyID="EUR"', "")) == read_text(ACME)


def test_a_currency_that_does_not_exist_is_refused():
    assert refused(ACME.replace(">EUR<", ">EURO<")).code == "unknown_currency"


def test_a_price_is_for_more_than_nothing():
    text = ACME.replace(
        '<cbc:BaseQuantity unitCode="XBX">5<', '<cbc:BaseQuantity unitCode="XBX">0<'
    )

    assert refused(text).field == "cac:InvoiceLine[3]/cac:Price/cbc:BaseQuantity"


def test_a_second_tax_total_in_the_accounting_currency_is_kept_apart():
    text = ACME.replace(
        "</cbc:DocumentCurrencyCode>",
        "</cbc:DocumentCurrencyCode><cbc:TaxCurrencyCode>GBP</cbc:TaxCurrencyCode>",
    ).replace(
        "<cac:LegalMonetaryTotal>",
        '<cac:TaxTotal><cbc:TaxAmount currencyID="GBP">860.12</cbc:TaxAmount></cac:TaxTotal>'
        "<cac:LegalMonetaryTotal>",
    )

    invoice = read_text(text)

    assert (invoice["accounting_tax_total"], invoice["totals"]["tax_total"]) == (86012, 99986)


def test_prepaid_and_rounding_lead_to_the_amount_due():
    text = ACME.replace(
        '<cbc:PayableAmount currencyID="EUR">5347.06',
        '<cbc:PrepaidAmount currencyID="EUR">1000.00</cbc:PrepaidAmount>'
        '<cbc:PayableRoundingAmount currencyID="EUR">-0.06</cbc:PayableRoundingAmount>'
        '<cbc:PayableAmount currencyID="EUR">4347.00',
    )

    assert read_text(text)["totals"]["payable"] == 434700


def test_what_the_supplier_collects_for_others_is_paid_with_the_invoice():
    text = ACME.replace(
        "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0",
        "urn:cen.eu:en16931:2017#conformant#urn:xeinkauf.de:kosit:extension:xrechnung_3.0",
    ).replace(
        "<cac:TaxTotal>",
        '<cac:PrepaidPayment><cbc:PaidAmount currencyID="EUR">10.00</cbc:PaidAmount>'
        "</cac:PrepaidPayment><cac:TaxTotal>",
        1,
    )
    text = text.replace(">5347.06</cbc:PayableAmount>", ">5357.06</cbc:PayableAmount>")

    assert read_text(text)["totals"]["third_party"] == 1000


@pytest.mark.parametrize(
    ("currency", "written", "minor_units"),
    [("JPY", "100", 100), ("JPY", "100.00", 100), ("KWD", "100.125", 100125), ("TND", "7.5", 7500)],
)
def test_the_currency_decides_how_fine_an_amount_is(currency, written, minor_units):
    text = PLAIN_UBL.replace("CAD", currency).replace("100.00", written)

    assert read_text(text)["totals"]["payable"] == minor_units


@pytest.mark.parametrize(
    ("currency", "written", "expected"),
    [
        ("JPY", "100.50", "an amount of JPY with no decimals"),
        ("KWD", "100.1255", "an amount of KWD with 3 decimals"),
        ("EUR", "100.005", "an amount of EUR with 2 decimals"),
    ],
)
def test_a_total_finer_than_its_currency_is_refused_by_its_path(currency, written, expected):
    error = refused(PLAIN_UBL.replace("CAD", currency).replace("100.00", written))

    assert (error.code, error.field, error.expected) == (
        "too_precise",
        "cac:LegalMonetaryTotal/cbc:PayableAmount",
        expected,
    )


def test_a_line_finer_than_its_currency_is_rounded():
    text = PLAIN_UBL.replace(
        '<cbc:LineExtensionAmount currencyID="CAD">100.00',
        '<cbc:LineExtensionAmount currencyID="CAD">99.995',
    )

    assert read_text(text)["lines"][0]["amount"] == 10000


def test_a_tax_total_that_is_repeated_without_its_subtotals_counts_once():
    text = ACME.replace(
        "<cac:LegalMonetaryTotal>",
        '<cac:TaxTotal><cbc:TaxAmount currencyID="EUR">999.86</cbc:TaxAmount></cac:TaxTotal>'
        "<cac:LegalMonetaryTotal>",
    )

    assert read_text(text)["totals"]["tax_total"] == 99986


def test_a_danish_profile_may_call_the_tax_the_total_without_tax():
    text = PLAIN_UBL.replace(
        "<cbc:ID>123</cbc:ID>",
        "<cbc:CustomizationID>OIOUBL-2.02</cbc:CustomizationID><cbc:ID>123</cbc:ID>",
    ).replace(
        "<cbc:PayableAmount",
        '<cbc:TaxExclusiveAmount currencyID="CAD">0.00</cbc:TaxExclusiveAmount><cbc:PayableAmount',
    )

    assert read_text(text)["totals"]["tax_exclusive"] == 10000


PLAIN_UBL = """<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
 xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
 xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
  <cbc:ID>123</cbc:ID>
  <cbc:IssueDate>2026-09-22</cbc:IssueDate>
  <cac:AccountingSupplierParty><cac:Party>
    <cac:PartyName><cbc:Name>Cotter Pins</cbc:Name></cac:PartyName>
  </cac:Party></cac:AccountingSupplierParty>
  <cac:LegalMonetaryTotal>
    <cbc:PayableAmount currencyID="CAD">100.00</cbc:PayableAmount>
  </cac:LegalMonetaryTotal>
  <cac:InvoiceLine>
    <cbc:ID>1</cbc:ID>
    <cbc:LineExtensionAmount currencyID="CAD">100.00</cbc:LineExtensionAmount>
    <cac:Item><cbc:Description>Cotter pin, MIL-SPEC</cbc:Description></cac:Item>
  </cac:InvoiceLine>
</Invoice>"""


def test_plain_ubl_may_leave_out_what_follows_from_the_rest():
    invoice = read_text(PLAIN_UBL)

    assert invoice["totals"] == {
        "line_total": 10000,
        "allowance_total": 0,
        "charge_total": 0,
        "tax_exclusive": 10000,
        "tax_total": 0,
        "tax_inclusive": 10000,
        "prepaid": 0,
        "rounding": 0,
        "third_party": 0,
        "payable": 10000,
    }


def test_a_plain_ubl_supplier_without_identifier_is_known_by_name_and_doubted():
    invoice = read_text(PLAIN_UBL)

    assert (invoice["supplier_id"], len(invoice["warnings"])) == ("NAME:COTTER PINS", 1)


@pytest.mark.parametrize("content", [b"", b"   \n", b"\xef\xbb\xbf", b"\x00\x00", b"\xff\xfe"])
def test_an_empty_file_is_refused(content):
    assert refused(content).code == "empty_document"


def test_a_large_file_is_refused_with_the_limit():
    error = refused(b"<" + b" " * (11 * 1024 * 1024))

    assert (error.code, error.expected) == ("too_large", "10485760 bytes or less")


def test_a_text_that_is_named_xml_is_refused_by_its_name():
    error = refused(b"Invoice 7\nTotal 10.00 EUR\n")

    assert (error.code, error.field) == ("not_xml", "document")
    assert "as its name 'invoice.xml' says" in str(error)


@pytest.mark.parametrize(
    "content", [b"<", b"<Invoice", ACME[:2000].encode(), b"<a>&undefined;</a>", b"<a\x00/>"]
)
def test_what_is_not_well_formed_is_refused(content):
    assert refused(content).code == "not_xml"


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]><Invoice>&i;</Invoice>"
)
EXTERNAL = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'


@pytest.mark.parametrize("text", [BOMB, EXTERNAL, '<!DOCTYPE a SYSTEM "http://x/a.dtd"><a/>'])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_doctype_is_refused_before_anything_is_expanded(text, encoding):
    assert refused(text.encode(encoding)).code == "doctype_refused"


@pytest.mark.parametrize("encoding", ["cp037", "utf-7", "utf-16-be", "utf-32"])
def test_a_doctype_in_a_far_encoding_is_refused_too(encoding):
    text = f'<?xml version="1.0" encoding="{encoding}"?>{EXTERNAL}'

    with pytest.raises(UnreadableDocumentError) as caught:
        parse_xml(text.encode(encoding))

    assert caught.value.code in {"doctype_refused", "not_xml"}


def test_a_comment_that_speaks_of_a_doctype_is_no_doctype():
    text = ACME.replace(DECLARATION, f"{DECLARATION}<!-- <!DOCTYPE --><?x <!DOCTYPE ?>")

    assert read_text(text) == read_text(ACME)


def test_a_flood_of_elements_is_refused():
    assert refused(b"<a>" + b"<b/>" * 600_000 + b"</a>").code == "too_large"


def test_a_deep_tree_is_refused():
    assert refused("<a>" * 100_000).code == "not_xml"


def test_another_document_is_refused_by_its_name():
    error = refused("<Order xmlns='urn:oasis:names:specification:ubl:schema:xsd:Order-2'/>")

    assert (error.code, error.got) == ("unsupported_type", "'Order'")


def test_an_error_is_of_the_one_base_class():
    assert isinstance(refused("<a/>"), UnreadableDocumentError)


def test_text_inside_comments_does_not_split_a_value():
    text = ACME.replace(
        ">ACME-2026-0417</cbc:ID>\n  <cbc:IssueDate",
        ">ACME<!-- x -->-2026-0417</cbc:ID>\n  <cbc:IssueDate",
        1,
    )

    assert read_text(text)["number"] == "ACME-2026-0417"
