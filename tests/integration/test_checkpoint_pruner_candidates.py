"""Which threads a sweep looks at: by probes in a large index, by one pass over a small one."""

from datetime import UTC, datetime, timedelta

import pytest

from checkpoint_pruner import Policy, sweep
from checkpoint_pruner.candidates import find_candidates
from checkpoint_pruner.session import Options, connect, read_state
from tests.pruner.rows import count, write_thread

CALL = "child:0c0ffee0-0000-4000-8000-000000000000"


@pytest.fixture
def garbage(checkpoint_database: str) -> str:
    """Write one thread of each kind, with and without garbage for a window of four."""
    write_thread(checkpoint_database, "beyond the window", 5)
    write_thread(checkpoint_database, "within it", 4)
    write_thread(checkpoint_database, "memory beyond it", 2)
    write_thread(checkpoint_database, "memory beyond it", 5, namespace="memory")
    write_thread(checkpoint_database, "memory within it", 2)
    write_thread(checkpoint_database, "memory within it", 4, namespace="memory")
    (caller,) = write_thread(checkpoint_database, "called", 1)
    write_thread(checkpoint_database, "called", 3, namespace=CALL, parents={"": caller})
    write_thread(checkpoint_database, "called from nowhere", 1)
    write_thread(
        checkpoint_database, "called from nowhere", 3, namespace=CALL, parents={"": "gone"}
    )
    write_thread(checkpoint_database, "nothing but a call", 3, namespace=CALL, parents={"": "gone"})
    return checkpoint_database


@pytest.mark.parametrize("scanned_rows", [0, 100_000], ids=["by probes", "by one pass"])
def test_threads_are_found_that_hold_garbage_and_no_others(
    garbage: str, monkeypatch: pytest.MonkeyPatch, scanned_rows: int
) -> None:
    monkeypatch.setattr("checkpoint_pruner.candidates._SCANNED_ROWS", scanned_rows)
    policy = Policy(keep_last=4)

    with connect(garbage, Options()) as connection:
        state = read_state(connection)
        found = find_candidates(connection, policy, state, watermark=None, full=False)

    assert found == [
        "beyond the window",
        "called from nowhere",
        "memory beyond it",
        "nothing but a call",
    ]


@pytest.mark.parametrize("scanned_rows", [0, 100_000], ids=["by probes", "by one pass"])
def test_only_threads_with_something_old_enough_are_found(
    checkpoint_database: str, monkeypatch: pytest.MonkeyPatch, scanned_rows: int
) -> None:
    monkeypatch.setattr("checkpoint_pruner.candidates._SCANNED_ROWS", scanned_rows)
    write_thread(checkpoint_database, "young", 9)
    write_thread(checkpoint_database, "old", 9, newest=datetime.now(UTC) - timedelta(days=3))
    policy = Policy(keep_last=4, older_than=timedelta(days=1))

    with connect(checkpoint_database, Options()) as connection:
        state = read_state(connection)
        found = find_candidates(connection, policy, state, watermark=None, full=False)

    assert found == ["old"]


def test_what_was_not_found_holds_no_garbage(garbage: str) -> None:
    policy = Policy(keep_last=4)
    sweep(garbage, policy)
    rows = [count(garbage, table) for table in ("checkpoints", "checkpoint_blobs")]

    everything = sweep(garbage, policy, full=True)

    assert everything.total_rows == 0
    assert [count(garbage, table) for table in ("checkpoints", "checkpoint_blobs")] == rows
