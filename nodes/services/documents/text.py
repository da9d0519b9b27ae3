"""Invoices in plain text: labels and layouts common in the languages of `text_labels`.

Rules find what a reader's eye finds: a label and what stands beside or below it, rows where
quantity x price makes the amount, totals that add up. What they are not sure of goes into the
invoice's `warnings`; what an order cannot do without is an error that names the label.
"""

import re

from nodes.services.documents.text_labels import (
    BIC,
    BUYER_LABELS,
    BUYER_REFERENCE_LABELS,
    CONTRACT_LABELS,
    COST_LABELS,
    CREDIT_TITLE,
    DELIVERY_LABELS,
    DUE_LABELS,
    EMAIL,
    GLN,
    IBAN,
    ISSUE_LABELS,
    LABELLED_VAT,
    NAME,
    NUMBER_LABELS,
    ORDER_LABELS,
    PRECEDING_LABELS,
    REFERENCE,
    REGISTRATION,
    SUPPLIER_LABELS,
    SUPPLIER_NUMBER_LABELS,
    TAX_NUMBER,
    TITLE,
    TITLE_FROM,
    VAT,
    WORDS,
)
from nodes.services.documents.text_lines import Reading, Row, find_lines, split_rows
from nodes.services.documents.text_totals import read_totals, total_kind
from nodes.services.documents.text_values import (
    DAY,
    decimal_mark,
    find_currency,
    numbers,
    parse_day,
    plain,
)
from state.errors import MissingFieldError, UnreadableDocumentError
from state.invoice import (
    Invoice,
    Kind,
    Party,
    PaymentMeans,
    References,
    name_unidentified,
    party_id,
    vat_identifier,
)

MAX_LINES = 5_000
"""Lines of text that are read: about a hundred pages."""
MAX_TEXT = 300_000
"""Largest text, characters; the rules take about a second for it."""

NAMES = {
    "supplier_id": "supplier identifier",
    "totals.line_total": "sum of the lines",
    "totals.tax_exclusive": "net total",
    "totals.tax_total": "tax",
    "totals.tax_inclusive": "total",
    "totals.payable": "amount due",
    "lines.amount": "amount of line {position}",
}
"""What a field of `Invoice` is called in messages about a text."""


def read_text(text: str, *, sender: str | None = None, sent_on: str | None = None) -> Invoice:
    """Return what an invoice in plain text says; totals are not checked yet.

    Args:
        text: the text, columns parted by two spaces or more.
        sender: who sent it, for a text that does not name its supplier.
        sent_on: the day it was sent, ISO 8601, for a text without a date.

    Raises:
        MissingFieldError: no number, date, currency, total or supplier.
        InvalidFieldError: a date that no calendar has.
        UnreadableDocumentError: nothing in it says that it is an invoice.
    """
    if len(text) > MAX_TEXT:
        raise UnreadableDocumentError(
            "document",
            expected=f"a text of {MAX_TEXT} characters or fewer",
            got=str(len(text)),
            code="too_large",
            way_out="send the invoice alone",
        )
    text = plain(text)
    rows = split_rows(text, MAX_LINES)
    currency, doubt = find_currency(text)
    if not any(numbers(row.text, ".") for row in rows):
        raise _no_invoice()
    if currency is None:
        raise MissingFieldError(
            "currency", expected="a currency code or sign beside the amounts, such as EUR or €"
        )
    reading = Reading(rows=rows, mark=decimal_mark(text), currency=currency)
    reading.warnings += [doubt] if doubt else []
    kind = _kind(rows)
    number = _number(reading)
    buyer_rows = _buyer_rows(rows)
    supplier = _supplier(reading, buyer_rows, sender)
    issue_date = _day(reading, ISSUE_LABELS, "invoice date") or sent_on
    if issue_date is None:
        raise MissingFieldError("invoice date", expected="a day beside a label such as 'Date'")
    found = find_lines(rows, reading.mark, currency, total_kind)
    totals, taxes, allowances, lines = read_totals(reading, found)
    return Invoice(
        kind=kind,
        type_code="381" if kind == "credit_note" else "380",
        number=number,
        supplier_id=supplier["id"] or "",
        supplier_name=supplier["name"] or "",
        issue_date=issue_date,
        due_date=_day(reading, DUE_LABELS, "due date"),
        tax_point_date=None,
        delivery_date=_day(reading, DELIVERY_LABELS, "delivery date"),
        period_start=None,
        period_end=None,
        currency=currency,
        accounting_currency=None,
        accounting_tax_total=None,
        supplier=supplier,
        buyer=_buyer(reading),
        payee=None,
        tax_representative=None,
        lines=lines,
        allowances=allowances,
        taxes=taxes,
        totals=totals,
        references=_references(reading),
        payment_means=_payment_means(rows),
        payment_terms=None,
        notes=[],
        source="text",
        profile=None,
        warnings=reading.warnings,
    )


