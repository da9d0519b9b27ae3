"""A read document: what an invoice or a credit note says, in the terms of EN 16931.

Shapes are JSON only. Amounts are integers in minor units of the document's currency, except where
a field says otherwise; quantities, prices and percentages are decimal text (`"2.5"`), because a
price may have more decimals than the currency; dates are ISO 8601 (`"2026-10-01"`).
"""

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal
from urllib.parse import quote

from typing_extensions import TypedDict

from state.errors import InvalidFieldError, MissingFieldError, WrongTotalError
from state.money import CURRENCIES, minor_units, money_text

Kind = Literal["invoice", "credit_note"]
Source = Literal["ubl", "cii", "text"]
TotalName = Literal[
    "line_total",
    "allowance_total",
    "charge_total",
    "tax_exclusive",
    "tax_total",
    "tax_inclusive",
    "payable",
]


class Party(TypedDict):
    """A seller, buyer, payee or tax representative.

    Identifiers that belong to a scheme are written `scheme:identifier`, as in `0088:7300010000001`.
    """

    id: str | None
    """The identifier that this project knows the party by; see `party_id`."""
    name: str | None
    """Registered name (BT-27, BT-44), else the trading name."""
    trading_name: str | None
    vat_id: str | None
    """VAT identifier, upper case, without spaces and punctuation: `NO123456785MVA`."""
    registration_id: str | None
    """Legal registration (BT-30, BT-47)."""
    ids: list[str]
    """Other identifiers (BT-29, BT-46): GLN, DUNS, a number that the buyer has given."""
    endpoint_id: str | None
    """Electronic address (BT-34, BT-49)."""
    tax_id: str | None
    """Local tax registration that is no VAT identifier (BT-32)."""
    country: str | None
    """ISO 3166-1 alpha-2."""
    address: str | None
    """Street, postal code and town on one line."""
    contact: str | None
    email: str | None


class Allowance(TypedDict):
    """A reduction of the price, or with `charge` an addition to it; `amount` has its own sign."""

    charge: bool
    amount: int
    base_amount: int | None
    percent: str | None
    reason: str | None
    reason_code: str | None
    tax_category: str | None
    tax_rate: str | None


class InvoiceLine(TypedDict):
    """One line: `amount = quantity x price / base_quantity + charges - allowances`."""

    id: str
    item: str
    description: str | None
    note: str | None
    quantity: str
    unit: str | None
    """UNECE Recommendation 20 code, or the unit's name where the document is text."""
    price: str | None
    """Net price of `base_quantity` units."""
    base_quantity: str
    gross_price: str | None
    price_allowance: str | None
    """What was taken off `gross_price`; already out of `price`."""
    amount: int
    """Net amount of the line (BT-131)."""
    allowances: list[Allowance]
    tax_category: str | None
    """UNTDID 5305 code: S standard, Z zero-rated, E exempt, AE reverse charge, O outside scope."""
    tax_rate: str | None
    seller_item_id: str | None
    buyer_item_id: str | None
    standard_item_id: str | None
    classifications: list[str]
    order_line: str | None
    accounting_cost: str | None
    period_start: str | None
    period_end: str | None


class TaxSubtotal(TypedDict):
    """The tax of one category and rate."""

    category: str | None
    rate: str | None
    taxable: int | None
    tax: int
    exemption_reason: str | None
    exemption_code: str | None


class Totals(TypedDict):
    """The document's totals, minor units of its currency, each with its own sign."""

    line_total: int
    allowance_total: int
    charge_total: int
    tax_exclusive: int
    tax_total: int
    tax_inclusive: int
    prepaid: int
    rounding: int
    third_party: int
    """What the supplier collects for somebody else (XRechnung extension BG-DEX-09)."""
    payable: int


class References(TypedDict):
    """What the document refers to."""

    order: str | None
    """The buyer's order (BT-13); None where the document says `NA`."""
    sales_order: str | None
    buyer: str | None
    """Buyer reference (BT-10)."""
    accounting_cost: str | None
    contract: str | None
    project: str | None
    despatch: str | None
    receipt: str | None
    preceding: list[str]
    """Numbers of the invoices that this one corrects (BT-25)."""


class PaymentMeans(TypedDict):
    """One way to pay."""

    code: str | None
    """UNTDID 4461 code: 30 credit transfer, 58 SEPA credit transfer, 48 card."""
    payment_id: str | None
    account: str | None
    """IBAN or another account number."""
    account_name: str | None
    bic: str | None


