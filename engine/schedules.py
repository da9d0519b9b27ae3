"""Cron expressions as people write them, on APScheduler's calendar.

Five fields, or six with seconds last; names and `@daily` forms. Where day of month and day of week
are both restricted, either is enough, as in every cron.
"""

import re
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

from engine.errors import InvalidValueError

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_RANGE = re.compile(r"(\*|[0-7]|[a-z]{3})(?:-([0-7]|[a-z]{3}))?(?:/([1-7]))?")


def next_time(schedule: str, timezone: str | None, after: datetime) -> datetime | None:
    """Return the first moment of a schedule after another, or None when there is none.

    Where the clock is put forward, a time that does not exist is skipped to the next that does;
    where it is put back, a time that comes twice counts once.

    Args:
        schedule: the cron expression.
        timezone: IANA name; None means UTC.
        after: an aware instant.

    Raises:
        InvalidValueError: the expression or the timezone cannot be understood.
    """
    zone = _zone(timezone)
    trigger = _trigger(schedule, zone)
    moment: datetime | None = trigger.get_next_fire_time(after, after.astimezone(zone))
    return moment


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidValueError(
            "/timezone", "an IANA time zone such as Europe/Berlin", name
        ) from error


def _trigger(schedule: str, zone: ZoneInfo) -> BaseTrigger:
    fields = NICKNAMES.get(schedule.strip().lower(), schedule).lower().split()
    if len(fields) not in (5, 6):
        raise _unclear(schedule)
    minute, hour, day, month, weekday = fields[:5]
    second = fields[5] if len(fields) == 6 else "0"
    clock = {"second": second, "minute": minute, "hour": hour, "month": month, "timezone": zone}
    try:
        days = None if weekday in ("*", "?") else _weekdays(weekday)
        dates = None if day in ("*", "?") else day
        either = [CronTrigger(day=dates, **clock)] if dates else []
        either += [CronTrigger(day_of_week=days, **clock)] if days else []
        match either:
            case []:
                return CronTrigger(**clock)
            case [only]:
                return only
            case _:
                return OrTrigger(either)
    except (ValueError, KeyError) as error:
        raise _unclear(schedule) from error


def _weekdays(field: str) -> str:
    """Return the days by name: APScheduler counts from Monday, cron from Sunday."""
    chosen: set[int] = set()
    for part in field.split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            raise ValueError(part)
        first, last, step = match.groups()
        if first == "*":
            start, end = 0, 6
        else:
            start = _weekday(first)
            end = _weekday(last) if last else (6 if step else start)
            end = 7 if last == "7" else end
        if end < start:
            end += 7
        chosen.update(number % 7 for number in range(start, end + 1, int(step or 1)))
    return ",".join(WEEKDAYS[number] for number in sorted(chosen))


def _weekday(text: str) -> int:
    return int(text) % 7 if text.isdecimal() else WEEKDAYS.index(text)


def _unclear(schedule: str) -> InvalidValueError:
    return InvalidValueError(
        "/schedule", "a cron expression such as '0 9 * * 1-5' (seconds may come last)", schedule
    )