def _no_invoice() -> UnreadableDocumentError:
    return UnreadableDocumentError(
        "document",
        expected="the text of an invoice",
        got="a text without any amount",
        code="no_invoice_found",
        way_out="send the invoice itself, as XML, PDF or e-mail",
    )


def _kind(rows: list[Row]) -> Kind:
    """Return what the first title says; a later word may speak of another document."""
    for row in rows[:40]:
        for cell in row.cells:
            if CREDIT_TITLE.match(cell.text):
                return "credit_note"
            if TITLE.match(cell.text):
                return "invoice"
    return "invoice"


def _after(
    rows: list[Row], label: re.Pattern[str], value: re.Pattern[str], *, anchored: bool = False
) -> str | None:
    """Return the value beside the first label that has one: same cell, next cell, or cell below.

    Args:
        rows: the text.
        label: what to look for.
        value: what must follow it.
        anchored: whether the label must begin its cell; a common word may stand in any sentence.
    """
    for position, row in enumerate(rows):
        for index, cell in enumerate(row.cells):
            for found in label.finditer(cell.text):
                if anchored and found.start() > 0:
                    continue
                rest = cell.text[found.end() :].lstrip(" :#.-=\t(")
                match = value.match(rest)
                if match is None and not rest:
                    match = _beside(row, index, value) or _below(rows, position, cell.start, value)
                if match is not None:
                    return match[0]
    return None


def _beside(row: Row, index: int, value: re.Pattern[str]) -> re.Match[str] | None:
    if index + 1 >= len(row.cells):
        return None
    return value.match(row.cells[index + 1].text.lstrip(" :#"))


def _below(
    rows: list[Row], position: int, start: int, value: re.Pattern[str]
) -> re.Match[str] | None:
    if position + 1 >= len(rows):
        return None
    nearest = min(rows[position + 1].cells, key=lambda cell: abs(cell.start - start))
    return value.match(nearest.text.lstrip(" :#")) if abs(nearest.start - start) <= 8 else None


def _first(
    rows: list[Row],
    labels: tuple[re.Pattern[str], ...],
    value: re.Pattern[str],
    *,
    anchored: bool = False,
) -> str | None:
    found = (_after(rows, label, value, anchored=anchored) for label in labels)
    return next((text for text in found if text is not None), None)


_NOT_A_DAY = re.compile(rf"(?!{DAY.pattern})(?:{REFERENCE.pattern})", re.VERBOSE | re.IGNORECASE)


def _number(reading: Reading) -> str:
    number = _first(reading.rows, NUMBER_LABELS, _NOT_A_DAY)
    if number is None:
        raise MissingFieldError(
            "invoice number",
            expected="a number beside a label such as 'Invoice no.' or 'Rechnungsnummer'",
        )
    return number


def _day(reading: Reading, labels: tuple[re.Pattern[str], ...], name: str) -> str | None:
    text = _first(reading.rows, labels, DAY)
    if text is None:
        return None
    day, ambiguous = parse_day(text, name, month_first=reading.currency == "USD")
    if ambiguous:
        reading.warnings.append(f"{name} {text!r} was read as {day}")
    return day


def _buyer_rows(rows: list[Row]) -> dict[int, int]:
    """Return the column at which the buyer's block starts, by the position of its rows."""
    block: dict[int, int] = {}
    for position, row in enumerate(rows):
        for cell in row.cells:
            if any(label.match(cell.text) for label in BUYER_LABELS):
                block |= dict.fromkeys(range(position, position + 7), cell.start)
    return block


def _outside_buyer(rows: list[Row], buyer_rows: dict[int, int]) -> str:
    """Return the text without the buyer's block."""
    kept: list[str] = []
    for position, row in enumerate(rows):
        column = buyer_rows.get(position)
        cells = [
            cell.text
            for cell in row.cells
            if (column is None or abs(cell.start - column) > 8) and not _speaks_of_buyer(cell.text)
        ]
        kept.append("  ".join(cells))
    return "\n".join(kept)


# The sender's line of a forwarded mail names the mailbox too.
_ADDRESS = re.compile(r"\s*[<\[(](?:mailto:)?[^\s@<>]+@[^\s<>]+[>\])]\s*$")
_BUYERS_OWN = re.compile(
    r"(?:customer|client|buyer|your|ihre|kunden?|deres|votre|uw|klant|er|köparens)\b", re.IGNORECASE
)


def _speaks_of_buyer(text: str) -> bool:
    return _BUYERS_OWN.match(text) is not None


