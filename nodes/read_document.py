"""Reads the document that a thread is started with, and keeps its bytes out of the state."""

import base64
import binascii
from typing import Any

from nodes.services import DocumentStore
from nodes.services.documents import DocumentReader
from state.errors import DocumentError, InvalidFieldError, MissingFieldError
from state.invoice import identity
from state.money import money_text
from state.purchase_order import DocumentRef, Move, PurchaseOrder, beginning, move

MAX_DOCUMENT_BYTES = 20 * 1024 * 1024
"""Largest document, bytes; an invoice is far below, an accident or an attack is not."""

MAX_NAME = 255
"""Characters of a file name that are kept."""


async def read_document(
    state: PurchaseOrder, *, reader: DocumentReader, documents: DocumentStore
) -> Move:
    """Return the invoice that the document is, or the end of the process and why."""
    start = beginning()
    try:
        kept, content = await _keep(state.get("document"), documents)
        start["document"] = kept
        invoice = await reader.read(
            content, filename=kept["filename"], media_type=kept["media_type"]
        )
    except DocumentError as error:
        return {
            **start,
            **move(start, "fail"),
            "document": start.get("document", _nothing(state.get("document"))),
            "summary": f"not an order: {error}",
            "error": {
                "code": error.code,
                "message": str(error),
                "field": error.field,
                "expected": error.expected,
            },
        }
    money = money_text(invoice["totals"]["payable"], invoice["currency"])
    what = "credit note" if invoice["kind"] == "credit_note" else "invoice"
    return {
        **start,
        "invoice": invoice,
        "invoice_id": identity(invoice),
        "summary": f"{what} {invoice['number']} of {invoice['supplier_name']} over {money}",
        "next": "see whether it was ordered before",
    }


async def _keep(document: Any, documents: DocumentStore) -> tuple[DocumentRef, bytes]:
    if isinstance(document, str):
        document = {"text": document}
    if not isinstance(document, dict):
        raise MissingFieldError("document", expected="a text or an object with content_base64")
    filename = _name(_text(document, "filename") or "document.txt")
    media_type = _text(document, "media_type")
    media_type = None if media_type is None else _name(media_type)
    reference = _text(document, "ref")
    if reference is not None:
        found = await documents.get(reference)
        if found is None:
            raise InvalidFieldError(
                "document.ref", expected="the SHA-256 of a kept document", got=repr(reference[:80])
            )
        return found
    content = _content(document)
    if len(content) > MAX_DOCUMENT_BYTES:
        raise InvalidFieldError(
            "document",
            expected=f"at most {MAX_DOCUMENT_BYTES:,} bytes",
            got=f"{len(content):,}",
            code="document_too_large",
        )
    return await documents.put(content, filename=filename, media_type=media_type), content


def _content(document: dict[str, Any]) -> bytes:
    text = _text(document, "text")
    if text is not None:
        return text.encode("utf-8", "replace")
    encoded = _text(document, "content_base64")
    if encoded is None:
        raise MissingFieldError("document.content_base64", expected="the document's bytes, base64")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidFieldError(
            "document.content_base64", expected="base64 (RFC 4648)", got=repr(encoded[:40])
        ) from error


def _text(document: dict[str, Any], name: str) -> str | None:
    value = document.get(name)
    if value is None or isinstance(value, str):
        return value
    raise InvalidFieldError(f"document.{name}", expected="a text", got=type(value).__name__)


def _name(text: str) -> str:
    # It is shown and stored: no control characters, no NUL, no end of the line.
    return "".join(sign for sign in text if sign.isprintable())[:MAX_NAME]


def _nothing(document: Any) -> DocumentRef:
    # What could not even be kept is not carried along either.
    filename = document.get("filename") if isinstance(document, dict) else None
    named = _name(filename) if isinstance(filename, str) else "document"
    return {"ref": "", "filename": named, "media_type": None, "size": 0}