class Invoice(TypedDict):
    """An invoice or a credit note as its supplier wrote it."""

    kind: Kind
    type_code: str | None
    """UNTDID 1001 code: 380 invoice, 381 credit note, 384 corrected invoice."""
    number: str
    supplier_id: str
    """`supplier["id"]`, which is always there."""
    supplier_name: str
    issue_date: str
    due_date: str | None
    tax_point_date: str | None
    delivery_date: str | None
    period_start: str | None
    period_end: str | None
    currency: str
    """ISO 4217 code of every amount, except `accounting_tax_total`."""
    accounting_currency: str | None
    accounting_tax_total: int | None
    """Total tax in minor units of `accounting_currency` (BT-111)."""
    supplier: Party
    buyer: Party | None
    payee: Party | None
    tax_representative: Party | None
    lines: list[InvoiceLine]
    """Empty where the profile has none (Factur-X MINIMUM and BASIC WL)."""
    allowances: list[Allowance]
    taxes: list[TaxSubtotal]
    totals: Totals
    references: References
    payment_means: list[PaymentMeans]
    payment_terms: str | None
    notes: list[str]
    source: Source
    profile: str | None
    """What the document says that it conforms to (BT-24)."""
    warnings: list[str]
    """What the reader was not sure of; a person should look."""


CREDIT_NOTE_CODES = frozenset(
    {"81", "83", "261", "262", "296", "308", "381", "396", "420", "458", "532"}
)
"""UNTDID 1001 codes that EN 16931 handles as credit notes."""


LINE_TOLERANCE = 2
"""Minor units that a line may differ from quantity x price (Peppol rule PEPPOL-EN16931-R120)."""
TOTAL_TOLERANCE = 1
"""Minor units that a total may differ from the sum of its parts: one rounding."""
TAX_TOLERANCE = 1
"""Major units that a category's tax may differ from its rate: the slack of EN 16931's own rules,
for countries that round tax to whole units or line by line."""

_EN16931_MARKS = ("en16931", "factur-x", "zugferd.de:2p")
_PEPPOL_MARK = "urn:fdc:peppol.eu:"
_ZUGFERD_1_MARK = "ferd:crossindustrydocument"
_EXTENSION_MARK = "#conformant#"


def scoped(identifier: str | None, scheme: str | None) -> str | None:
    """Return an identifier with its scheme: `0088:7300010000001`."""
    if identifier is None or scheme is None:
        return identifier
    return f"{scheme}:{identifier}"


def vat_identifier(text: str | None) -> str | None:
    """Return a VAT identifier in its one spelling: upper case letters and digits."""
    return re.sub(r"[^A-Z0-9]", "", (text or "").upper()) or None


def party_id(party: Party) -> str | None:
    """Return the identifier to know a party by, or None when it has none.

    The VAT identifier comes first because it is the one that a supplier prints on every kind of
    document: the same invoice as XML and as a PDF then has one identity. After it: legal
    registration, other identifiers, electronic address, and a local tax number if it has a digit
    (Norwegian invoices hold the word `Foretaksregisteret` there).
    """
    candidates = [party["vat_id"], party["registration_id"], *party["ids"], party["endpoint_id"]]
    tax_id = party["tax_id"]
    if tax_id is not None and any(character.isdigit() for character in tax_id):
        candidates.append(tax_id)
    return next((candidate for candidate in candidates if candidate), None)


def name_unidentified(party: Party) -> list[str]:
    """Give a party without any identifier its name as one, and return the warning that says so.

    For standards that demand no identifier of the seller; EN 16931 does (BR-CO-26).
    """
    if party["id"] is not None or party["name"] is None:
        return []
    party["id"] = f"NAME:{' '.join(party['name'].upper().split())}"
    return [f"the supplier {party['name']!r} gives no identifier and is known by its name only"]


def identity(invoice: Invoice) -> str:
    """Return what makes two documents the same one: supplier, kind and number.

    Case and spaces do not count. A credit note may bear the number of the invoice that it takes
    back, so the kind is part of its identity.
    """
    supplier = quote("".join(invoice["supplier_id"].split()).upper(), safe=":")
    number = quote("".join(invoice["number"].split()).upper(), safe="")
    return f"{supplier}/{number}" if invoice["kind"] == "invoice" else f"{supplier}/credit/{number}"


