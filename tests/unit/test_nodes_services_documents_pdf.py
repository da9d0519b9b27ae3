"""PDF files: with an invoice inside, with text alone, locked, broken, and pictures."""

from importlib import resources
from io import BytesIO
from pathlib import Path

import pytest
from lxml import etree
from pypdf import PdfReader, PdfWriter

from nodes.services.documents import read
from nodes.services.documents.pdf import embedded_files, open_pdf
from state.errors import DocumentError

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
FACTUR_X = resources.files("graphs").joinpath("samples/nordlicht-laptops.pdf").read_bytes()
ACME = resources.files("graphs").joinpath("samples/acme-office-supplies.xml").read_bytes()
TEXT_ONLY = (SAMPLES / "nordlicht-text-only.pdf").read_bytes()
XML = embedded_files(open_pdf(FACTUR_X))[0][1].decode()


def with_file(name, content, *, password=None, user_password=""):
    writer = PdfWriter(clone_from=PdfReader(BytesIO(TEXT_ONLY)))
    if content is not None:
        writer.add_attachment(name, content)
    if password is not None:
        writer.encrypt(user_password, password, algorithm="RC4-128")
    output = BytesIO()
    writer.write(output)
    return output.getvalue()


def refused(content):
    with pytest.raises(DocumentError) as caught:
        read(content, filename="invoice.pdf")
    return caught.value


def head(invoice):
    return (
        invoice["number"],
        invoice["supplier_name"],
        invoice["supplier_id"],
        invoice["issue_date"],
        invoice["due_date"],
        invoice["delivery_date"],
        invoice["currency"],
        invoice["totals"]["tax_exclusive"],
        invoice["totals"]["tax_total"],
        invoice["totals"]["payable"],
        invoice["references"]["order"],
    )


NORDLICHT = (
    "NL-2026-1183",
    "Nordlicht Systemhaus GmbH",
    "DE136695976",
    "2026-09-16",
    "2026-10-16",
    "2026-09-15",
    "EUR",
    1059620,
    201328,
    1260948,
    "PO-88121",
)


def test_the_embedded_invoice_is_read():
    invoice = read(FACTUR_X, filename="invoice.pdf")

    assert (head(invoice), invoice["source"]) == (NORDLICHT, "cii")


def test_the_text_says_the_same_as_the_embedded_invoice():
    invoice = read(TEXT_ONLY, filename="invoice.pdf")

    assert (head(invoice), invoice["source"], invoice["warnings"]) == (NORDLICHT, "text", [])


def test_the_lines_of_the_text_are_those_of_the_embedded_invoice():
    def figures(content):
        lines = read(content, filename="invoice.pdf")["lines"]
        return [(line["item"], line["quantity"], line["price"], line["amount"]) for line in lines]

    assert figures(TEXT_ONLY) == figures(FACTUR_X)


@pytest.mark.parametrize(
    "name", ["factur-x.xml", "ZUGFeRD-invoice.xml", "zugferd-invoice.xml", "xrechnung.xml", "a.xml"]
)
def test_every_name_of_the_embedded_invoice_is_known(name):
    assert read(with_file(name, XML.encode()), filename="x.pdf")["source"] == "cii"


def test_ubl_inside_a_pdf_is_read():
    assert read(with_file("ubl.xml", ACME), filename="x.pdf")["source"] == "ubl"


def test_other_files_inside_a_pdf_are_left_alone():
    assert read(with_file("data.xml", b"<data/>"), filename="x.pdf")["source"] == "text"


def test_a_broken_embedded_invoice_is_an_error_and_not_replaced_by_the_text():
    error = refused(with_file("factur-x.xml", XML.encode()[:3000]))

    assert (error.code, error.field) == ("not_xml", "factur-x.xml: document")


def test_wrong_totals_inside_are_named_with_the_file():
    error = refused(with_file("factur-x.xml", XML.replace("12609.48", "12699.48").encode()))

    assert error.code == "wrong_total"
    assert error.field.startswith("factur-x.xml: rsm:SupplyChainTradeTransaction/")


def test_an_order_inside_a_pdf_is_no_invoice():
    order = b"<r:SCRDMCCBDACIOMessageStructure xmlns:r='urn:x'/>"

    assert refused(with_file("order-x.xml", order)).code == "unsupported_type"


def test_a_pdf_that_opens_without_a_password_is_read():
    assert read(with_file("x", None, password="owner"), filename="x.pdf")["source"] == "text"


def test_a_pdf_with_a_password_is_refused():
    error = refused(with_file("x", None, password="owner", user_password="secret"))

    assert (error.code, error.expected) == ("encrypted_pdf", "a PDF without a password")


@pytest.mark.parametrize("content", [b"%PDF-1.7", b"%PDF-1.7\n1 0 obj", TEXT_ONLY[:9000]])
def test_a_broken_pdf_is_refused(content):
    assert refused(content).code in {"broken_pdf", "no_text"}


def test_a_pdf_of_pictures_is_refused():
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    output = BytesIO()
    writer.write(output)

    assert refused(output.getvalue()).code == "no_text"


def cii(**replacements):
    text = XML
    for old, new in replacements.values():
        assert old in text, old
        text = text.replace(old, new)
    return read(text.encode(), filename="factur-x.xml")


