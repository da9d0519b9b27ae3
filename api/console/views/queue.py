"""The queue of reviews: which are shown, and which look so alike that they are one line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import Request

from engine.gates.gate import UNANSWERED
from engine.reviews.board import ReviewFilter, ReviewSummary
from engine.runtime import Engine

WINDOW = 50  # reviews shown at once; "more" doubles it
WIDEST = 1_000
PAGE = 200  # what the engine gives at once
URGENCIES = (
    (timedelta(0), "late"),
    (timedelta(hours=1), "within the hour"),
    (timedelta(days=1), "within a day"),
)
FOLD_FROM = 3  # equal titles of one shape that become one line


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What the queue shows; kept in the address, so that every link keeps it."""

    mine: bool = False
    risk: str | None = None
    graph: str | None = None
    search: str | None = None
    snoozed: bool = False
    window: int = WINDOW

    @property
    def query(self) -> str:
        """The filter as the end of an address."""
        given = {
            "mine": "1" if self.mine else None,
            "risk": self.risk,
            "graph": self.graph,
            "search": self.search,
            "snoozed": "1" if self.snoozed else None,
            "window": self.window if self.window != WINDOW else None,
        }
        text = urlencode({name: value for name, value in given.items() if value})
        return f"?{text}" if text else ""

    def wider(self) -> "Filter":
        """The same filter with twice as many lines."""
        return replace(self, window=min(self.window * 2, WIDEST))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the queue, and the equal ones behind it.

    Attributes:
        heading: how urgent this line and those below it are, on the first of them only.
    """

    review: ReviewSummary
    heading: str = ""
    folded: Sequence[ReviewSummary] = ()


def filter_of(request: Request) -> Filter:
    """Read the filter of an address."""
    query = request.query_params
    window = query.get("window", "")
    return Filter(
        mine=query.get("mine") == "1",
        risk=query.get("risk") if query.get("risk") in ("low", "normal", "high") else None,
        graph=query.get("graph") or None,
        search=(query.get("search") or "").strip()[:200] or None,
        snoozed=query.get("snoozed") == "1",
        window=max(1, min(int(window), WIDEST)) if window.isdecimal() else WINDOW,
    )


async def read_queue(
    engine: Engine, chosen: Filter, actor: str, scope: Mapping[str, Any]
) -> Sequence[ReviewSummary]:
    """Return the reviews of a filter that wait, the most urgent first.

    `scope` is what the metadata of a thread must contain to exist for the reviewer.
    """
    found: list[ReviewSummary] = []
    while len(found) < chosen.window:
        part = await engine.reviews.list(
            ReviewFilter(
                mine=actor if chosen.mine else None,
                risk=chosen.risk,
                graph_id=chosen.graph,
                search=chosen.search,
                with_snoozed=chosen.snoozed,
                states=sorted(UNANSWERED),
                scope=scope,
                limit=min(PAGE, chosen.window - len(found)),
                offset=len(found),
            )
        )
        found += part.items
        if part.next_offset is None:
            break
    return found


def folded(queue: Sequence[ReviewSummary]) -> list[Line]:
    """Fold reviews that look the same into the most urgent of them."""
    equal: dict[tuple[str, str], list[ReviewSummary]] = {}
    for one in queue:
        if one.risk != "high" and one.quorum == 1 and one.state == "open":
            equal.setdefault((one.shape, one.title), []).append(one)
    folds = {key: ones for key, ones in equal.items() if len(ones) >= FOLD_FROM}
    lines: list[Line] = []
    placed: set[str] = set()
    for one in queue:
        fold = folds.get((one.shape, one.title), [])
        if one.gate_id in placed:
            continue
        rest = [other for other in fold if other.gate_id != one.gate_id] if one in fold else []
        placed |= {other.gate_id for other in rest}
        heading = _urgency(one)
        begins = not lines or heading != _urgency(lines[-1].review)
        lines.append(Line(review=one, folded=rest, heading=heading if begins else ""))
    return lines


def _urgency(review: ReviewSummary) -> str:
    due = review.due_at or review.expires_at
    if due is None:
        return "no deadline"
    left = due - review.read_at
    return next((word for limit, word in URGENCIES if left <= limit), "later")
