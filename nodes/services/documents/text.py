"""Invoices in plain text: labels and layouts common in English, German, Norwegian and French.

Rules find what a reader's eye finds: a label and what stands beside or below it, rows where
quantity x price makes the amount, totals that add up. What they are not sure of goes into the
invoice's `warnings`; what an order cannot do without is an error that names the label.
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal

from nodes.services.documents.text_lines import FoundLines, Row, find_lines, split_rows
from nodes.services.documents.text_values import (
    DAY,
    PERCENT,
    decimal_mark,
    find_currency,
    numbers,
    parse_day,
    percentage,
    plain,
)
from nodes.services.documents.xml_tree import checked_amount, decimal_text
from state.errors import MissingFieldError, UnreadableDocumentError
from state.invoice import (
    Allowance,
    Invoice,
    InvoiceLine,
    Kind,
    Party,
    PaymentMeans,
    References,
    TaxSubtotal,
    Totals,
    party_id,
    vat_identifier,
)

MAX_LINES = 20_000
"""Lines of text that are read."""

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


def _label(*alternatives: str) -> re.Pattern[str]:
    joined = "|".join(alternatives)
    return re.compile(rf"(?<![^\W\d_])(?:{joined})(?![^\W\d_])[\s:#.°º]*", re.IGNORECASE)


_NO = r"(?:number|num|no|nr|nummer|numéro|numero|id|ref|n°|#)\.?"

NUMBER_LABELS = (
    _label(rf"(?:tax\s+)?invoice\s*{_NO}", rf"credit\s+(?:note|memo)\s*{_NO}", "invoice #"),
    _label(
        r"rechnungs-?\s?(?:nummer|nr)\.?",
        r"rechnung\s+(?:nr|nummer)\.?",
        r"gutschrift(?:s?-?\s?(?:nummer|nr)|\s+nr)\.?",
        r"beleg-?(?:nummer|nr)\.?",
    ),
    _label(
        r"faktura\s?-?(?:nummer|nr|no)\.?",
        r"(?:kreditnota|kreditfaktura)\s?-?(?:nummer|nr)?\.?",
        rf"facture\s*{_NO}",
        rf"avoir\s*{_NO}",
        r"(?:n°|numéro)\s*(?:de\s+)?(?:la\s+)?facture",
    ),
    _label("invoice", "credit note", "credit memo", "rechnung", "gutschrift", "faktura", "facture"),
)
ISSUE_LABELS = (
    _label(
        r"(?:invoice|tax|issue|billing|credit\s+note)\s+date",
        r"date\s+(?:of\s+)?(?:issued?|invoice)",
        r"issued(?:\s+on)?",
        r"rechnungsdatum",
        r"ausstellungsdatum",
        r"belegdatum",
        r"faktura-?dato",
        r"date\s+(?:de\s+(?:la\s+)?facture|de\s+facturation|d'émission)",
    ),
    _label("dated", "date", "datum", "dato", "le", "du", "vom", "von"),
)
DUE_LABELS = (
    _label(
        r"(?:payment\s+)?due(?:\s+(?:date|on|by))?",
        r"date\s+due",
        r"pay(?:able|ment)?\s+(?:by|before|until)",
        r"fällig(?:keit(?:sdatum)?|\s+(?:am|bis|zum))?",
        r"zahlbar\s+bis(?:\s+zum)?",
        r"forfalls?(?:dato)?",
        r"betalingsfrist",
        r"(?:date\s+d')?échéance(?:\s+le)?",
        r"à\s+payer\s+avant(?:\s+le)?",
    ),
)
DELIVERY_LABELS = (
    _label(r"deliver(?:y|ed)(?:\s+(?:date|on))?", "lieferdatum", "leistungsdatum", "leveringsdato"),
)
ORDER_LABELS = (
    _label(
        rf"(?:purchase\s+order|your\s+order|order|p\.?\s?o\.?)\s*{_NO}",
        r"purchase\s+order",
        r"your\s+order",
        r"(?:ihre\s+)?bestell(?:ung|-?nummer|-?nr)\.?(?:\s+nr\.?)?",
        r"(?:deres\s+)?(?:bestilling|ordre|innkjøpsordre)s?-?(?:nummer|nr)\.?",
        r"(?:bon\s+de\s+)?commande(?:\s*(?:n°|numéro))?",
    ),
)
BUYER_REFERENCE_LABELS = (
    _label(
        r"(?:your|buyer|customer)\s+ref(?:erence)?\.?",
        r"ihre?\s+(?:referenz|zeichen)",
        r"leitweg-?id",
        r"deres\s+ref(?:eranse)?\.?",
        r"votre\s+référence",
    ),
)
COST_LABELS = (
    _label(
        r"cost\s+cent(?:re|er)",
        r"accounting\s+(?:cost|code)",
        r"kostenstelle",
        r"kostnadssted",
        r"centre\s+de\s+coûts?",
    ),
)
CONTRACT_LABELS = (
    _label(
        rf"contract\s*(?:{_NO})?",
        r"vertrags?(?:-?nummer|-?nr)?\.?",
        r"kontrakt(?:s?nummer|snr)?\.?",
        r"contrat(?:\s*(?:n°))?",
    ),
)
PRECEDING_LABELS = (
    _label(
        r"(?:original|credits|corrects|for|preceding|regarding|ref(?:erence)?)\s+"
        rf"invoice\s*(?:{_NO})?",
        r"zu(?:r)?\s+rechnung(?:\s+(?:nr|nummer)\.?)?",
        r"gjelder\s+faktura(?:\s?nr\.?)?",
        r"(?:sur|relatif\s+à)\s+(?:la\s+)?facture(?:\s*(?:n°))?",
    ),
)
SUPPLIER_LABELS = (
    _label("supplier", "seller", "vendor", "from", "lieferant", "verkäufer", "rechnungssteller"),
    _label("leverandør", "selger", "fra", "fournisseur", "vendeur", "émetteur", "von"),
)
SUPPLIER_NUMBER_LABELS = (
    _label(
        rf"(?:supplier|vendor|creditor)\s*{_NO}",
        r"(?:supplier|vendor)\s+code",
        r"(?:lieferanten|kreditoren)-?\s?(?:nummer|nr)\.?",
        r"leverandør-?(?:nummer|nr)\.?",
        r"(?:n°|code|numéro)\s*fournisseur",
    ),
)
BUYER_LABELS = (
    _label(
        r"bill(?:ed)?\s+to",
        r"invoiced?\s+to",
        r"sold\s+to",
        "customer",
        "buyer",
        r"rechnungsempfänger",
        r"rechnung\s+an",
        "kunde",
        "käufer",
        r"faktura\s+til",
        "kjøper",
        r"facturé\s+à",
        "client",
        "acheteur",
        "destinataire",
    ),
)

REFERENCE = re.compile(r"(?=[\w./-]*\d)[^\W_][\w./-]*[^\W_]|\d")
"""A number of a document or an order: letters, digits and joints, with a digit in it."""

_VAT = re.compile(
    r"(?<![A-Z0-9])(?:(?:AT|BE|BG|CHE?|CY|CZ|DE|DK|EE|EL|ES|FI|FR|GB|GR|HR|HU|IE|IT|LT|LU|LV|MT|NL"
    r"|NO|PL|PT|RO|SE|SI|SK|XI)[ -]?[A-Z0-9](?:[ .-]?[A-Z0-9]){6,12}|\d{3} ?\d{3} ?\d{3} ?MVA)"
    r"(?![A-Z0-9])"
)
_IBAN = re.compile(
    r"(?<![A-Z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Z0-9])"
)
_GLN = re.compile(r"\bGLN\D{0,12}(\d{13})\b")
_REGISTRATION = re.compile(
    r"(?:compan(?:y|ies)(?:\s+house)?|registration|reg\.?|organisations?-?|org\.?|hrb|siret|siren"
    r"|cvr|kvk)\s*-?(?:number|nummer|nr|no|n°)?[\s.:#]*(\d[\d ]{5,17}\d)",
    re.IGNORECASE,
)
_TAX_NUMBER = re.compile(
    r"(?:steuer-?(?:nummer|nr)\.?|tax\s+(?:number|no|id))[\s.:#]*(\d[\d/ ]{6,16}\d)", re.IGNORECASE
)
_BIC = re.compile(r"\b(?:BIC|SWIFT)(?:-?code)?[\s:/]*([A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?)\b")
_WORDS = re.compile(r"[^\W\d_].*")
_NAME = re.compile(r"[^\W\d_][^:]*$")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")

_CREDIT_TITLE = re.compile(
    r"(?:credit\s+(?:note|memo)|(?:rechnungskorrektur|stornorechnung|gutschrift)|kreditnota"
    r"|kreditfaktura|(?:facture\s+d')?avoir|note\s+de\s+crédit)\b",
    re.IGNORECASE,
)
_TITLE = re.compile(
    r"(?:tax\s+|vat\s+|commercial\s+)?(?:invoice|rechnung|faktura|facture)\b", re.IGNORECASE
)

_WITHOUT = r"(?:excl?(?:uding|\.)?|ex\.?|before|without|exkl\.?|ohne|eks(?:kl)?\.?|uten|hors)"
_WITH = r"(?:incl?(?:uding|\.)?|inkl\.?|inklusive|med|with)"
_TAX_WORD = (
    r"(?:vat|sales\s+tax|tax(?:es)?|gst|mwst\.?|m\.?w\.?st\.?|ust\.?|umsatzsteuer|mehrwertsteuer"
    r"|mva\.?|merverdiavgift|moms|t\.?v\.?a\.?)"
)
_TOTAL_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "payable",
        _label(
            r"(?:amount|balance|total|sum)\s+(?:due|payable|to\s+pay)",
            r"(?:please\s+pay|to\s+pay|payable)",
            r"zu\s+zahlen(?:der\s+betrag)?",
            r"zahlbetrag",
            r"å\s+betale",
            r"(?:net|reste|total|montant)\s+à\s+payer",
        ),
    ),
    (
        "prepaid",
        _label(
            r"(?:already\s+)?paid",
            r"(?:deposit|prepayment|prepaid)",
            r"(?:geleistete\s+)?anzahlung",
            r"bereits\s+(?:be|ge)zahlt",
            r"forskudd",
            r"acompte",
        ),
    ),
    (
        "net",
        _label(
            r"sub-?\s?total",
            r"net(?:\s+(?:total|amount|sum))?",
            rf"(?:total|amount|sum|summe|totalt?|beløp|gesamt(?:betrag)?)\s+{_WITHOUT}\s*{_TAX_WORD}?",
            r"total\s+net",
            r"zwischensumme",
            r"(?:summe\s+|gesamt\s+)?netto(?:betrag|summe|beløp|total)?",
            r"delsum",
            r"(?:total|montant)\s+(?:h\.?t\.?|net\s+h\.?t\.?)",
            r"sous-?total(?:\s+h\.?t\.?)?",
        ),
    ),
    (
        "inclusive",
        _label(
            rf"(?:total|amount|sum|summe|totalt?|beløp|gesamt(?:betrag|summe)?)\s*"
            rf"\(?{_WITH}[^\d\n]*(?:{_TAX_WORD})?",
            r"gross(?:\s+(?:total|amount))?",
            r"(?:grand|invoice)\s+total",
            r"total\s+amount",
            r"gesamt(?:betrag|summe)(?:\s+brutto)?",
            r"(?:summe\s+|gesamt\s+)?brutto(?:betrag|summe|beløp)?",
            r"(?:rechnungs|end)(?:betrag|summe)",
            r"(?:total|montant)\s+t\.?t\.?c\.?",
            r"fakturabeløp",
            r"totalbeløp",
        ),
    ),
    ("discount", _label("discount", "rabatt", "remise", "nachlass")),
    (
        "charge",
        _label(
            r"(?:shipping|delivery|postage|freight|carriage)(?:\s+(?:cost|charge|fee)s?)?",
            r"(?:versand|liefer|transport)(?:kosten|gebühr)",
            "fracht",
            "frakt",
            r"frais\s+de\s+(?:port|livraison)",
        ),
    ),
    ("tax", _label(rf"(?:total\s+)?{_TAX_WORD}")),
    ("total", _label("total", "totalt", "sum", "summe", "gesamt", "totaal")),
)
_NOT_A_TAX = re.compile(
    rf"{_TAX_WORD}[\s./-]*(?:reg(?:istration)?|id|ident\w*|{_NO}(?!\w)|invoice|date|point|exempt)",
    re.IGNORECASE,
)


@dataclass(slots=True, kw_only=True)
class _Reading:
    """The text under way: its rows, how it writes numbers, and what is doubtful so far."""

    rows: list[Row]
    mark: str
    currency: str
    warnings: list[str] = field(default_factory=list)


def read_text(text: str, *, sender: str | None = None, sent_on: str | None = None) -> Invoice:
    """Return what an invoice in plain text says; totals are not checked yet.

    Args:
        text: the text, columns parted by two spaces or more.
        sender: who sent it, for a text that does not name its supplier.
        sent_on: the day it was sent, ISO 8601, for a text without a date.

    Raises:
        MissingFieldError: no number, date, currency, total, supplier or identifier of it.
        InvalidFieldError: a date that no calendar has.
        UnreadableDocumentError: nothing in it says that it is an invoice.
    """
    text = plain(text)
    rows = split_rows(text, MAX_LINES)
    currency, doubt = find_currency(text)
    if not any(numbers(row.text, ".") for row in rows):
        raise _no_invoice()
    if currency is None:
        raise MissingFieldError(
            "currency", expected="a currency code or sign beside the amounts, such as EUR or €"
        )
    reading = _Reading(rows=rows, mark=decimal_mark(text), currency=currency)
    reading.warnings += [doubt] if doubt else []
    kind = _kind(rows)
    number = _number(reading)
    buyer_rows = _buyer_rows(rows)
    supplier = _supplier(reading, buyer_rows, sender)
    issue_date = _day(reading, ISSUE_LABELS, "invoice date") or sent_on
    if issue_date is None:
        raise MissingFieldError("invoice date", expected="a day beside a label such as 'Date'")
    found = find_lines(rows, reading.mark, currency, _total_kind)
    totals, taxes, allowances, lines = _totals(reading, found)
    return Invoice(
        kind=kind,
        type_code="381" if kind == "credit_note" else "380",
        number=number,
        supplier_id=party_id(supplier) or "",
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
            if _CREDIT_TITLE.match(cell.text):
                return "credit_note"
            if _TITLE.match(cell.text):
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
    return value.match(nearest.text) if abs(nearest.start - start) <= 8 else None


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


def _number(reading: _Reading) -> str:
    number = _first(reading.rows, NUMBER_LABELS, _NOT_A_DAY)
    if number is None:
        raise MissingFieldError(
            "invoice number",
            expected="a number beside a label such as 'Invoice no.' or 'Rechnungsnummer'",
        )
    return number


def _day(reading: _Reading, labels: tuple[re.Pattern[str], ...], name: str) -> str | None:
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


def _speaks_of_buyer(text: str) -> bool:
    return bool(
        re.match(r"(?:customer|client|buyer|your|ihre|kunden?|deres|votre)\b", text, re.IGNORECASE)
    )


def _supplier(reading: _Reading, buyer_rows: dict[int, int], sender: str | None) -> Party:
    rows = reading.rows
    text = _outside_buyer(rows, buyer_rows)
    name = _first(rows, SUPPLIER_LABELS, _WORDS, anchored=True) or sender or _letterhead(rows)
    if name is None:
        raise MissingFieldError("supplier", expected="a name, in the first line or beside 'From'")
    ibans = [found[0].replace(" ", "") for found in _IBAN.finditer(text)]
    without_ibans = _IBAN.sub(" ", text)
    vat_id = _own_vat_id(reading, text)
    registration = _REGISTRATION.search(without_ibans)
    gln = _GLN.search(text)
    number = _first(rows, SUPPLIER_NUMBER_LABELS, REFERENCE)
    tax_number = _TAX_NUMBER.search(text)
    email = _EMAIL.search(text)
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
    if party["id"] is None:
        raise MissingFieldError(
            "supplier identifier",
            expected="a VAT identifier, registration number, GLN, 'Supplier no.' or IBAN",
            code="missing_supplier_id",
            way_out="ask the supplier for an invoice that carries one",
        )
    return party


def _own_vat_id(reading: _Reading, text: str) -> str | None:
    """Return the supplier's VAT identifier: of several, the one beside its bank and register."""
    masked = _IBAN.sub(lambda iban: "#" * len(iban[0]), text)
    found = [
        (identifier, match.start())
        for match in _VAT.finditer(masked)
        if (identifier := vat_identifier(match[0])) and sum(map(str.isdigit, identifier)) >= 7
    ]
    if not found:
        return None
    marks = [m.start() for pattern in (_IBAN, _BIC, _REGISTRATION) for m in pattern.finditer(text)]
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
            words = cell.text.strip(" *=-_#|")
            plain_words = re.search(r"[^\W\d_]{2}", words) and ":" not in words
            title = _TITLE.match(words) or _CREDIT_TITLE.match(words)
            page = re.match(r"(?:page|seite|side)\b", words, re.IGNORECASE)
            if plain_words and not title and not page:
                return words
    return None


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


