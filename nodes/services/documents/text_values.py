"""Numbers, days and currencies as people write them in the languages of `text_labels`."""

import re
from collections import Counter
from datetime import date
from decimal import Decimal

from nodes.services.documents.xml_tree import shortened
from state.errors import InvalidFieldError
from state.money import CURRENCIES

MAX_LINE = 1_000
"""Characters of one line that are read: a page has fewer than 200 in a row."""

_FIXED_SPACES = re.compile(r"(?<=\d)[\u00a0\u2007\u2009\u202f](?=\d{3}(?!\d))")
_TYPOGRAPHY = str.maketrans(
    {"\u2019": "'", "\u2013": "-", "\u2212": "-", "\u2010": "-", "\u00d7": "x", "\u00ba": "°"}
)
_GROUPED = r"\d{1,3}(?:[.,']\d{3})+(?:[.,]\d{1,4})?|\d{1,15}(?:[.,]\d{1,4})?"
_SPACED = r"\d{1,3}(?: \d{3})+(?:[.,]\d{1,4})?(?![\d.,])"
_NUMBER = re.compile(
    rf"(?<![\w.,])(?P<sign>[-(]\s?)?(?P<digits>{_GROUPED})(?P<after>-(?!\w)|\))?(?!\w|[.,]\d)"
)
_SPACED_NUMBER = re.compile(
    rf"(?<![\w.,])(?P<sign>[-(]\s?)?(?P<digits>{_SPACED}|{_GROUPED})"
    rf"(?P<after>-(?!\w)|\))?(?!\w|[.,]\d)"
)
PERCENT = re.compile(r"(?<![\w.,])\d{1,3}(?:[.,]\d{1,3})?\s?%")

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar januari jänner janvier janv",
            "february feb februar februari février fevrier févr fév",
            "march mar märz mrz mars marts maart mrt",
            "april apr avril avr",
            "may mai maj mei",
            "june jun juni juin",
            "july jul juli juillet juil",
            "august aug augusti augustus août aout",
            "september sep sept septembre",
            "october oct oktober okt octobre",
            "november nov novembre",
            "december dec dezember dez desember des décembre déc dec",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
DAY = re.compile(
    rf"""(?<!\d)(?:
        (?P<iso>\d{{4}}-\d{{1,2}}-\d{{1,2}})
      | (?P<a>\d{{1,2}})\s?[./-]\s?(?P<b>\d{{1,2}})\s?[./-]\s?(?P<year>\d{{4}}|\d{{2}})
      | (?P<day>\d{{1,2}})(?:\.|st|nd|rd|th|er|:e)?\s+(?:of\s+)?
        (?P<month>{_MONTH})\.?,?\s+(?P<y1>\d{{4}})
      | (?P<month2>{_MONTH})\.?\s+(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?\s?,?\s+(?P<y2>\d{{4}})
    )(?!\d)""",
    re.VERBOSE | re.IGNORECASE,
)

_ACCOUNTING_CODES = frozenset(
    {"BOV", "CHE", "CHW", "CLF", "COU", "MXV", "USN", "UYI", "UYW", "XAD"}
)
"""Codes that nobody is paid in; a Swiss company's number begins with one of them."""
_CODE = "|".join(sorted(CURRENCIES.keys() - _ACCOUNTING_CODES))
_CODED = re.compile(
    # A number is tried once, from its first digit to its last.
    rf"(?<![A-Za-z])({_CODE})\s?[-(]?\d"
    rf"|(?<!\w)(?<!\d[.,'])\d[\d.,']*+\s?({_CODE})(?![A-Za-z])"
)
_NAMED = re.compile(
    rf"\b(?:currency|währung|valuta|munteenheid|devise|monnaie)\b[^A-Za-z\n]{{0,20}}({_CODE})\b",
    re.IGNORECASE,
)
_SIGNS = (
    (re.compile(r"€"), "EUR"),
    (re.compile(r"£"), "GBP"),
    (re.compile(r"\b(?:CA|C)\$"), "CAD"),
    (re.compile(r"\b(?:AU|A)\$"), "AUD"),
    (re.compile(r"\bNZ\$"), "NZD"),
    (re.compile(r"\$"), "USD"),
    (re.compile(r"¥"), "JPY"),
    (re.compile(r"\bzł"), "PLN"),
    (re.compile(r"\bKč"), "CZK"),
    (re.compile(r"\bFr\.\s?\d"), "CHF"),
    (re.compile(r"₹|\bRs\.?\s?\d"), "INR"),
)
_CROWN = re.compile(r"\bkr\b\.?|\d,-", re.IGNORECASE)
_CROWNS = (
    (re.compile(r"\bmva\b|\borg\.?\s?nr|\bnorge\b|\bNO\s?\d{9}|kontonummer", re.IGNORECASE), "NOK"),
    (re.compile(r"\bcvr\b|\bdanmark\b", re.IGNORECASE), "DKK"),
    (re.compile(r"bankgiro|plusgiro|f-skatt|\bsverige\b|\bSE\s?\d{12}", re.IGNORECASE), "SEK"),
)