def _supplier(reading: Reading, buyer_rows: dict[int, int], sender: str | None) -> Party:
    rows = reading.rows
    text = _outside_buyer(rows, buyer_rows)
    name = _first(rows, SUPPLIER_LABELS, WORDS, anchored=True) or sender or _letterhead(rows)
    if name is None:
        raise MissingFieldError("supplier", expected="a name, in the first line or beside 'From'")
    name = _ADDRESS.sub("", name)
    ibans = [found[0].replace(" ", "") for found in IBAN.finditer(text)]
    without_ibans = IBAN.sub(" ", text)
    vat_id = _own_vat_id(reading, text)
    registration = REGISTRATION.search(without_ibans)
    gln = GLN.search(text)
    number = _first(rows, SUPPLIER_NUMBER_LABELS, REFERENCE)
    tax_number = TAX_NUMBER.search(text)
    email = EMAIL.search(text)
    identifiers = [f"0088:{gln[1]}"] if gln else []
    identifiers += [number] if number else []
    identifiers += [f"IBAN:{iban}" for iban in ibans[:1]]
    party = _party(name)
    party["vat_id"] = vat_id
    party["registration_id"] = registration[1].replace(" ", "") if registration else None
    party["ids"] = identifiers
    party["tax_id"] = tax_number[1].strip() if tax_number else None
    party["email"] = email[0] if email else None
    party["id"] = party_id(party)
    reading.warnings += name_unidentified(party)
    return party


def _own_vat_id(reading: Reading, text: str) -> str | None:
    """Return the supplier's VAT identifier: of several, the one beside its bank and register."""
    masked = IBAN.sub(lambda iban: "#" * len(iban[0]), text)
    found = [(vat_identifier(match[0]) or "", match.start()) for match in VAT.finditer(masked)]
    if not found:
        labelled = LABELLED_VAT.search(masked)
        return None if labelled is None else vat_identifier(labelled[1])
    marks = [m.start() for pattern in (IBAN, BIC, REGISTRATION) for m in pattern.finditer(text)]
    if marks:
        found.sort(key=lambda each: min(abs(each[1] - mark) for mark in marks))
    own = found[0][0]
    others = sorted({identifier for identifier, _ in found} - {own})
    if others:
        reading.warnings.append(f"VAT identifier {own} was taken, not {', '.join(others)}")
    return f"NO{own}" if own.endswith("MVA") and not own.startswith("NO") else own


def _letterhead(rows: list[Row]) -> str | None:
    """Return the first words that are no title, label, address or amount."""
    for row in rows[:15]:
        for cell in row.cells:
            words = re.split(r"\s*[\u00b7\u2022\u25cf|]\s*", cell.text.strip(" *=-_#|"))[0]
            plain_words = re.search(r"[^\W\d_]{2}", words) and ":" not in words
            title = any(each.match(words) for each in (TITLE, CREDIT_TITLE, *BUYER_LABELS))
            page = re.match(r"(?:page|seite|side)\b", words, re.IGNORECASE)
            if plain_words and not title and not page:
                return words
    return next((found[1] for row in rows[:15] if (found := TITLE_FROM.match(row.text))), None)


def _party(name: str | None) -> Party:
    return Party(
        id=None,
        name=name,
        trading_name=None,
        vat_id=None,
        registration_id=None,
        ids=[],
        endpoint_id=None,
        tax_id=None,
        country=None,
        address=None,
        contact=None,
        email=None,
    )


def _buyer(reading: Reading) -> Party | None:
    name = _first(reading.rows, BUYER_LABELS, NAME, anchored=True)
    return None if name is None else _party(name)


def _references(reading: Reading) -> References:
    def reference(labels: tuple[re.Pattern[str], ...]) -> str | None:
        return _first(reading.rows, labels, REFERENCE)

    preceding = reference(PRECEDING_LABELS)
    return References(
        order=reference(ORDER_LABELS),
        sales_order=None,
        buyer=_first(reading.rows, BUYER_REFERENCE_LABELS, re.compile(r"\S.*")),
        accounting_cost=_first(reading.rows, COST_LABELS, re.compile(r"[\w.:/-]+")),
        contract=reference(CONTRACT_LABELS),
        project=None,
        despatch=None,
        receipt=None,
        preceding=[] if preceding is None else [preceding],
    )


def _payment_means(rows: list[Row]) -> list[PaymentMeans]:
    text = "\n".join(row.text for row in rows)
    iban = IBAN.search(text)
    bic = BIC.search(text)
    if iban is None:
        return []
    return [
        PaymentMeans(
            code="30",
            payment_id=None,
            account=iban[0].replace(" ", ""),
            account_name=None,
            bic=bic[1] if bic else None,
        )
    ]
