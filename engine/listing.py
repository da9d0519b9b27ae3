"""Pages of lists: a statement from a file, an order chosen by the caller, a limit and an offset."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, LiteralString, TypeVar, cast

from psycopg import sql

from engine.database import statement
from engine.errors import InvalidValueError

MAX_LIMIT = 1_000

T = TypeVar("T")
# What the metadata of a thing must contain to exist for the caller.
Scope = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A stretch of a list.

    Attributes:
        items: the things on this page.
        total: how many there are on all pages.
        next_offset: where the next page begins, or None when this is the last.
    """

    items: Sequence[T]
    total: int
    next_offset: int | None


def make_page(items: Sequence[T], *, total: int, offset: int) -> Page[T]:
    """Return a page that knows whether another follows."""
    end = offset + len(items)
    return Page(items, total, end if items and end < total else None)


def sorted_statement(
    name: str, *, sort_by: str, sort_order: str, allowed: Collection[str], tie: str
) -> sql.Composed:
    """Return the statement of a file with an order, a limit and an offset (parameters) added.

    Args:
        name: the file's name; it ends in its WHERE clause.
        sort_by: column to sort by.
        sort_order: `asc` or `desc`.
        allowed: the columns that may be sorted by.
        tie: column that decides between equals.

    Raises:
        InvalidValueError: the column or the order is not allowed.
    """
    if sort_by not in allowed:
        raise InvalidValueError("/sort_by", f"one of {', '.join(sorted(allowed))}", sort_by)
    if sort_order not in ("asc", "desc"):
        raise InvalidValueError("/sort_order", "asc or desc", sort_order)
    direction = sql.SQL("DESC NULLS LAST" if sort_order == "desc" else "ASC NULLS LAST")
    body: LiteralString = cast("Any", statement(name).decode())  # our own file, no caller's text
    return sql.SQL(
        "{body} ORDER BY {column} {direction}, {tie} {direction} LIMIT %(limit)s OFFSET %(offset)s"
    ).format(
        body=sql.SQL(body),
        column=sql.Identifier(sort_by),
        tie=sql.Identifier(tie),
        direction=direction,
    )
