"""Which reader a document needs, by its bytes first and its name last."""

import re
from collections.abc import Callable
from functools import partial

from lxml import etree

from nodes.services.documents import cii, eml, pdf, ubl, zugferd_1
from nodes.services.documents.text import NAMES, read_text
from nodes.services.documents.xml_tree import local_name, parse_xml, shortened
from state.errors import DocumentError, UnreadableDocumentError
from state.invoice import Invoice, identity
from state.invoice_rules import check_invoice

XML_READERS: dict[str, Callable[[etree._Element], Invoice]] = {
    ubl.INVOICE: ubl.read_ubl,
    ubl.CREDIT_NOTE: ubl.read_ubl,
    cii.INVOICE: cii.read_cii,
    zugferd_1.DOCUMENT: zugferd_1.read_zugferd_1,
}
"""The reader of each document element."""

MAX_BYTES = 10 * 1024 * 1024
"""Largest document, bytes: with its attachments inside, an invoice is seldom above 5 MB."""

_BLANKS = b" \t\r\n\x00\xef\xbb\xbf\xff\xfe"
_HEADER_BYTES = 64 * 1024
_MAIL_FIELDS = re.compile(
    rb"^(?:received|return-path|message-id|mime-version|delivered-to):",
    re.IGNORECASE | re.MULTILINE,
)
_XML_START = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\s\x00]*<")
_HTML_START = re.compile(rb"\s*(?:<!doctype\s+html|<html)", re.IGNORECASE)


def read_document(content: bytes, *, filename: str, media_type: str | None) -> Invoice:
    """Return what a document of any kind says, its totals checked.

    Raises:
        DocumentError: the document cannot be taken as an invoice.
    """
    if not content.strip(_BLANKS):
        raise UnreadableDocumentError(
            "document",
            expected="an invoice",
            got="an empty file",
            code="empty_document",
            way_out="send the file again",
        )
    if len(content) > MAX_BYTES:
        raise UnreadableDocumentError(
            "document",
            expected=f"{MAX_BYTES} bytes or less",
            got=f"{len(content)} bytes",
            code="too_large",
            way_out="send the invoice without its other attachments",
        )
    if is_pdf(content):
        return read_pdf(content)
    if _is_mail(content, filename, media_type):
        return read_mail(content)
    if _HTML_START.match(content):
        return _checked_text(eml.html_text(decoded(content)))
    if _XML_START.match(content):
        return read_xml(content)
    text = decoded(content, filename=filename)
    if _is_named_xml(filename, media_type):
        raise UnreadableDocumentError(
            "document",
            expected=f"XML, as its name {shortened(filename)} says",
            got=f"a text that begins with {shortened(text.strip()[:80])}",
            code="not_xml",
            way_out="send the file as the supplier made it",
        )
    return _checked_text(text)


def is_pdf(content: bytes) -> bool:
    """Tell whether the bytes are a PDF: its mark may stand anywhere in the first 1024."""
    return b"%PDF-" in content[:1024]


def read_xml(content: bytes) -> Invoice:
    """Return what an XML invoice says, be it alone or inside an envelope such as an SBDH."""
    element = invoice_element(parse_xml(content))
    invoice = XML_READERS[str(element.tag)](element)
    names = cii.NAMES if invoice["source"] == "cii" else ubl.names_of(invoice)
    invoice["warnings"] += check_invoice(invoice, names)
    return invoice


def invoice_element(root: etree._Element) -> etree._Element:
    """Return the one invoice in a tree.

    Raises:
        UnreadableDocumentError: there is none, or more than one.
    """
    found = [root] if root.tag in XML_READERS else list(root.iter(*XML_READERS))
    if len(found) == 1:
        return found[0]
    if found:
        raise _several(len(found))
    raise UnreadableDocumentError(
        "document element",
        expected="a UBL Invoice or CreditNote or a CrossIndustryInvoice",
        got=shortened(local_name(root)),
        code="unsupported_type",
        way_out="send an e-invoice (UBL 2.1, CII), a PDF, an e-mail or a text",
    )


def read_pdf(content: bytes) -> Invoice:
    """Return what a PDF says: its embedded XML invoice where there is one, else its text."""
    reader = pdf.open_pdf(content)
    files = pdf.embedded_files(reader)
    for name, data in sorted(files, key=lambda file: not _holds_invoice(file[1])):
        if name.lower() in pdf.INVOICE_FILES or _holds_invoice(data):
            return _within(name, data, read_xml)
    return _checked_text(pdf.text_of(reader))


