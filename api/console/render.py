"""Templates to answers: one environment, one policy of what a page may load, the words of time."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import nh3
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markdown_it import MarkdownIt
from markupsafe import Markup

from api.access import access
from api.console.forms import Field, numeric, reading
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
OPERATORS = frozenset({"storage", "audit", "health"})  # of no use to who may see a part only
THEME_COOKIE = "holdfast_theme"
SAID_COOKIE = "holdfast_said"  # what the page after a redirect says, {"said", "undo"}
SAID_SECONDS = 30
MAX_SAID = 300  # characters; a cookie is small
SHORTCUTS_COOKIE = "holdfast_shortcuts"
WHY_LENGTH = 500  # characters of the reason for asking above the proposal; the whole opens below it
EFFECT_LENGTH = 160  # characters of an effect beside its button; the whole is in the background

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+\d\d:\d\d|Z)")
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
    limited = bool(access(request).scope)
    theme = request.cookies.get(THEME_COOKIE)
    partial = request.headers.get("HX-Request") == "true"
    told = {} if partial else _told(request)
    html = environment().get_template(template).render(
        screen=screen,
        screens=[one for one in SCREENS if not (limited and one[0] in OPERATORS)],
        limited=limited,
        person=actor(request),
        now=datetime.now(UTC),
        theme=theme if theme in ("light", "dark") else None,
        shortcuts=request.cookies.get(SHORTCUTS_COOKIE) != "off",
        partial=partial,
        **{"said": None, "undo": None, "undo_seconds": None, **told, **_given(values)},
    )  # fmt: skip
    answer = HTMLResponse(
        html,
        status_code=status,
        headers={
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "Cache-Control": "no-store",
            # Under `no-referrer` a form's post carries the origin `null`, which is refused.
            "Referrer-Policy": "same-origin",
            "Vary": "HX-Request, Cookie",
            **(headers or {}),
        },
    )
    if told:
        answer.delete_cookie(SAID_COOKIE, path="/console")
    return answer


def going(
    address: str, *, said: str = "", undo: str | None = None, undo_seconds: float | None = None
) -> RedirectResponse:
    """Send a browser on after a form, and let the next page say what was done."""
    answer = RedirectResponse(address, status_code=303)
    if said:
        words = json.dumps({"said": said[:MAX_SAID], "undo": undo, "undo_seconds": undo_seconds})
        answer.set_cookie(
            SAID_COOKIE,
            quote(words),
            max_age=SAID_SECONDS,
            httponly=True,
            samesite="lax",
            path="/console",
        )
    return answer


def _told(request: Request) -> dict[str, Any]:
    """Return what the redirect that led here wanted to be said."""
    try:
        words = json.loads(unquote(request.cookies.get(SAID_COOKIE, "")))
        return {name: words[name] for name in ("said", "undo", "undo_seconds")}
    except (ValueError, KeyError, TypeError):
        return {}


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    # Nothing to say leaves the words of the redirect alone.
    return {
        name: value
        for name, value in values.items()
        if value is not None or name not in ("said", "undo", "undo_seconds")
    }


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
        count=count, day=day, moment=moment, pretty=pretty,
        markdown=markdown, line=plain_line, iso=iso, told=told, reading=reading,
    )  # fmt: skip
    made.globals["numeric_columns"] = _numeric_columns
    made.tests["longer"] = lambda text, length: len(text) > length
    made.globals["EFFECT_LENGTH"] = EFFECT_LENGTH
    made.globals["WHY_LENGTH"] = WHY_LENGTH
    return made


def _numeric_columns(table: Field) -> list[bool]:
    rows = [row.children for row in table.children] or [table.blank.children if table.blank else ()]
    return [numeric(column) for column in zip(*rows, strict=False)]


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


def told(value: Any, limit: int = 120) -> str:
    """Return a detail of the audit log as people read it, on one line."""
    match value:
        case {"decisions": [*decisions]}:
            words = [
                f"{one.get('type')}, “{one['message']}”" if one.get("message") else one.get("type")
                for one in decisions
            ]
            return plain_line("; ".join(str(word) for word in words), limit)
        case str():
            return _instant(value) or plain_line(value, limit)
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3g}"
        case list():
            return plain_line(", ".join(told(part, limit) for part in value), limit)
        case _:
            return plain_line(json.dumps(value, ensure_ascii=False, default=str), limit)


def _instant(text: str) -> str:
    """Return an instant of JSON as people read it, and nothing for any other text."""
    if INSTANT.fullmatch(text):
        with suppress(ValueError):
            return f"{day(datetime.fromisoformat(text))} UTC"
    return ""


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


def day(moment: datetime | None) -> str:
    """Return an instant with date and seconds, UTC."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def moment(seconds: float) -> datetime:
    """Return the instant so many seconds after 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def pretty(value: Any) -> str:
    """Return a value as indented JSON text."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


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
    return f"{seconds:.1f}".removesuffix(".0") + " s" if seconds < MINUTE else _length(seconds)


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