def is_credit(invoice: Invoice) -> bool:
    """Tell whether a document gives money back: a credit note, or an invoice below zero."""
    return invoice["kind"] == "credit_note" or invoice["totals"]["tax_inclusive"] < 0


def claims_en16931(profile: str | None) -> bool:
    """Tell whether a profile (`Invoice.profile`) is EN 16931 or built on it."""
    return any(mark in (profile or "").lower() for mark in _EN16931_MARKS)


def check_invoice(invoice: Invoice, names: dict[str, str] | None = None) -> list[str]:
    """Refuse an invoice that lacks what an order needs or whose totals do not add up.

    Args:
        invoice: what was read.
        names: how the document itself calls a field, by our name (`"totals.payable"`).

    Returns:
        What is doubtful without being wrong; a person should look.

    Raises:
        MissingFieldError: no number or no identifier of the supplier.
        InvalidFieldError: the currency is not in ISO 4217.
        WrongTotalError: see `find_discrepancies`.
    """
    names = names or {}
    if not invoice["number"].strip():
        raise MissingFieldError(names.get("number", "number"), expected="the invoice's number")
    if not invoice["supplier_id"].strip():
        raise MissingFieldError(
            names.get("supplier_id", "supplier_id"),
            expected="an identifier of the supplier (VAT, registration, GLN or electronic address)",
            code="missing_supplier_id",
            way_out="ask the supplier for an invoice that carries one",
        )
    if invoice["currency"] not in CURRENCIES:
        raise InvalidFieldError(
            names.get("currency", "currency"),
            expected="a currency of ISO 4217",
            got=repr(invoice["currency"]),
            code="unknown_currency",
        )
    wrong = find_discrepancies(invoice, names)
    doubtful: list[WrongTotalError] = []
    profile = (invoice["profile"] or "").lower()
    breakdown = find_breakdown_discrepancies(invoice, names)
    (doubtful if _EXTENSION_MARK in profile else wrong).extend(breakdown)
    lines = find_line_discrepancies(invoice, names)
    (wrong if _PEPPOL_MARK in profile else doubtful).extend(lines)
    if _ZUGFERD_1_MARK in profile and is_credit(invoice):
        # Its corrections have no rule for signs, and what takes money back goes to a person anyway.
        wrong, doubtful = [], [*wrong, *doubtful]
    if wrong:
        raise wrong[0]
    return [str(doubt) for doubt in doubtful]


def find_discrepancies(
    invoice: Invoice, names: dict[str, str] | None = None
) -> list[WrongTotalError]:
    """Recompute the totals by the arithmetic of EN 16931 and return what differs.

    The rules are BR-CO-10 to BR-CO-16; for a document that claims EN 16931 also the tax of each
    category (BR-CO-17). A plain UBL 2.1 document may have its
    rounding inside the tax inclusive amount already, as the examples of OASIS have.
    """
    check = _Check(invoice, names or {})
    totals = invoice["totals"]
    if invoice["lines"]:
        amounts = [line["amount"] for line in invoice["lines"]]
        check.total("line_total", sum(amounts), f"the sum of {len(amounts)} lines")
    if _lists_allowances(invoice):
        for name, charge in (("allowance", False), ("charge", True)):
            amounts = [a["amount"] for a in invoice["allowances"] if a["charge"] is charge]
            how = f"the sum of {len(amounts)} document {name}s"
            check.total("charge_total" if charge else "allowance_total", sum(amounts), how)
    check.total(
        "tax_exclusive",
        totals["line_total"] - totals["allowance_total"] + totals["charge_total"],
        "lines - allowances + charges",
    )
    if claims_en16931(invoice["profile"]):
        _check_taxes(check, invoice)
    if invoice["taxes"]:
        taxes = [subtotal["tax"] for subtotal in invoice["taxes"]]
        check.total("tax_total", sum(taxes), f"the sum of {len(taxes)} tax subtotals")
    if not _rounded_before_payment(invoice):
        with_tax = totals["tax_exclusive"] + totals["tax_total"]
        due = totals["tax_inclusive"] - totals["prepaid"]
        due += totals["rounding"] + totals["third_party"]
        check.total("tax_inclusive", with_tax, "tax exclusive + tax")
        check.total("payable", due, "tax inclusive - prepaid + rounding + third party")
    return check.found


