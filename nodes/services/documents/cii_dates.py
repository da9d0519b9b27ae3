"""Days as a Cross Industry Invoice writes them."""

import re
from calendar import monthrange
from datetime import date

from lxml import etree

from nodes.services.documents.xml_tree import Node, checked_date, shortened
from state.errors import InvalidFieldError


def read_day(node: Node, path: str, *, last: bool = False) -> str | None:
    """Return the day at a path, whose child says in `format` how it is written (UNTDID 2379).

    Of a month (610) or a week (616) it is the first day, or the last one where that is meant.

    Raises:
        InvalidFieldError: no calendar has that day.
    """
    found = node.find(path)
    text = None if found is None else found.value
    if found is None or text is None:
        return None
    children = list(found.element.iterchildren(etree.Element))
    code = (children[0].get("format") or "102").strip() if children else "102"
    if "-" in text:
        return checked_date(text, found.path)
    try:
        if code == "610" and re.fullmatch("[0-9]{6}", text):
            year, month = int(text[:4]), int(text[4:])
            return date(year, month, monthrange(year, month)[1] if last else 1).isoformat()
        if code == "616" and re.fullmatch("[0-9]{6}", text):
            return date.fromisocalendar(int(text[:4]), int(text[4:]), 7 if last else 1).isoformat()
        if re.fullmatch("[0-9]{8}(?:[0-9]{4}|[0-9]{6})?", text):
            return date(int(text[:4]), int(text[4:6]), int(text[6:8])).isoformat()
    except ValueError as error:
        raise _no_day(found.path, text) from error
    raise _no_day(found.path, text)


def _no_day(field: str, text: str) -> InvalidFieldError:
    return InvalidFieldError(
        field,
        expected="a day of the calendar such as 20261031",
        got=shortened(text),
        code="invalid_date",
    )
