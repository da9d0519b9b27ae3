"""Rows and columns of a text, and the rows among them that are lines of an invoice."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import combinations

from nodes.services.documents.text_values import numbers, percentage
from nodes.services.documents.xml_tree import checked_amount, decimal_text
from state.invoice import InvoiceLine
from state.money import CURRENCIES

MAX_COLUMNS = 12
"""Numbers of one row that are tried as quantity, price and amount."""

_CELL = re.compile(r"\S+(?:[ ]\S+)*")
_HEADINGS = tuple(
    re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
    for words in (
        "description|item|product|service|article|beschreibung|bezeichnung|artikel|leistung"
        "|beskrivelse|vare|varenavn|tekst|désignation|libellé|omschrijving|beschrijving"
        "|beskrivning|benämning|artiklar|tjänst",
        "qty|quantity|hours|menge|anzahl|antall?|quantité|qté|units|aantal|hoeveelheid",
        "price|rate|einzelpreis|preis|pris|enhetspris|prix|prijs|stuksprijs|tarief|[aàá]-pris",
        "amount|total|sum|betrag|gesamt|gesamtpreis|summe|beløp|montant|bedrag|totaal|summa|belopp",
    )
)
_UNIT = re.compile(
    r"\s?(pcs?|pieces?|stuks?|stk|styck|st|stück|pièces?|ea|each|units?|h|hrs?|hours?|std|stunden?|timer?|heures?"
    r"|uur|uren|timmar|tim"
    r"|days?|tage?|dage[nr]?|dagar|jours?|months?|monate?|maanden|måneder?|månader|mois|kg|g|l|m|m2|km|box(?:es)?|packs?"
    r"|licen[cs]es?|users?|set|sets)\b\.?",
    re.IGNORECASE,
)
_NOISE = re.compile(
    rf"(?<![^\W\d_])(?:{'|'.join(sorted(CURRENCIES))})(?![^\W\d_])|[€£$¥]|\bkr\b\.?|[@=]|(?<=\d),-"
)
_JOINTS = re.compile(
    r"^(?:x\b|[*·|:;,.-]|à\b|per\b)+\s*|\s*(?:\bx|[*·|:;,-]|\bà|\bat|\bper)+$", re.IGNORECASE
)
_POSITION = re.compile(r"^(\d{1,4})[.)]?\s+(?=\S*[^\W\d_])")


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of a row between gaps of two spaces or more."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Row:
    """A line of text with its cells."""

    text: str
    cells: tuple[Cell, ...]


@dataclass(slots=True, kw_only=True)
class Reading:
    """A text that is being read.

    Attributes:
        mark: its decimal mark, `.` or `,`.
        currency: ISO 4217 code of its amounts.
        warnings: what is doubtful so far.
    """

    rows: list[Row]
    mark: str
    currency: str
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FoundLines:
    """The invoice lines of a text."""

    lines: list[InvoiceLine]
    rows: set[int]
    """Positions of the rows that they were read from."""
    certain: bool
    """Whether the table has headings and quantity x price makes the amount in every row."""


def split_rows(text: str, limit: int) -> list[Row]:
    """Return the rows of a text, empty ones left out."""
    rows = []
    for line in text.split("\n")[:limit]:
        cells = tuple(Cell(m[0], m.start(), m.end()) for m in _CELL.finditer(line))
        if cells:
            rows.append(Row(line, cells))
    return rows


def find_lines(
    rows: list[Row], mark: str, currency: str, total_kind: Callable[[str], str | None]
) -> FoundLines:
    """Return the rows in which a quantity and a price make an amount.

    Below a row of headings up to the first total, a row with nothing but an amount is a line too.

    Args:
        rows: the text.
        mark: what parts decimals.
        currency: of the amounts.
        total_kind: tells which total a row is, or None.
    """
    heading = next((i for i, row in enumerate(rows) if _is_heading(row)), None)
    price_first = heading is not None and _price_first(rows[heading])
    lines: list[InvoiceLine] = []
    used: set[int] = set()
    certain = heading is not None
    for position in range(0 if heading is None else heading + 1, len(rows)):
        row = rows[position]
        if total_kind(row.cells[0].text):
            if lines and _numbers_of(row, mark, spaced=True):
                break
            continue
        factors = _factors(row, mark, currency)
        is_total = any(total_kind(cell.text) for cell in row.cells)
        if factors is None and heading is not None and not is_total:
            factors = _lone_amount(row, mark)
            certain = certain and factors is None
        if factors is None or not re.search(r"[^\W\d_]{2}", row.text):
            continue
        line = _line(row, factors, len(lines) + 1, currency, price_first=price_first)
        lines.append(line)
        used.add(position)
    return FoundLines(lines, used, certain and bool(lines))


@dataclass(frozen=True, slots=True)
class _Number:
    value: Decimal
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Factors:
    first: _Number | None
    second: _Number | None
    amount: _Number


def _is_heading(row: Row) -> bool:
    if re.search(r"\d", row.text):
        return False
    return sum(1 for pattern in _HEADINGS if pattern.search(row.text)) >= 3


def _price_first(heading: Row) -> bool:
    quantity = _HEADINGS[1].search(heading.text)
    price = _HEADINGS[2].search(heading.text)
    return bool(quantity and price and price.start() < quantity.start())


def _numbers_of(row: Row, mark: str, *, spaced: bool) -> list[_Number]:
    if not spaced:
        return [_Number(*found) for found in numbers(row.text, mark, spaced=False)]
    return [
        _Number(value, cell.start + start, cell.start + end)
        for cell in row.cells
        for value, start, end in numbers(cell.text, mark)
    ]


def _factors(row: Row, mark: str, currency: str) -> _Factors | None:
    tolerance = Decimal(2).scaleb(-CURRENCIES[currency])
    for spaced in (True, False):
        found = _numbers_of(row, mark, spaced=spaced)[-MAX_COLUMNS:]
        for last in range(len(found) - 1, 1, -1):
            amount = found[last]
            for one, other in reversed(list(combinations(found[:last], 2))):
                if amount.value and abs(one.value * other.value - amount.value) <= tolerance:
                    return _Factors(one, other, amount)
    return None


def _lone_amount(row: Row, mark: str) -> _Factors | None:
    found = _numbers_of(row, mark, spaced=True)
    if not found or not re.search(r"[.,]\d{2}\D*$", row.text) or len(row.cells) < 2:
        return None
    return _Factors(None, None, found[-1])


def _line(
    row: Row, factors: _Factors, position: int, currency: str, *, price_first: bool
) -> InvoiceLine:
    first, second = factors.first, factors.second
    if (
        first is not None
        and second is not None
        and (price_first or _looks_like_price_first(first.value, second.value))
    ):
        first, second = second, first
    quantity = Decimal(1) if first is None else first.value
    price = factors.amount.value if second is None else second.value
    unit = None if first is None else _UNIT.match(row.text, first.end)
    used = [span for span in (first, second, factors.amount) if span is not None]
    name = _remaining(row.text, used, unit)
    found_position = _POSITION.match(name)
    if found_position:
        name = name[found_position.end() :]
    rate = percentage(row.text)
    return InvoiceLine(
        id=found_position[1] if found_position else str(position),
        item=name or f"line {position}",
        description=None,
        note=None,
        quantity=decimal_text(quantity),
        unit=None if unit is None else unit[1],
        price=decimal_text(price),
        base_quantity="1",
        gross_price=None,
        price_allowance=None,
        amount=checked_amount(factors.amount.value, currency, f"amount of line {position}"),
        allowances=[],
        tax_category=None,
        tax_rate=None if rate is None else decimal_text(rate),
        seller_item_id=None,
        buyer_item_id=None,
        standard_item_id=None,
        classifications=[],
        order_line=None,
        accounting_cost=None,
        period_start=None,
        period_end=None,
    )


def _looks_like_price_first(first: Decimal, second: Decimal) -> bool:
    """Tell whether the first has cents and the second is whole: `45.00 x 10`."""
    return (
        first.as_tuple().exponent == -2
        and second == second.to_integral_value()
        and (second.as_tuple().exponent == 0)
    )


def _remaining(text: str, used: list[_Number], unit: re.Match[str] | None) -> str:
    """Return a row's text without its numbers, unit, rate and currency signs."""
    spans = [(number.start, number.end) for number in used]
    spans += [unit.span()] if unit is not None else []
    kept = list(text)
    for start, end in spans:
        kept[start:end] = " " * (end - start)
    words = re.sub(r"\d{1,3}(?:[.,]\d{1,3})?\s?%", " ", "".join(kept))
    words = " ".join(_NOISE.sub(" ", words).split())
    previous = None
    while words != previous:
        previous, words = words, _JOINTS.sub("", words).strip()
    return words