def _buyer(reading: _Reading) -> Party | None:
    name = _first(reading.rows, BUYER_LABELS, _NAME, anchored=True)
    return None if name is None else _party(name)


def _references(reading: _Reading) -> References:
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
    iban = _IBAN.search(text)
    bic = _BIC.search(text)
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


_LEAD = re.compile(
    r"^(?:plus|zzgl\.?|zuzüglich|herav|hvorav|dont|of which|incl\.?)\s+", re.IGNORECASE
)


def _total_kind(text: str) -> str | None:
    """Return which total a cell is the label of, or None."""
    words = PERCENT.sub(" ", text).strip(" +-*|:")
    words = _LEAD.sub("", words)
    if _NOT_A_TAX.match(words):
        return None
    return next((kind for kind, label in _TOTAL_KINDS if label.match(words)), None)


@dataclass(frozen=True, slots=True)
class _Stated:
    kind: str
    amount: int
    rate: Decimal | None
    label: str


def _stated_totals(reading: _Reading, skipped: set[int]) -> list[_Stated]:
    """Return every labelled amount that is no line: the last number behind each label."""
    stated: list[_Stated] = []
    for position, row in enumerate(reading.rows):
        if position in skipped:
            continue
        label: tuple[str, str] | None = None
        pending: _Stated | None = None
        for cell in row.cells:
            kind = _total_kind(cell.text)
            if kind is not None:
                stated += [pending] if pending else []
                label, pending = (kind, cell.text), None
            found = numbers(cell.text, reading.mark)
            if label is not None and found:
                amount = checked_amount(found[-1][0], reading.currency, label[1])
                pending = _Stated(label[0], amount, percentage(label[1]), label[1])
        stated += [pending] if pending else []
    return stated


