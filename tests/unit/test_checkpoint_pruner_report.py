import json
from datetime import UTC, datetime

import pytest

from checkpoint_pruner import Report
from checkpoint_pruner.arguments import duration
from checkpoint_pruner.report import Vacuum, format_bytes


def report(**changes: object) -> Report:
    return Report(
        **{
            "started_at": datetime(2026, 1, 1, tzinfo=UTC),
            "duration_seconds": 1.5,
            "dry_run": False,
            "policy": ("Each thread keeps the newest 20 checkpoints.",),
            "guarded": True,
        }
        | changes
    )


def test_the_totals_add_the_tables_up():
    done = report(rows={"checkpoints": 2, "checkpoint_blobs": 3}, bytes={"checkpoints": 2048})

    assert (done.total_rows, done.total_bytes) == (5, 2048)


def test_the_json_form_is_read_back():
    document = json.loads(report(rows={"checkpoints": 2}).to_json())

    assert document["started_at"] == "2026-01-01T00:00:00+00:00"
    assert (document["rows"], document["total_rows"]) == ({"checkpoints": 2}, 2)


def test_the_text_form_names_what_went_wrong():
    text = report(
        skipped={"t1": "busy"},
        errors={"t2": "canceling statement due to lock timeout"},
        vacuums=(Vacuum(table="checkpoints", seconds=0.0, problem="role 'p' may not vacuum"),),
    ).to_text()

    assert "skipped 't1': busy" in text
    assert "failed 't2': canceling statement due to lock timeout" in text
    assert "vacuum checkpoints: role 'p' may not vacuum" in text


def test_the_text_form_names_what_is_left_and_how_to_be_rid_of_the_wait():
    text = report(waiting=("t1", "t2"), stopped="pruning was paused by ada").to_text()

    assert "values of 2 threads wait" in text
    assert "guard install" in text
    assert "stopped before the end: pruning was paused by ada" in text


def test_a_dry_run_speaks_of_what_would_be():
    assert report(dry_run=True).to_text().startswith("would remove 0 rows")


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 kB"), (5 * 1024**4, "5.0 TB")]
)
def test_sizes_are_told_in_the_largest_fitting_unit(size: int, text: str):
    assert format_bytes(size) == text


@pytest.mark.parametrize(
    ("text", "seconds"), [("30d", 2_592_000), ("1h30m", 5_400), ("0.5s", 0.5), ("0s", 0)]
)
def test_durations_are_numbers_with_units(text: str, seconds: float):
    assert duration(text).total_seconds() == seconds
