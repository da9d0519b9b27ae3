"""What an invoice must hold and how its totals add up: the arithmetic of EN 16931 and Peppol."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from state.errors import InvalidFieldError, MissingFieldError, WrongTotalError
from state.invoice import Invoice, InvoiceLine, claims_en16931, is_credit
from state.money import CURRENCIES, minor_units, money_text

TotalName = Literal[
    "line_total",
    "allowance_total",
    "charge_total",
    "tax_exclusive",
    "tax_total",
    "tax_inclusive",
    "payable",
]

LINE_TOLERANCE = 2
"""Minor units that a line may differ from quantity x price (Peppol rule PEPPOL-EN16931-R120)."""
TOTAL_TOLERANCE = 1
"""Minor units that a total may differ from the sum of its parts: one rounding."""
TAX_TOLERANCE = 1
"""Major units that a category's tax may differ from its rate: the slack of EN 16931's own rules,
for countries that round tax to whole units or line by line."""

_PEPPOL_MARK = "urn:fdc:peppol.eu:"
_ZUGFERD_1_MARK = "ferd:crossindustrydocument"
_EXTENSION_MARK = "#conformant#"


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
    category (BR-CO-17). A plain UBL 2.1 document may have its rounding inside the tax inclusive
    amount already, as the examples of OASIS have.
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
