"""Reading documents: bytes in, a typed invoice out, or an error that names the field.

UBL and CII XML, PDF with or without an embedded XML invoice, e-mail and plain text.
"""

import asyncio
from typing import Protocol

from nodes.services.documents.ubl import names_of, read_ubl
from nodes.services.documents.xml_tree import parse_xml
from state.errors import UnreadableDocumentError
from state.invoice import Invoice, check_invoice

MAX_BYTES = 10 * 1024 * 1024
"""Largest document, bytes: with its attachments inside, an invoice is seldom above 5 MB."""

_BLANKS = b" \t\r\n\x00\xef\xbb\xbf\xff\xfe"


class DocumentReader(Protocol):
    """Reads one document."""

    async def read(
        self, content: bytes, *, filename: str, media_type: str | None = None
    ) -> Invoice:
        """Return what the document says.

        Raises:
            state.errors.DocumentError: the document cannot be taken as an invoice.
        """
        ...


class StandardDocumentReader:
    """Reads documents off the event loop: parsing is plain computing and may take a second."""

    async def read(
        self, content: bytes, *, filename: str, media_type: str | None = None
    ) -> Invoice:
        """Return what the document says; see `read`."""
        return await asyncio.to_thread(read, content, filename=filename, media_type=media_type)


def read(content: bytes, *, filename: str, media_type: str | None = None) -> Invoice:
    """Return what a document says, its totals checked.

    Args:
        content: the whole file.
        filename: used in messages, and for its ending where the bytes do not say what they are.
        media_type: as the sender declared it; the bytes win over it.

    Raises:
        state.errors.DocumentError: the document cannot be taken as an invoice.
    """
    if not content.strip(_BLANKS):
        raise UnreadableDocumentError(
            "document", expected="an invoice", got="an empty file", code="empty_document"
        )
    if len(content) > MAX_BYTES:
        raise UnreadableDocumentError(
            "document",
            expected=f"{MAX_BYTES} bytes or less",
            got=f"{len(content)} bytes",
            code="too_large",
        )
    return _read_xml(content)


def _read_xml(content: bytes) -> Invoice:
    invoice = read_ubl(parse_xml(content))
    check_invoice(invoice, names_of(invoice))
    return invoice
