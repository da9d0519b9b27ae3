"""Laws over generated documents: what is written is read, and nothing but DocumentError escapes."""

from decimal import Decimal
from importlib import resources
from pathlib import Path
from xml.sax.saxutils import escape

from hypothesis import example, given, settings
from hypothesis import strategies as st

from nodes.services.documents import read
from state.errors import DocumentError
from state.money import CURRENCIES, major_units

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
FIRST_RUN = resources.files("graphs").joinpath("samples")
ACME = FIRST_RUN.joinpath("acme-office-supplies.xml").read_bytes()
FACTUR_X = FIRST_RUN.joinpath("nordlicht-laptops.pdf").read_bytes()
MAIL = (SAMPLES / "acme-forwarded.eml").read_bytes()
TEXT_MAIL = FIRST_RUN.joinpath("fjordtrykk-brochures.eml").read_bytes()

words = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=("C", "Z")),
    min_size=1,
    max_size=20,
)
lines = st.lists(
    st.tuples(st.integers(-999, 999), st.integers(0, 10**7), words), min_size=1, max_size=5
)


def ubl(number, currency, rows, percent):
    def money(name, amount):
        text = major_units(amount, currency)
        return f'<cbc:{name} currencyID="{currency}">{text}</cbc:{name}>'

    net = sum(quantity * price for quantity, price, _ in rows)
    tax = int((Decimal(net) * percent / 100).to_integral_value())
    body = "".join(
        f"<cac:InvoiceLine><cbc:ID>{position}</cbc:ID>"
        f'<cbc:InvoicedQuantity unitCode="EA">{quantity}</cbc:InvoicedQuantity>'
        f"{money('LineExtensionAmount', quantity * price)}"
        f"<cac:Item><cbc:Name>{escape(item)}</cbc:Name></cac:Item>"
        f"<cac:Price>{money('PriceAmount', price)}</cac:Price></cac:InvoiceLine>"
        for position, (quantity, price, item) in enumerate(rows, start=1)
    )
    text = (
        '<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"'
        ' xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"'
        ' xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">'
        "<cbc:CustomizationID>urn:cen.eu:en16931:2017</cbc:CustomizationID>"
        f"<cbc:ID>{escape(number)}</cbc:ID><cbc:IssueDate>2026-09-01</cbc:IssueDate>"
        "<cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>"
        f"<cbc:DocumentCurrencyCode>{currency}</cbc:DocumentCurrencyCode>"
        "<cac:AccountingSupplierParty><cac:Party><cac:PartyLegalEntity>"
        "<cbc:RegistrationName>A</cbc:RegistrationName><cbc:CompanyID>1</cbc:CompanyID>"
        "</cac:PartyLegalEntity></cac:Party></cac:AccountingSupplierParty>"
        f"<cac:TaxTotal>{money('TaxAmount', tax)}<cac:TaxSubtotal>{money('TaxableAmount', net)}"
        f"{money('TaxAmount', tax)}<cac:TaxCategory><cbc:ID>S</cbc:ID>"
        f"<cbc:Percent>{percent}</cbc:Percent></cac:TaxCategory></cac:TaxSubtotal></cac:TaxTotal>"
        f"<cac:LegalMonetaryTotal>{money('LineExtensionAmount', net)}"
        f"{money('TaxExclusiveAmount', net)}{money('TaxInclusiveAmount', net + tax)}"
        f"{money('PayableAmount', net + tax)}</cac:LegalMonetaryTotal>{body}</Invoice>"
    )
    return text.encode(), net, tax


@given(words, st.sampled_from(sorted(CURRENCIES)), lines, st.integers(0, 30))
def test_what_is_written_in_ubl_is_read(number, currency, rows, percent):
    content, net, tax = ubl(number, currency, rows, percent)

    invoice = read(content, filename="x.xml")

    assert (
        invoice["number"],
        invoice["currency"],
        invoice["totals"]["tax_exclusive"],
        invoice["totals"]["tax_total"],
        invoice["totals"]["payable"],
        [(line["item"], line["amount"]) for line in invoice["lines"]],
    ) == (
        number,
        currency,
        net,
        tax,
        net + tax,
        [(item, quantity * price) for quantity, price, item in rows],
    )


@given(
    st.sampled_from(sorted(CURRENCIES)),
    lines,
    st.integers(-(10**6), 10**6).filter(lambda n: abs(n) > 1),
)
def test_a_payable_amount_that_is_changed_never_passes(currency, rows, difference):
    content, net, tax = ubl("1", currency, rows, 0)
    before, mark, after = content.decode().partition("<cbc:PayableAmount")
    after = after.replace(
        major_units(net + tax, currency), major_units(net + tax + difference, currency), 1
    )

    assert not accepted((before + mark + after).encode(), "x.xml")


def accepted(content, filename):
    try:
        read(content, filename=filename)
    except DocumentError:
        return False
    return True


@given(st.binary(max_size=2000), st.sampled_from(["x.xml", "x.pdf", "x.eml", "x.txt", ""]))
@example(b"%PDF-", "x.pdf")
@example(b"From: \xff\r\n\r\n", "x.eml")
@example(b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a", "x.eml")
@example(
    "Invoice 1\nDate 1.1.2026\nVAT no DE136695976\nTotal € 99.999.999.999.999.999,00".encode(), "x"
)
def test_no_bytes_raise_anything_but_a_document_error(content, filename):
    accepted(content, filename)


@given(st.text(max_size=2000))
def test_no_text_raises_anything_but_a_document_error(text):
    accepted(("Invoice 1\nTotal EUR 1.00\n" + text).encode("utf-8", "surrogatepass"), "x.txt")


SNIPPETS = st.sampled_from(
    [
        b"",
        b"<",
        b">",
        b"&",
        b"\x00",
        b"\xff",
        b"-",
        b"9" * 40,
        b"EUR",
        b"<a/>",
        b"\r\n\r\n",
        b"\n",
        b"1e9",
    ]
)


def mutated(content):
    """Return a strategy of the content with up to five pieces of it replaced."""
    cut = st.tuples(st.integers(0, len(content)), st.integers(0, 60), SNIPPETS)

    def apply(cuts):
        result = content
        for start, length, snippet in cuts:
            result = result[:start] + snippet + result[start + length :]
        return result

    return st.lists(cut, min_size=1, max_size=5).map(apply)


@given(mutated(ACME))
def test_no_mutated_xml_raises_anything_but_a_document_error(content):
    accepted(content, "x.xml")


@settings(max_examples=40, deadline=None)
@given(mutated(FACTUR_X))
def test_no_mutated_pdf_raises_anything_but_a_document_error(content):
    accepted(content, "x.pdf")


@settings(deadline=None)
@given(st.one_of(mutated(MAIL), mutated(TEXT_MAIL)))
def test_no_mutated_mail_raises_anything_but_a_document_error(content):
    accepted(content, "x.eml")