def test_a_cii_credit_note_is_known_by_its_type():
    assert cii(type=(">380<", ">381<"))["kind"] == "credit_note"


@pytest.mark.parametrize(
    ("code", "written", "day"),
    [("102", "20260916", "2026-09-16"), ("203", "202609161230", "2026-09-16")],
)
def test_a_cii_day_is_written_as_its_format_says(code, written, day):
    old = 'format="102">20260916<'

    assert cii(day=(old, f'format="{code}">{written}<'))["issue_date"] == day


def test_a_cii_day_that_does_not_exist_is_refused_by_its_path():
    error = refused(XML.replace(">20260916<", ">20260931<").encode())

    assert (error.code, error.field) == (
        "invalid_date",
        "rsm:ExchangedDocument/ram:IssueDateTime",
    )


def test_a_grouping_line_counts_for_nothing():
    group = XML[XML.index("<ram:IncludedSupplyChainTradeLineItem>") :]
    group = group[: group.index("</ram:IncludedSupplyChainTradeLineItem>") + 39]
    group = group.replace(
        "<ram:LineID>1</ram:LineID>",
        "<ram:LineID>G</ram:LineID><ram:LineStatusReasonCode>GROUP</ram:LineStatusReasonCode>",
    )
    before, mark, after = XML.partition("<ram:IncludedSupplyChainTradeLineItem>")

    invoice = read((before + group + mark + after).encode(), filename="x.xml")

    assert [line["id"] for line in invoice["lines"]] == ["1", "2", "3"]


def test_a_logistics_charge_is_a_charge():
    invoice = cii(
        charge=(
            "<ram:SpecifiedTradePaymentTerms>",
            "<ram:SpecifiedLogisticsServiceCharge><ram:Description>Freight</ram:Description>"
            "<ram:AppliedAmount>10.00</ram:AppliedAmount></ram:SpecifiedLogisticsServiceCharge>"
            "<ram:SpecifiedTradePaymentTerms>",
        ),
        total=(
            "<ram:TaxBasisTotalAmount>10596.20",
            "<ram:ChargeTotalAmount>10.00</ram:ChargeTotalAmount><ram:TaxBasisTotalAmount>10606.20",
        ),
        basis=("<ram:BasisAmount>10596.20", "<ram:BasisAmount>10606.20"),
        tax=("2013.28", "2015.18"),
        grand=("12609.48", "12621.38"),
    )

    assert [(a["charge"], a["amount"], a["reason"]) for a in invoice["allowances"]] == [
        (True, 1000, "Freight")
    ]


def minimum():
    """Return the sample cut down to the MINIMUM profile, with 600.00 paid before."""
    root = etree.fromstring(XML.encode())
    ram = "{urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100}"
    for name in ("IncludedSupplyChainTradeLineItem", "ApplicableTradeTax", "LineTotalAmount"):
        for element in list(root.iter(f"{ram}{name}")):
            element.getparent().remove(element)
    text = etree.tostring(root).decode()
    text = text.replace("urn:cen.eu:en16931:2017", "urn:factur-x.eu:1p0:minimum")
    return text.replace("<ram:DuePayableAmount>12609.48", "<ram:DuePayableAmount>12009.48")


def test_the_minimum_profile_has_totals_and_no_lines():
    invoice = read(minimum().encode(), filename="x.xml")

    assert (
        invoice["lines"],
        invoice["totals"]["tax_inclusive"],
        invoice["totals"]["prepaid"],
        invoice["totals"]["payable"],
    ) == ([], 1260948, 60000, 1200948)


def zugferd_1():
    """Return the sample in the words of ZUGFeRD 1."""
    text = XML
    for new, old in (
        ("rsm:CrossIndustryInvoice", "rsm:CrossIndustryDocument"),
        ("CrossIndustryInvoice:100", "CROSS"),
        ("rsm:ExchangedDocumentContext", "rsm:SpecifiedExchangedDocumentContext"),
        ("rsm:ExchangedDocument>", "rsm:HeaderExchangedDocument>"),
        ("rsm:SupplyChainTradeTransaction", "rsm:SpecifiedSupplyChainTradeTransaction"),
        ("ApplicableHeaderTrade", "ApplicableSupplyChainTrade"),
        ("SpecifiedLineTrade", "SpecifiedSupplyChainTrade"),
        ("SettlementHeaderMonetary", "SettlementMonetary"),
        ("SettlementLineMonetary", "SettlementMonetary"),
        ("RateApplicablePercent", "ApplicablePercent"),
        ("IssuerAssignedID", "ID"),
        ("InformationEntity:100", "InformationEntity:12"),
        ("UnqualifiedDataType:100", "UnqualifiedDataType:15"),
        ("urn:cen.eu:en16931:2017", "urn:ferd:CrossIndustryDocument:invoice:1p0:comfort"),
        ("urn:un:unece:uncefact:data:standard:CROSS", "urn:ferd:CrossIndustryDocument:invoice:1p0"),
    ):
        assert new in text, new
        text = text.replace(new, old)
    return text


def test_zugferd_1_says_the_same_in_other_words():
    invoice = read(zugferd_1().encode(), filename="ZUGFeRD-invoice.xml")

    assert (head(invoice), len(invoice["lines"])) == (NORDLICHT, 3)