def find_breakdown_discrepancies(
    invoice: Invoice, names: dict[str, str] | None = None
) -> list[WrongTotalError]:
    """Return how the taxable amounts of a document that claims EN 16931 miss its net total.

    They add up to it by the rules of each tax category (BR-S-08 and its like), which an extension
    of the standard may relax.
    """
    check = _Check(invoice, names or {})
    taxable = [each["taxable"] for each in invoice["taxes"] if each["taxable"] is not None]
    if claims_en16931(invoice["profile"]) and taxable and len(taxable) == len(invoice["taxes"]):
        check.compare(
            check.name("totals.tax_exclusive"),
            sum(taxable),
            f"the sum of {len(taxable)} taxable amounts",
            invoice["totals"]["tax_exclusive"],
            tolerance=TOTAL_TOLERANCE * len(taxable),
        )
    return check.found


def find_line_discrepancies(
    invoice: Invoice, names: dict[str, str] | None = None
) -> list[WrongTotalError]:
    """Return the lines whose amount is not quantity x price, allowances and charges counted.

    Peppol forbids them (PEPPOL-EN16931-R120); elsewhere they are common enough, in the examples of
    the standard too, to be no more than a doubt.
    """
    check = _Check(invoice, names or {})
    for position, line in enumerate(invoice["lines"], start=1):
        expected = line_amount(line, invoice["currency"])
        if expected is not None:
            check.compare(
                check.name("lines.amount").replace("{position}", str(position)),
                expected,
                "quantity x price / base quantity - allowances + charges",
                line["amount"],
                tolerance=LINE_TOLERANCE,
            )
    return check.found


def line_amount(line: InvoiceLine, currency: str) -> int | None:
    """Return what a line comes to, in minor units, or None when it states no price."""
    if line["price"] is None or Decimal(line["base_quantity"]) == 0:
        return None
    net = Decimal(line["quantity"]) * Decimal(line["price"]) / Decimal(line["base_quantity"])
    additions = sum(a["amount"] if a["charge"] else -a["amount"] for a in line["allowances"])
    return minor_units(net, currency) + additions


class _Check:
    """Comparisons of one invoice and what they found."""

    def __init__(self, invoice: Invoice, names: dict[str, str]) -> None:
        self.invoice = invoice
        self.names = names
        self.found: list[WrongTotalError] = []

    def name(self, field: str) -> str:
        return self.names.get(field, field)

    def total(self, field: TotalName, expected: int, how: str) -> None:
        got = self.invoice["totals"][field]
        self.compare(self.name(f"totals.{field}"), expected, how, got, tolerance=TOTAL_TOLERANCE)

    def compare(self, field: str, expected: int, how: str, got: int, *, tolerance: int) -> None:
        if abs(got - expected) <= tolerance:
            return
        currency = self.invoice["currency"]
        self.found.append(
            WrongTotalError(
                field,
                expected=f"{money_text(expected, currency)} ({how})",
                got=money_text(got, currency),
                way_out="ask the supplier for a corrected document",
            )
        )


def _check_taxes(check: _Check, invoice: Invoice) -> None:
    exponent = CURRENCIES[invoice["currency"]]
    for position, subtotal in enumerate(invoice["taxes"], start=1):
        if subtotal["taxable"] is None or subtotal["rate"] is None:
            continue
        share = Decimal(subtotal["taxable"]) * Decimal(subtotal["rate"]) / 100
        check.compare(
            check.name("taxes.tax").replace("{position}", str(position)),
            int(share.to_integral_value(ROUND_HALF_UP)),
            f"{subtotal['rate']} % of the taxable amount",
            subtotal["tax"],
            tolerance=TAX_TOLERANCE * 10**exponent,
        )


def _lists_allowances(invoice: Invoice) -> bool:
    # ZUGFeRD 1 BASIC states the totals of allowances and charges without listing them.
    return bool(invoice["allowances"]) or claims_en16931(invoice["profile"])


def _rounded_before_payment(invoice: Invoice) -> bool:
    totals = invoice["totals"]
    rounded = totals["tax_exclusive"] + totals["tax_total"] + totals["rounding"]
    return (
        not claims_en16931(invoice["profile"])
        and totals["tax_inclusive"] == rounded
        and totals["payable"] == totals["tax_inclusive"] - totals["prepaid"]
    )
