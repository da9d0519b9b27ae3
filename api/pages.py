"""Lists as answers: the asked-for fields, and headers that say how many there are."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Response
from pydantic import BaseModel

from engine.listing import Page


def paged(response: Response, page: Page[Any]) -> Sequence[Any]:
    """Write the page's place into the headers and return its items."""
    response.headers["X-Pagination-Total"] = str(page.total)
    if page.next_offset is not None:
        response.headers["X-Pagination-Next"] = str(page.next_offset)
    return page.items


def shown(view: BaseModel, select: Sequence[str] | None) -> Mapping[str, Any]:
    """Return a view's JSON, of the asked-for fields only."""
    return view.model_dump(mode="json", include=set(select) if select else None)