def read_mail(content: bytes) -> Invoice:
    """Return the best invoice of an e-mail: XML, then PDF with XML, then PDF, then text.

    An attachment that is an e-invoice decides: an error in it is the mail's error. Of the others
    those that do not read as an invoice are passed over. Two different invoices are too many.

    Raises:
        DocumentError: no part can be taken as an invoice; the error of the best one.
    """
    mail = eml.parse_mail(content)
    files = [part for part in mail.attachments if len(part.content) <= MAX_BYTES]
    structured = [
        (part.name, part.content, read_xml) for part in files if _holds_invoice(part.content)
    ]
    pdfs = [part for part in files if is_pdf(part.content)]
    structured = structured or [
        (part.name, part.content, read_pdf) for part in pdfs if _holds_embedded(part.content)
    ]
    if structured:
        return _only([_within(name, data, reader) for name, data, reader in structured])
    texts = [part for part in files if part.media_type == "text/plain" and part not in pdfs]
    attempts: tuple[list[Callable[[], Invoice]], ...] = (
        [partial(_within, part.name, part.content, read_pdf) for part in pdfs],
        [partial(_checked_text, eml.part_text(part), mail) for part in texts],
        [partial(_checked_text, mail.body, mail)],
    )
    errors: list[DocumentError] = []
    for group in attempts:
        invoices: list[Invoice] = []
        for attempt in group:
            try:
                invoices.append(attempt())
            except DocumentError as error:
                errors.append(error)
        if invoices:
            return _only(invoices)
    others = [part.name for part in mail.attachments if part not in pdfs and part not in texts]
    if others and errors[0].code == "no_invoice_found":
        raise UnreadableDocumentError(
            "document",
            expected="an invoice as XML, PDF or text in the e-mail",
            got=f"none beside {shortened(', '.join(others))}",
            code="no_invoice_found",
            way_out="ask the sender for it in one of these",
        )
    raise errors[0]


def decoded(content: bytes, *, filename: str = "document") -> str:
    """Return the text of a file in UTF-8, UTF-16 or Windows-1252.

    Raises:
        UnreadableDocumentError: the bytes are no text.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    if b"\x00" not in content:
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            controls = sum(byte < 32 and byte not in b"\t\n\r\f" for byte in content)
            if controls == 0:
                return content.decode("cp1252", errors="replace")
    raise UnreadableDocumentError(
        "document",
        expected="XML, PDF, e-mail or text",
        got=f"a file {shortened(filename)} of another kind",
        code="unsupported_type",
        way_out="ask the supplier for the invoice in one of these",
    )


def _is_named_xml(filename: str, media_type: str | None) -> bool:
    named = (media_type or "").partition(";")[0].strip().lower()
    return filename.lower().endswith(".xml") or named in {"application/xml", "text/xml"}


def _is_mail(content: bytes, filename: str, media_type: str | None) -> bool:
    if media_type == "message/rfc822" or filename.lower().endswith(".eml"):
        return not _XML_START.match(content)
    header = re.split(rb"\r?\n\r?\n", content[:_HEADER_BYTES], maxsplit=1)[0]
    return len(_MAIL_FIELDS.findall(header)) >= 1 and not _XML_START.match(content)


def _holds_invoice(content: bytes) -> bool:
    """Tell whether bytes are meant to be an e-invoice, well-formed or not."""
    plain = content.replace(b"\x00", b"")
    if not _XML_START.match(content):
        return False
    return any(etree.QName(tag).namespace.encode() in plain for tag in XML_READERS)


def _holds_embedded(content: bytes) -> bool:
    try:
        files = pdf.embedded_files(pdf.open_pdf(content))
    except UnreadableDocumentError:
        return False
    return any(name.lower() in pdf.INVOICE_FILES or _holds_invoice(data) for name, data in files)


def _checked_text(text: str, mail: eml.Mail | None = None) -> Invoice:
    invoice = read_text(
        text,
        sender=None if mail is None else mail.sender,
        sent_on=None if mail is None else mail.sent_on,
    )
    invoice["warnings"] += check_invoice(invoice, NAMES)
    return invoice


def _within(name: str, content: bytes, reader: Callable[[bytes], Invoice]) -> Invoice:
    """Read a file inside another one; its errors say which file they speak of."""
    try:
        return reader(content)
    except DocumentError as error:
        error.add_context(name)
        raise


def _only(invoices: list[Invoice]) -> Invoice:
    if len({identity(invoice) for invoice in invoices}) > 1:
        raise _several(len(invoices))
    return invoices[0]


def _several(count: int) -> UnreadableDocumentError:
    return UnreadableDocumentError(
        "document",
        expected="one invoice",
        got=f"{count} of them",
        code="several_invoices",
        way_out="send each as a document of its own",
    )
