"""The totals of a text: labelled amounts, and which of them add up with the lines."""

from dataclasses import dataclass
from decimal import Decimal

from nodes.services.documents.text_labels import LEAD, NOT_A_TAX, TOTAL_KINDS
from nodes.services.documents.text_lines import FoundLines, Reading
from nodes.services.documents.text_values import PERCENT, numbers, percentage
from nodes.services.documents.xml_tree import checked_amount, decimal_text
from state.errors import MissingFieldError
from state.invoice import Allowance, InvoiceLine, TaxSubtotal, Totals


def total_kind(text: str) -> str | None:
    """Return which total a cell is the label of, or None."""
    words = PERCENT.sub(" ", text).strip(" +-*|:")
    words = LEAD.sub("", words)
    if NOT_A_TAX.match(words):
        return None
    return next((kind for kind, label in TOTAL_KINDS if label.match(words)), None)


@dataclass(frozen=True, slots=True)
class _Stated:
    kind: str
    amount: int
    rate: Decimal | None
    label: str


def _stated_totals(reading: Reading, skipped: set[int]) -> list[_Stated]:
    """Return every labelled amount that is no line: the last number behind each label."""
    stated: list[_Stated] = []
    for position, row in enumerate(reading.rows):
        if position in skipped:
            continue
        label: tuple[str, str] | None = None
        pending: _Stated | None = None
        for cell in row.cells:
            kind = total_kind(cell.text)
            if kind is not None:
                stated += [pending] if pending else []
                label, pending = (kind, cell.text), None
            found = numbers(cell.text, reading.mark)
            if label is not None and found:
                amount = checked_amount(found[-1][0], reading.currency, label[1], exact=True)
                pending = _Stated(label[0], amount, percentage(label[1]), label[1])
        stated += [pending] if pending else []
    return stated


def read_totals(
    reading: Reading, found: FoundLines
) -> tuple[Totals, list[TaxSubtotal], list[Allowance], list[InvoiceLine]]:
    """Return the totals, taxes, allowances and lines that fit each other.

    What does not fit, or is not stated, becomes a warning of the reading.

    Raises:
        MissingFieldError: no total is stated.
    """
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
    net = _net(stated, inclusive)
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


def _net(stated: list[_Stated], inclusive: int) -> int | None:
    """Return the net total: of several subtotals the last from which tax leads to the total."""
    taxes = [each.amount for each in stated if each.kind == "tax"]
    nets = [each.amount for each in stated if each.kind == "net"]
    fitting = [net for net in nets if inclusive - net in {sum(taxes), *taxes}]
    return next(reversed(fitting or nets), None)


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
    reading: Reading,
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
