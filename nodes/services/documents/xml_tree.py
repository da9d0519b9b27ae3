"""XML from strangers: parsed without entities, DTDs or network, and read by typed accessors."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from lxml import etree

from state.errors import InvalidFieldError, MissingFieldError, UnreadableDocumentError
from state.invoice import scoped
from state.money import CURRENCIES, LARGEST_AMOUNT, minor_units

MAX_ELEMENTS = 500_000
"""Elements of one document: an invoice of 10 000 lines has fewer; the tree takes about 100 MB."""
_CHUNK_BYTES = 64 * 1024

_PROLOG = re.compile(rb"(?:\s+|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)
_UTF16_LABEL = re.compile(rb"""^<\?xml[^>]*encoding=["']utf-16(?:le|be)?["']""", re.IGNORECASE)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})")
_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T[0-9:.]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})?")


def parse_xml(content: bytes) -> etree._Element:
    """Return the root element of a document that is well-formed and has no DOCTYPE.

    Raises:
        UnreadableDocumentError: not XML, a DOCTYPE, or more than `MAX_ELEMENTS` elements.
    """
    content = content.lstrip()
    _refuse_doctype(content)
    # A text that was labelled UTF-16 and then saved as UTF-8: every .NET string writer does it.
    encoding = "utf-8" if _UTF16_LABEL.match(content) else None
    parser = etree.XMLPullParser(
        events=("start",),
        encoding=encoding,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    elements = 0
    try:
        for start in range(0, len(content), _CHUNK_BYTES):
            parser.feed(content[start : start + _CHUNK_BYTES])
            elements += sum(1 for _ in parser.read_events())
            if elements > MAX_ELEMENTS:
                raise UnreadableDocumentError(
                    "document",
                    expected=f"XML of {MAX_ELEMENTS} elements or fewer",
                    got="more",
                    code="too_large",
                )
        root = parser.close()
    except etree.LxmlError as error:
        raise UnreadableDocumentError(
            "document", expected="well-formed XML", got=_first_line(error), code="not_xml"
        ) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise _doctype_refused()
    return root


def local_name(element: etree._Element) -> str:
    """Return an element's name without its namespace."""
    return etree.QName(element).localname


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An element with the path that a person would look it up by."""

    element: etree._Element
    path: str
    """Path from the document element, `cac:InvoiceLine[2]`; empty for the document element."""
    namespaces: Mapping[str, str]
    """Prefixes that paths are written in, whatever prefixes the document uses."""

    def name(self, path: str) -> str:
        """Return the full path of what stands below this node."""
        return f"{self.path}/{path}" if self.path else path

    def find(self, path: str) -> "Node | None":
        """Return the first element at a path, or None."""
        found = self.element.find(path, dict(self.namespaces))
        if found is None:
            return None
        return Node(element=found, path=self.name(path), namespaces=self.namespaces)

    def require(self, path: str, expected: str) -> "Node":
        """Return the first element at a path.

        Raises:
            MissingFieldError: there is none.
        """
        found = self.find(path)
        if found is None:
            raise MissingFieldError(self.name(path), expected=expected)
        return found

    def each(self, path: str) -> Iterator["Node"]:
        """Yield the elements at a path, numbered from 1 in their own path."""
        elements = self.element.findall(path, dict(self.namespaces))
        for position, element in enumerate(elements, start=1):
            numbered = f"{self.name(path)}[{position}]"
            yield Node(element=element, path=numbered, namespaces=self.namespaces)

    def attribute(self, name: str) -> str | None:
        """Return an attribute's value without spaces around it, or None when absent or empty."""
        return (self.element.get(name) or "").strip() or None

    @property
    def value(self) -> str | None:
        """The element's own text on one line, or None when it is empty."""
        return " ".join(_content(self.element).split()) or None

    def text(self, path: str) -> str | None:
        """Return the text at a path on one line, or None when absent or empty."""
        found = self.find(path)
        return None if found is None else found.value

    def paragraph(self, path: str) -> str | None:
        """Return the text at a path with its line breaks, or None when absent or empty."""
        found = self.find(path)
        if found is None:
            return None
        lines = (line.strip() for line in _content(found.element).splitlines())
        return "\n".join(line for line in lines if line) or None

    def require_text(self, path: str, expected: str) -> str:
        """Return the text at a path.

        Raises:
            MissingFieldError: it is absent or empty.
        """
        text = self.text(path)
        if text is None:
            raise MissingFieldError(self.name(path), expected=expected)
        return text

    def texts(self, path: str) -> list[str]:
        """Return every text at a path that is not empty."""
        return [node.value for node in self.each(path) if node.value is not None]

    def decimal(self, path: str) -> Decimal | None:
        """Return the number at a path, or None when absent or empty.

        Raises:
            InvalidFieldError: it is no `xs:decimal`.
        """
        text = self.text(path)
        if text is None:
            return None
        if not _DECIMAL.fullmatch(text):
            raise InvalidFieldError(
                self.name(path),
                expected="a decimal number such as 1234.56",
                got=shortened(text),
                code="invalid_number",
            )
        return Decimal(text)

    def number(self, path: str) -> str | None:
        """Return the number at a path as plain decimal text, or None; see `decimal`."""
        value = self.decimal(path)
        return None if value is None else decimal_text(value)

    def amount(self, path: str, currency: str, *, exact: bool = False) -> int | None:
        """Return the amount at a path in minor units of a currency, or None when absent.

        Raises:
            InvalidFieldError: no decimal, too large, said to be in another currency, or with
                `exact` finer than the currency's minor unit.
        """
        found = self.find(path)
        value = self.decimal(path)
        if found is None or value is None:
            return None
        stated = found.attribute("currencyID")
        if stated is not None and stated != currency:
            raise InvalidFieldError(
                f"{found.path}/@currencyID",
                expected=f"the document's currency {currency}",
                got=shortened(stated),
                code="currency_mismatch",
            )
        return checked_amount(value, currency, found.path, exact=exact)

    def require_amount(
        self, path: str, currency: str, expected: str, *, exact: bool = False
    ) -> int:
        """Return the amount at a path in minor units of a currency.

        Raises:
            MissingFieldError: it is absent or empty.
            InvalidFieldError: see `amount`.
        """
        amount = self.amount(path, currency, exact=exact)
        if amount is None:
            raise MissingFieldError(
                self.name(path), expected=f"{expected} in {currency}", code="missing_amount"
            )
        return amount

    def price(self, path: str, currency: str) -> str | None:
        """Return a price as decimal text, or None; its currency and size are checked."""
        value = self.decimal(path)
        if value is None:
            return None
        self.amount(path, currency)
        return decimal_text(value)

    def base_quantity(self, path: str) -> str:
        """Return how many units a price is for, 1 when absent.

        Raises:
            InvalidFieldError: no decimal, or not above zero.
        """
        value = self.decimal(path)
        if value is not None and value <= 0:
            raise InvalidFieldError(
                self.name(path), expected="a quantity above zero", got=decimal_text(value)
            )
        return "1" if value is None else decimal_text(value)

    def indicator(self, path: str) -> bool:
        """Return the `xs:boolean` at a path that tells a charge from an allowance.

        Raises:
            MissingFieldError: it is absent or empty.
            InvalidFieldError: it is neither true nor false.
        """
        expected = "true (a charge) or false (an allowance)"
        text = self.require_text(path, expected)
        if text not in {"true", "1", "false", "0"}:
            raise InvalidFieldError(self.name(path), expected=expected, got=shortened(text))
        return text in {"true", "1"}

    def identifier(self, path: str) -> str | None:
        """Return the identifier at a path with its `schemeID`, or None when absent."""
        found = self.find(path)
        return None if found is None else scoped(found.value, found.attribute("schemeID"))

    def date(self, path: str) -> str | None:
        """Return the `xs:date` at a path as ISO 8601 without its time zone, or None when absent.

        Raises:
            InvalidFieldError: it is no day of the calendar.
        """
        text = self.text(path)
        return None if text is None else checked_date(text, self.name(path))


def checked_amount(value: Decimal, currency: str, field: str, *, exact: bool = False) -> int:
    """Return an amount in minor units of a currency, rounded half away from zero.

    Parts of a document (lines, allowances, tax per rate) may be finer than the currency and are
    rounded, as several national standards do; its totals are money that changes hands.

    Raises:
        InvalidFieldError: the currency is unknown, the amount too large to be kept exact, or with
            `exact` finer than the currency's minor unit.
    """
    if currency not in CURRENCIES:
        raise unknown_currency(currency, field)
    amount = minor_units(value, currency)
    if abs(amount) > LARGEST_AMOUNT:
        raise InvalidFieldError(
            field,
            expected=f"{LARGEST_AMOUNT} minor units or less",
            got=shortened(str(value)),
            code="invalid_number",
        )
    if exact and value.scaleb(CURRENCIES[currency]) != amount:
        decimals = CURRENCIES[currency]
        raise InvalidFieldError(
            field,
            expected=f"an amount of {currency} with {decimals or 'no'} decimals",
            got=shortened(decimal_text(value)),
            code="too_precise",
            way_out="ask the supplier for a corrected document",
        )
    return amount


def checked_date(text: str, field: str) -> str:
    """Return an ISO 8601 day.

    Raises:
        InvalidFieldError: the text is no day of the calendar.
    """
    match = _DATE.fullmatch(text)
    try:
        return date.fromisoformat(match[1] if match else "").isoformat()
    except ValueError as error:
        raise InvalidFieldError(
            field,
            expected="a date such as 2026-10-31",
            got=shortened(text),
            code="invalid_date",
        ) from error


def unknown_currency(currency: str, field: str) -> InvalidFieldError:
    """Return the error that says that a currency is not in ISO 4217."""
    return InvalidFieldError(
        field,
        expected="a currency code of ISO 4217 such as EUR",
        got=shortened(currency),
        code="unknown_currency",
    )


def decimal_text(value: Decimal) -> str:
    """Return a number as plain text without an exponent or zeros at the end: `12.5`, `100`."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def shortened(text: str) -> str:
    """Return a text quoted for a message, at most 60 characters of it."""
    return repr(text if len(text) <= 60 else f"{text[:59]}…")


def _content(element: etree._Element) -> str:
    return "".join(part for part in element.itertext() if isinstance(part, str))


def _refuse_doctype(content: bytes) -> None:
    # Without the zero bytes of UTF-16 and UTF-32 markup is ASCII in every encoding in use; what
    # hides behind another one is caught after parsing, which loads and expands nothing.
    plain = content.replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe")
    prolog = _PROLOG.match(plain)
    if prolog and plain[prolog.end() : prolog.end() + 9].upper() == b"<!DOCTYPE":
        raise _doctype_refused()


def _doctype_refused() -> UnreadableDocumentError:
    return UnreadableDocumentError(
        "document",
        expected="XML without a DOCTYPE",
        got="a DOCTYPE",
        code="doctype_refused",
        way_out="send the invoice without it; no e-invoice standard uses one",
    )


def _first_line(error: etree.LxmlError) -> str:
    return shortened(str(error).partition("\n")[0] or "nothing")
