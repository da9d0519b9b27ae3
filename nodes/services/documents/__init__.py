"""Reading documents: bytes in, a typed invoice out, or an error that names the field.

UBL and CII XML, PDF with or without an embedded XML invoice, e-mail and plain text.
"""

import asyncio
from typing import Protocol

from nodes.services.documents.dispatch import read_document
from state.invoice import Invoice


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
    return read_document(content, filename=filename, media_type=media_type)
