"""E-mail files: which of their parts is the invoice."""

from email.message import EmailMessage
from email.policy import SMTP
from importlib import resources
from io import BytesIO
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas

from nodes.services.documents import StandardDocumentReader, read
from state.errors import DocumentError

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
FIRST_RUN = resources.files("graphs").joinpath("samples")
ACME = FIRST_RUN.joinpath("acme-office-supplies.xml").read_bytes()
FACTUR_X = FIRST_RUN.joinpath("nordlicht-laptops.pdf").read_bytes()
FJORDTRYKK = FIRST_RUN.joinpath("fjordtrykk-brochures.eml").read_bytes()
TEXT_ONLY = (SAMPLES / "nordlicht-text-only.pdf").read_bytes()
WRONG = (SAMPLES / "acme-wrong-totals.xml").read_bytes()
TEXT = "Invoice no. 77\nDate: 2026-09-01\nVAT DE136695976\nTotal EUR 12.00\n"


def text_pdf(text):
    content = BytesIO()
    page = Canvas(content)
    lines = page.beginText(50, 800)
    lines.textLines(text)
    page.drawText(lines)
    page.save()
    return content.getvalue()


def mail(body="see attachment\n", *files, sender="Jo Bar <jo@bar.example>", html=None):
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["Subject"] = "your invoice"
    message["Date"] = "Tue, 01 Sep 2026 10:00:00 +0000"
    message.set_content(body)
    if html is not None:
        message.add_alternative(html, subtype="html")
    for name, content in files:
        message.add_attachment(
            content, maintype="application", subtype="octet-stream", filename=name
        )
    return message.as_bytes()


def read_mail(*arguments, **more):
    return read(mail(*arguments, **more), filename="mail.eml")


def refused(*arguments, **more):
    with pytest.raises(DocumentError) as caught:
        read_mail(*arguments, **more)
    return caught.value


def test_the_text_of_a_mail_is_read_with_its_lines():
    invoice = read(FJORDTRYKK, filename="fjordtrykk.eml")

    assert (
        invoice["number"],
        invoice["supplier_name"],
        invoice["supplier_id"],
        invoice["currency"],
        invoice["totals"]["payable"],
        [(line["item"], line["quantity"], line["amount"]) for line in invoice["lines"]],
    ) == (
        "20260918",
        "Fjordtrykk AS",
        "NO987654325MVA",
        "NOK",
        1931250,
        [("Brosjyrer A5, 16 sider", "2500", 1200000), ("Rollup til messe", "3", 345000)],
    )


def test_an_invoice_in_a_forwarded_mail_is_found():
    content = (SAMPLES / "acme-forwarded.eml").read_bytes()

    assert read(content, filename="x.eml")["number"] == "ACME-2026-0417"


def test_xml_is_taken_before_pdf():
    invoice = read_mail("hi\n", ("a.pdf", FACTUR_X), ("b.xml", ACME))

    assert invoice["source"] == "ubl"


def test_a_pdf_with_an_invoice_inside_is_taken_before_another():
    invoice = read_mail("hi\n", ("terms.pdf", TEXT_ONLY), ("b.pdf", FACTUR_X))

    assert invoice["source"] == "cii"


def test_a_pdf_is_taken_before_the_text():
    assert read_mail(TEXT, ("a.pdf", TEXT_ONLY))["number"] == "NL-2026-1183"


def test_the_text_is_taken_when_the_pdf_is_none():
    assert read_mail(TEXT, ("a.pdf", b"%PDF-1.7 broken"))["number"] == "77"


def test_the_error_of_the_best_part_is_reported_with_its_name():
    error = refused("see attachment\n", ("a.pdf", b"%PDF-1.7 broken"))

    assert (error.code, error.field) == ("broken_pdf", "a.pdf: document")


def test_an_error_in_the_e_invoice_is_not_papered_over_by_the_text():
    error = refused(TEXT, ("a.xml", WRONG))

    assert (error.code, error.field) == (
        "wrong_total",
        "a.xml: cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount",
    )


def test_two_invoices_in_one_mail_are_too_many():
    other = ACME.replace(b"ACME-2026-0417", b"ACME-2026-0418")

    assert refused("two\n", ("a.xml", ACME), ("b.xml", other)).code == "several_invoices"


def test_two_invoices_as_pdf_in_one_mail_are_too_many():
    error = refused("two\n", ("a.pdf", TEXT_ONLY), ("b.pdf", text_pdf(TEXT)))

    assert error.code == "several_invoices"


def test_a_pdf_that_is_no_invoice_is_passed_over():
    terms = text_pdf("Terms and conditions\nPay within 30 days\n")

    assert read_mail("\n", ("terms.pdf", terms), ("a.pdf", TEXT_ONLY))["number"] == "NL-2026-1183"


def test_a_mail_whose_attachments_cannot_be_read_names_them():
    error = refused(
        "How are you?\n", ("winmail.dat", b"\x78\x9f\x3e\x22"), ("scan.jpg", b"\xff\xd8")
    )

    assert (error.code, error.got) == ("no_invoice_found", "none beside 'winmail.dat, scan.jpg'")


def test_the_same_invoice_twice_is_one():
    assert read_mail("twice\n", ("a.xml", ACME), ("b.xml", ACME))["number"] == "ACME-2026-0417"


def test_other_xml_files_are_left_alone():
    assert read_mail(TEXT, ("smime.xml", b"<signature/>"))["number"] == "77"


def test_the_sender_is_the_supplier_of_a_text_that_names_none():
    assert read_mail(TEXT)["supplier_name"] == "Jo Bar"


def test_the_day_of_the_mail_stands_in_for_a_missing_date():
    assert read_mail(TEXT.replace("Date: 2026-09-01\n", ""))["issue_date"] == "2026-09-01"


def test_html_is_read_when_there_is_no_text():
    rows = "".join(f"<tr><td>{line}</td></tr>" for line in TEXT.splitlines())

    assert read_mail("\n", html=f"<table>{rows}</table>")["number"] == "77"


@pytest.mark.parametrize("charset", ["x-unknown", "utf-8", "ascii"])
def test_a_charset_that_does_not_fit_is_no_obstacle(charset):
    content = (
        b"From: Jo\r\nMessage-ID: <1@x>\r\nContent-Type: text/plain; charset="
        + charset.encode()
        + b"\r\n\r\n"
        + TEXT.replace("EUR", "€").encode("cp1252")
    )

    assert read(content, filename="note")["totals"]["payable"] == 1200


def test_a_mail_without_an_invoice_is_refused():
    assert refused("How are you?\n").code == "no_invoice_found"


def test_a_flood_of_parts_is_refused():
    files = [(f"{i}.bin", b"x") for i in range(150)]

    assert refused("many\n", *files).code == "too_large"


@pytest.mark.parametrize(
    "header",
    [b"From: " + b"(" * 100_000, b"Subject: " + b"=?utf-8?q?x?= " * 10_000, b"X: y\r\n " * 20_000],
    ids=["nested comments", "encoded words", "folded lines"],
)
def test_a_header_that_never_ends_is_refused(header):
    with pytest.raises(DocumentError) as caught:
        read(header + b"\r\n\r\nx", filename="x.eml")

    assert caught.value.code in {"broken_mail", "no_invoice_found"}


async def test_the_reader_reads_off_the_event_loop():
    invoice = await StandardDocumentReader().read(ACME, filename="acme.xml")

    assert invoice["number"] == "ACME-2026-0417"
