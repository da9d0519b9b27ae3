from datetime import UTC, datetime

import pytest

from engine.errors import InvalidValueError
from engine.schedules import next_time

# A Wednesday.
NOW = datetime(2026, 1, 14, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("*/15 * * * *", "2026-01-14T12:15:00"),
        ("0 9 * * 1-5", "2026-01-15T09:00:00"),
        ("0 9 * * 0", "2026-01-18T09:00:00"),
        ("0 9 * * 7", "2026-01-18T09:00:00"),
        ("0 9 * * sun", "2026-01-18T09:00:00"),
        ("0 9 * * 6-7", "2026-01-17T09:00:00"),
        ("0 9 * * fri-mon", "2026-01-16T09:00:00"),
        ("0 9 * * */3", "2026-01-17T09:00:00"),
        ("0 0 13 * 5", "2026-01-16T00:00:00"),
        ("0 0 1 1 *", "2027-01-01T00:00:00"),
        ("@daily", "2026-01-15T00:00:00"),
        ("* * * * * */10", "2026-01-14T12:00:10"),
    ],
)
def test_the_next_time_is_what_every_cron_says(schedule: str, expected: str) -> None:
    found = next_time(schedule, None, NOW)

    assert found is not None
    assert found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S") == expected


def test_a_schedule_follows_the_clocks_of_its_timezone() -> None:
    winter = next_time("0 9 * * *", "Europe/Berlin", NOW)
    summer = next_time("0 9 * * *", "Europe/Berlin", NOW.replace(month=7))

    assert winter is not None
    assert summer is not None
    assert (winter.astimezone(UTC).hour, summer.astimezone(UTC).hour) == (8, 7)


def test_a_day_that_never_comes_has_no_next_time() -> None:
    assert next_time("0 0 30 2 *", None, NOW) is None


@pytest.mark.parametrize(
    "schedule", ["", "* * * *", "61 * * * *", "* * * * 8", "a b c d e", "* * * * * * *", "@never"]
)
def test_an_expression_that_means_nothing_is_refused(schedule: str) -> None:
    with pytest.raises(InvalidValueError, match="/schedule"):
        next_time(schedule, None, NOW)


@pytest.mark.parametrize("timezone", ["Mars/Olympus", "../etc/passwd", "\0"])
def test_an_unknown_timezone_is_refused(timezone: str) -> None:
    with pytest.raises(InvalidValueError, match="/timezone"):
        next_time("* * * * *", timezone, NOW)