def _totals(
    reading: _Reading, found: FoundLines
) -> tuple[Totals, list[TaxSubtotal], list[Allowance], list[InvoiceLine]]:
    stated = _stated_totals(reading, found.rows)

    def last(*kinds: str) -> int | None:
        for kind in kinds:
            amounts = [each.amount for each in stated if each.kind == kind]
            if amounts:
                return amounts[-1]
        return None

    prepaid = abs(last("prepaid") or 0)
    payable = last("payable")
    inclusive = last("inclusive", "total")
    if inclusive is None and payable is not None:
        inclusive = payable + prepaid
    if inclusive is None:
        raise MissingFieldError(
            "total",
            expected=f"an amount in {reading.currency} beside a label such as 'Total'",
            code="missing_amount",
        )
    net = last("net")
    taxes, tax_total = _taxes([each for each in stated if each.kind == "tax"], net, inclusive)
    if tax_total is None:
        tax_total = 0 if net is None else inclusive - net
        if not tax_total:
            reading.warnings.append("no tax is stated")
    exclusive = inclusive - tax_total if net is None else net
    lines, allowances = _fit(reading, found, stated, exclusive, inclusive)
    off = sum(each["amount"] for each in allowances if not each["charge"])
    on = sum(each["amount"] for each in allowances if each["charge"])
    line_total = sum(line["amount"] for line in lines) if lines else exclusive + off - on
    totals = Totals(
        line_total=line_total,
        allowance_total=off,
        charge_total=on,
        tax_exclusive=exclusive,
        tax_total=tax_total,
        tax_inclusive=inclusive,
        prepaid=prepaid,
        rounding=0,
        third_party=0,
        payable=inclusive - prepaid if payable is None else payable,
    )
    return totals, taxes, allowances, lines


