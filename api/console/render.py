"""Templates to answers: one environment, one policy of what a page may load, the words of time."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import nh3
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markdown_it import MarkdownIt
from markupsafe import Markup

from api.identity import actor
from engine.reviews.question import plain_line

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
# Only what this server serves; no inline script or style, no frame around it.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)
SCREENS = (
    ("reviews", "Reviews"),
    ("runs", "Runs"),
    ("threads", "Threads"),
    ("graphs", "Graphs"),
    ("storage", "Storage"),
    ("audit", "Audit"),
    ("health", "Health"),
)
THEME_COOKIE = "holdfast_theme"
SHORTCUTS_COOKIE = "holdfast_shortcuts"

MINUTE, HOUR, DAY = 60, 3600, 86_400  # seconds


def page(
    request: Request,
    template: str,
    *,
    screen: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Render a template of the console as an answer."""
    theme = request.cookies.get(THEME_COOKIE)
    html = environment().get_template(template).render(
        screen=screen,
        screens=SCREENS,
        person=actor(request),
        theme=theme if theme in ("light", "dark") else None,
        shortcuts=request.cookies.get(SHORTCUTS_COOKIE) != "off",
        partial=request.headers.get("HX-Request") == "true",
        **values,
    )  # fmt: skip
    return HTMLResponse(
        html,
        status_code=status,
        headers={
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "Cache-Control": "no-store",
            "Vary": "HX-Request, Cookie",
            **(headers or {}),
        },
    )


@cache
def environment() -> Environment:
    """Return the templates with their filters."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        clock=clock, left=left, urgency=urgency, ago=ago, took=took, bytes=size,
        count=count, markdown=markdown, line=plain_line, iso=iso,
    )  # fmt: skip
    return made


def markdown(text: str) -> Markup:
    """Return an agent's Markdown as HTML that can neither run, load nor link by script."""
    html = MarkdownIt("js-default", {"linkify": False}).render(text)
    clean = nh3.clean(
        html,
        tags=nh3.ALLOWED_TAGS - {"img", "svg", "math"},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return Markup(clean)  # noqa: S704  # cleaned one line above


def iso(moment: datetime | None) -> str:
    """Return an instant for a `datetime` attribute."""
    return "" if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds")


def clock(moment: datetime | None) -> str:
    """Return an instant as people write it, UTC: the time today, the date with it otherwise."""
    if moment is None:
        return ""
    at = moment.astimezone(UTC)
    today = datetime.now(UTC).date()
    return at.strftime("%H:%M" if at.date() == today else "%Y-%m-%d %H:%M")


def left(moment: datetime | None, now: datetime | None = None) -> str:
    """Return how long there is until an instant, or how long it is over."""
    if moment is None:
        return "no deadline"
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return f"{_length(seconds)} left" if seconds > 0 else f"{_length(-seconds)} late"


def urgency(moment: datetime | None, now: datetime | None = None) -> str:
    """Return `late`, `soon` (under an hour) or nothing."""
    if moment is None:
        return ""
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return "late" if seconds <= 0 else "soon" if seconds < HOUR else ""


def ago(moment: datetime | None) -> str:
    """Return how long ago an instant was."""
    if moment is None:
        return "never"
    return f"{_length(max(0.0, (datetime.now(UTC) - moment).total_seconds()))} ago"


def took(seconds: float | None) -> str:
    """Return a duration."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < MINUTE else _length(seconds)


def size(number: float | None) -> str:
    """Return a number of bytes as people read it."""
    if number is None:
        return ""
    value, unit = float(number), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if abs(value) < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" or abs(value) >= 100 else f"{value:.1f} {unit}"


def count(number: float | None) -> str:
    """Return a whole number with thousands parted."""
    return "" if number is None else f"{number:,.0f}"


def _length(seconds: float) -> str:
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    if seconds < 2 * DAY:
        return f"{seconds / HOUR:.0f} h"
    return f"{seconds / DAY:.0f} days"
