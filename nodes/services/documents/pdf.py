"""PDF files: the embedded XML invoice of Factur-X and ZUGFeRD, or the text on the pages."""

from collections.abc import Iterator
from io import BytesIO

from pypdf import PageObject, PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError
from pypdf.generic import ArrayObject, DictionaryObject, StreamObject

from nodes.services.documents.xml_tree import shortened
from state.errors import UnreadableDocumentError

INVOICE_FILES = frozenset(
    {
        "factur-x.xml",
        "zugferd-invoice.xml",
        "xrechnung.xml",
        "order-x.xml",
        "cii.xml",
        "ubl.xml",
        "invoice.xml",
    }
)
"""Names of the XML invoice: Factur-X and ZUGFeRD 2.1, ZUGFeRD 1 and 2.0, the XRechnung profile.

An Order-X file decides too: the order that it holds is refused by name instead of read as text.
"""

MAX_PAGES = 100
"""Pages whose text is read: an invoice with its specification has fewer."""
MAX_TEXT = 300_000
"""Characters of text that are read."""
MAX_EMBEDDED_BYTES = 10 * 1024 * 1024
"""Largest embedded file that is looked at, bytes."""


def open_pdf(content: bytes) -> PdfReader:
    """Return a PDF that can be read without a password.

    Raises:
        UnreadableDocumentError: the file is broken or locked.
    """
    try:
        reader = PdfReader(BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise _locked()
        len(reader.pages)
    except (DependencyError, FileNotDecryptedError) as error:
        raise _locked() from error
    except UnreadableDocumentError:
        raise
    except Exception as error:  # pypdf raises whatever the broken bytes lead it to
        raise _broken(error) from error
    return reader


def embedded_files(reader: PdfReader) -> list[tuple[str, bytes]]:
    """Return the embedded XML files, those with the name of a standard first.

    Raises:
        UnreadableDocumentError: the file is broken.
    """
    try:
        found = dict(_named_files(reader)) | dict(_associated_files(reader))
    except Exception as error:  # pypdf raises whatever the broken bytes lead it to
        raise _broken(error) from error
    return sorted(found.items(), key=lambda item: item[0].lower() not in INVOICE_FILES)


def text_of(reader: PdfReader) -> str:
    """Return the text of the pages, laid out as it stands on them.

    Raises:
        UnreadableDocumentError: the pages are pictures, or the file is broken.
    """
    pages: list[str] = []
    try:
        for page in reader.pages[:MAX_PAGES]:
            pages.append(_page_text(page))
            if sum(map(len, pages)) > MAX_TEXT:
                break
    except Exception as error:  # pypdf raises whatever the broken bytes lead it to
        raise _broken(error) from error
    text = "\n".join(pages)[:MAX_TEXT]
    if not text.strip():
        raise UnreadableDocumentError(
            "document",
            expected="a PDF with an embedded XML invoice or with text",
            got=f"{len(pages)} pages of pictures",
            code="no_text",
            way_out="ask the supplier for the original file, or recognise its text first",
        )
    return text


def _page_text(page: PageObject) -> str:
    try:
        return page.extract_text(extraction_mode="layout")
    except Exception:
        return page.extract_text()


def _named_files(reader: PdfReader) -> Iterator[tuple[str, bytes]]:
    for file in reader.attachment_list:
        # The key of the name tree may be anything; the file's own name stands beside it.
        name = file.alternative_name or file.name
        if name.lower().endswith(".xml") and len(file.content) <= MAX_EMBEDDED_BYTES:
            yield name, file.content


def _associated_files(reader: PdfReader) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the catalog's `AF` entry: some producers write only that one."""
    files = reader.root_object.get("/AF", ArrayObject()).get_object()
    for reference in files if isinstance(files, ArrayObject) else []:
        specification = reference.get_object()
        if not isinstance(specification, DictionaryObject):
            continue
        name = str(specification.get("/UF") or specification.get("/F") or "")
        streams = specification.get("/EF", DictionaryObject()).get_object()
        stream = streams.get("/F") if isinstance(streams, DictionaryObject) else None
        data = None if stream is None else stream.get_object()
        if name.lower().endswith(".xml") and isinstance(data, StreamObject):
            yield name, data.get_data()[:MAX_EMBEDDED_BYTES]


def _broken(error: Exception) -> UnreadableDocumentError:
    return UnreadableDocumentError(
        "document",
        expected="a PDF file",
        got=f"one that breaks off with {shortened(str(error) or type(error).__name__)}",
        code="broken_pdf",
        way_out="send it again or ask the supplier for the original file",
    )


def _locked() -> UnreadableDocumentError:
    return UnreadableDocumentError(
        "document",
        expected="a PDF without a password",
        got="a locked one",
        code="encrypted_pdf",
        way_out="take the password off and send it again",
    )