def _taxes(
    stated: list[_Stated], net: int | None, inclusive: int
) -> tuple[list[TaxSubtotal], int | None]:
    """Return the taxes that fit the totals: all of them, or one that sums up or repeats others."""
    if not stated:
        return [], None
    chosen = stated
    if net is not None and net + sum(each.amount for each in stated) != inclusive:
        fitting = [each for each in stated if net + each.amount == inclusive]
        chosen = fitting[:1] or stated
    subtotals = [
        TaxSubtotal(
            category=None,
            rate=None if each.rate is None else decimal_text(each.rate),
            taxable=None,
            tax=each.amount,
            exemption_reason=None,
            exemption_code=None,
        )
        for each in chosen
    ]
    return subtotals, sum(each.amount for each in chosen)


def _fit(
    reading: _Reading,
    found: FoundLines,
    stated: list[_Stated],
    exclusive: int,
    inclusive: int,
) -> tuple[list[InvoiceLine], list[Allowance]]:
    """Return the lines and the discounts and charges that lead from them to the net total.

    A table that was read with certainty and still does not add up is left as it is, for the check
    of the totals to refuse; of a doubtful one only the doubt is kept.
    """
    line_sum = sum(line["amount"] for line in found.lines)
    extras = [_extra(each) for each in stated if each.kind in {"discount", "charge"}]
    with_extras = line_sum + sum(e["amount"] if e["charge"] else -e["amount"] for e in extras)
    if not found.lines:
        reading.warnings.append("no lines were recognised")
        return [], []
    if line_sum == exclusive:
        return found.lines, []
    if with_extras == exclusive:
        return found.lines, extras
    if line_sum == inclusive:
        reading.warnings.append("the lines' amounts include tax and were left out")
        return [], []
    if found.certain:
        return found.lines, extras
    reading.warnings.append("the lines that were recognised do not add up and were left out")
    return [], []


def _extra(stated: _Stated) -> Allowance:
    return Allowance(
        charge=stated.kind == "charge",
        amount=abs(stated.amount),
        base_amount=None,
        percent=None,
        reason=stated.label,
        reason_code=None,
        tax_category=None,
        tax_rate=None,
    )
