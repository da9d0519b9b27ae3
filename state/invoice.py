"""A read document: what an invoice or a credit note says, in the terms of EN 16931.

Shapes are JSON only. Amounts are integers in minor units of the document's currency, except where
a field says otherwise; quantities, prices and percentages are decimal text (`"2.5"`), because a
price may have more decimals than the currency; dates are ISO 8601 (`"2026-10-01"`).
"""

import re
from typing import Literal
from urllib.parse import quote

from typing_extensions import TypedDict

Kind = Literal["invoice", "credit_note"]
Source = Literal["ubl", "cii", "text"]


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


_EN16931_MARKS = ("en16931", "factur-x", "zugferd.de:2p")


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