def plain(text: str) -> str:
    """Return a text with one kind of space, no control characters and no zero-width signs.

    Of each line `MAX_LINE` characters are kept: the rules take time by the square of a line.
    """
    text = (
        _FIXED_SPACES.sub("'", text)
        .translate(_TYPOGRAPHY)
        .expandtabs(8)
        .replace("\r\n", "\n")
        .replace("\r", "\n")
    )
    lines = (line[:MAX_LINE] for line in text.split("\n"))
    return "".join(_printable(character) for character in "\n".join(lines))


def decimal_mark(text: str) -> str:
    """Return `.` or `,`: what parts the decimals in most amounts of a text.

    In a text without cents it is the sign that does not part thousands: `1.000` is a thousand.
    """
    without_days = DAY.sub(" ", text)
    votes = Counter(re.findall(r"\d([.,])\d{2}(?!\d|[.,]\d)", without_days))
    if not votes:
        groups = Counter(re.findall(r"(?<![\d.,])\d{1,3}([.,])\d{3}(?![\d.,])", without_days))
        votes = Counter({".": groups[","], ",": groups["."]})
    return "," if votes[","] > votes["."] else "."


def numbers(text: str, mark: str, *, spaced: bool = True) -> list[tuple[Decimal, int, int]]:
    """Return the numbers of a text with their positions, percentages and days left out.

    Args:
        text: one line.
        mark: what parts decimals, `.` or `,`.
        spaced: whether a space may part thousands, as in `1 234,50`.
    """
    masked = text
    for pattern in (PERCENT, DAY):
        masked = pattern.sub(lambda found: "%" * len(found[0]), masked)
    pattern = _SPACED_NUMBER if spaced else _NUMBER
    return [
        (_signed(found, mark), found.start(), found.end()) for found in pattern.finditer(masked)
    ]


def percentage(text: str) -> Decimal | None:
    """Return the first percentage of a text."""
    found = PERCENT.search(text)
    return None if found is None else Decimal(found[0].rstrip("% ").replace(",", "."))


def parse_day(text: str, label: str, *, month_first: bool = False) -> tuple[str, bool]:
    """Return the day that a text starts with as ISO 8601, and whether it was ambiguous.

    Raises:
        InvalidFieldError: there is none, or it is no day of the calendar.
    """
    found = DAY.search(text)
    try:
        if found is None:
            raise ValueError(text)
        return _day(found, month_first=month_first)
    except ValueError as error:
        raise InvalidFieldError(
            label, expected="a day such as 2026-10-31", got=shortened(text), code="invalid_date"
        ) from error


def find_currency(text: str) -> tuple[str | None, str | None]:
    """Return the currency of a text and what to doubt about it."""
    named = _NAMED.search(text)
    if named:
        return named[1].upper(), None
    codes = Counter(first or second for first, second in _CODED.findall(text))
    if codes:
        currency = codes.most_common(1)[0][0]
        others = sorted(set(codes) - {currency})
        doubt = f"amounts in {', '.join(others)} beside {currency}" if others else None
        return currency, doubt
    for pattern, currency in _SIGNS:
        if pattern.search(text):
            return currency, "the sign $ was read as USD" if currency == "USD" else None
    if _CROWN.search(text):
        for pattern, currency in _CROWNS:
            if pattern.search(text):
                return currency, None
    words = Counter(re.findall(rf"\b({_CODE})\b", text))
    return (words.most_common(1)[0][0] if len(words) == 1 else None), None


def _printable(character: str) -> str:
    if character in "\u00a0\u2007\u2009\u202f":
        return " "
    if character in "\u200b\u200c\u200d\u2060\ufeff\u00ad":
        return ""
    if character == "\n" or (character >= " " and character != "\x7f"):
        return "" if "\ud800" <= character <= "\udfff" else character
    return "\n" if character == "\f" else " "


def _signed(found: re.Match[str], mark: str) -> Decimal:
    digits = re.sub(r"[ ']", "", found["digits"])
    other = "," if mark == "." else "."
    if mark in digits:
        value = digits.replace(other, "").replace(mark, ".", 1)
        if digits.count(mark) > 1:
            value = digits.replace(mark, "").replace(other, ".")
    elif re.fullmatch(rf"\d{{1,3}}(?:{re.escape(other)}\d{{3}})+", digits):
        value = digits.replace(other, "")
    else:
        value = digits.replace(other, ".", 1)
    opened = (found["sign"] or "").strip() == "("
    negative = (found["sign"] is not None and not opened) or found["after"] == "-"
    negative = negative or (opened and found["after"] == ")")
    return -Decimal(value) if negative else Decimal(value)


def _day(found: re.Match[str], *, month_first: bool) -> tuple[str, bool]:
    if found["iso"]:
        year, month, day = map(int, found["iso"].split("-"))
        return date(year, month, day).isoformat(), False
    if found["month"] or found["month2"]:
        month = _MONTHS[(found["month"] or found["month2"]).lower()]
        year = int(found["y1"] or found["y2"])
        return date(year, month, int(found["day"] or found["day2"])).isoformat(), False
    first, second, year = int(found["a"]), int(found["b"]), int(found["year"])
    year += 2000 if year < 100 else 0
    dotted = "." in found[0]
    ambiguous = not dotted and first <= 12 and second <= 12 and first != second
    if not dotted and (second > 12 or (month_first and ambiguous)):
        first, second = second, first
    return date(year, second, first).isoformat(), ambiguous
