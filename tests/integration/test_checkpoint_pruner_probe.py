"""The probe tells a sweep how writers fare, on a real server."""

import psycopg
import pytest

from checkpoint_pruner import probe
from checkpoint_pruner.probe import LatencyProbe

WAIT_SECONDS = 20


@pytest.fixture
def watched(checkpoint_database: str, monkeypatch: pytest.MonkeyPatch) -> LatencyProbe:
    """Return a probe that answers often; for it, commits beside the sweep take three times."""
    monkeypatch.setattr(probe, "_INTERVAL_SECONDS", 0.001)
    monkeypatch.setattr(probe, "_SETTLED_SECONDS", 0.0)
    monkeypatch.setattr(probe, "_PER_ANSWER", 20)
    monkeypatch.setattr(probe, "_FEWEST", 10)
    made = LatencyProbe(checkpoint_database)
    monkeypatch.setattr(probe, "_slowest", lambda samples: 3.0 if samples is made._all else 1.0)
    return made


def test_where_nobody_writes_nobody_is_slowed_down(watched: LatencyProbe):
    with watched:
        answers = []
        for _ in range(3):
            assert watched._answerable.wait(WAIT_SECONDS)
            answers.append(watched.slowdown())

    assert answers == [1.0, 1.0, 1.0]


def test_where_others_write_their_delay_counts(watched: LatencyProbe, checkpoint_database: str):
    with psycopg.connect(checkpoint_database, autocommit=True) as writer, watched:
        writer.execute("CREATE TABLE notes (id integer)")
        answers = []
        while 3.0 not in answers and len(answers) < 50:
            writer.execute("INSERT INTO notes VALUES (1)")
            writer.execute("SELECT pg_stat_force_next_flush()")
            assert watched._answerable.wait(WAIT_SECONDS)
            answers.append(watched.slowdown())

    assert answers[-1] == 3.0


def test_without_a_rest_there_is_nothing_to_compare_with(watched: LatencyProbe):
    watched.working()
    with watched:
        while len(watched._all) < 50:
            assert watched.slowdown() is None
        watched.resting()
        assert watched._answerable.wait(WAIT_SECONDS)
        assert watched.slowdown() == 1.0


def test_an_answer_is_given_once(watched: LatencyProbe, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(probe, "_PER_ANSWER", float("inf"))
    with watched:
        watched._answerable.set()
        answers = [watched.slowdown(), watched.slowdown()]

    assert answers == [1.0, None]


def test_a_probe_that_cannot_connect_leaves_the_sweep_to_its_duty_cycle():
    with LatencyProbe("host=/nowhere dbname=none") as lonely:
        lonely._thread.join(WAIT_SECONDS)
        lonely.working()
        lonely.resting()

        assert lonely.slowdown() == 1.0
