import pytest

from checkpoint_pruner import Throttle
from checkpoint_pruner.throttle import Pacer


class Probe:
    """Answers with given slowdowns, in order; None is no news."""

    def __init__(self, *slowdowns: float | None) -> None:
        self._slowdowns = list(slowdowns)

    def working(self) -> None:
        pass

    def resting(self) -> None:
        pass

    def slowdown(self) -> float | None:
        return self._slowdowns.pop(0)


def shares(pacer: Pacer, pauses: list[float], transactions: int) -> list[float]:
    """Return the share of time that the sweep gets after each of some transactions of 10 ms."""
    found = []
    for _ in range(transactions):
        pacer.succeeded(0.01)
        pacer.rest()
        found.append(0.01 / (0.01 + (pauses.pop() if pauses else 0.0)))
    return found


def test_without_a_throttle_nothing_pauses_and_batches_stay_large():
    pauses: list[float] = []
    pacer = Pacer(None, None, rows=1_000, pause=pauses.append)

    pacer.succeeded(2.0, rows=1_000)
    pacer.rest()

    assert (pauses, pacer.rows) == ([], 1_000)


def test_the_duty_cycle_sets_the_rest_after_each_transaction():
    pauses: list[float] = []
    pacer = Pacer(Throttle(duty_cycle=0.25), None, rows=1_000, pause=pauses.append)

    pacer.succeeded(0.1)
    pacer.rest()

    assert pauses == [pytest.approx(0.3)]
    assert pacer.paused_seconds == pytest.approx(0.3)


def test_nobody_waits_after_the_last_transaction():
    pauses: list[float] = []
    pacer = Pacer(Throttle(), None, rows=1_000, pause=pauses.append)

    with pacer.transaction():
        pass
    after_the_first = list(pauses)
    with pacer.transaction():
        pass

    assert (after_the_first, len(pauses)) == ([], 1)


def test_batches_shrink_to_the_time_they_may_take_and_grow_back():
    pacer = Pacer(Throttle(batch_seconds=0.1), None, rows=10_000, pause=lambda _: None)
    sizes = [pacer.rows]

    for seconds in (0.01, 0.01, 0.4, 0.02):
        pacer.succeeded(seconds, rows=pacer.rows)
        sizes.append(pacer.rows)

    assert sizes == [500, 1_000, 2_000, 500, 1_000]


def test_a_transaction_that_had_less_to_do_makes_the_next_no_larger_than_its_speed_allows():
    pacer = Pacer(Throttle(batch_seconds=0.1), None, rows=10_000, pause=lambda _: None)

    pacer.succeeded(0.05, rows=150)

    assert pacer.rows == 300


def test_the_share_begins_small_and_doubles_until_writers_feel_it():
    pauses: list[float] = []
    pacer = Pacer(Throttle(), Probe(None, 1.0, 1.1, 1.2, 1.0, 1.0), rows=8_000, pause=pauses.append)

    assert shares(pacer, pauses, 6) == [
        pytest.approx(share) for share in (0.05, 0.1, 0.2, 0.4, 0.5, 0.5)
    ]


def test_the_share_halves_while_writers_are_slow_and_then_grows_with_care():
    pauses: list[float] = []
    probe = Probe(1.0, 2.5, None, 1.8, 1.2, 1.0)
    pacer = Pacer(Throttle(latency_factor=2.0), probe, rows=8_000, pause=pauses.append)

    assert shares(pacer, pauses, 6) == [
        pytest.approx(share) for share in (0.1, 0.05, 0.05, 0.05, 0.0625, 0.078125)
    ]


def test_writers_that_stay_slow_do_not_starve_the_sweep():
    pauses: list[float] = []
    probe = Probe(*[9.0] * 20)
    pacer = Pacer(Throttle(), probe, rows=8_000, pause=pauses.append, clock=lambda: 0.0)

    assert shares(pacer, pauses, 20)[-1] == pytest.approx(0.02)


def test_a_sweep_that_takes_long_insists_more_and_more():
    pauses: list[float] = []
    probe = Probe(*[9.0] * 4)
    ages = iter([0.0, 0.0, 300.0, 900.0, 3600.0])
    pacer = Pacer(Throttle(), probe, rows=8_000, pause=pauses.append, clock=lambda: next(ages))

    assert shares(pacer, pauses, 4) == [pytest.approx(share) for share in (0.025, 0.04, 0.16, 0.5)]


def test_transactions_get_shorter_with_the_share():
    pacer = Pacer(Throttle(batch_seconds=0.1), Probe(9.0), rows=8_000, pause=lambda _: None)

    pacer.succeeded(0.01, rows=500)

    assert pacer.rows == 250  # of 0.1 s at half of the time, 5 ms at a fortieth


def test_a_timeout_halves_the_batch_down_to_a_floor():
    pacer = Pacer(None, None, rows=500, pause=lambda _: None)

    sizes = []
    for _ in range(4):
        pacer.failed()
        sizes.append(pacer.rows)

    assert sizes == [250, 125, 100, 100]


def test_success_grows_the_batch_back_to_its_full_size():
    pacer = Pacer(None, None, rows=400, pause=lambda _: None)
    pacer.failed()

    pacer.succeeded(0.1)

    assert pacer.rows == 400


@pytest.mark.parametrize(
    "wrong", [{"duty_cycle": 0}, {"duty_cycle": 1.5}, {"latency_factor": 0.5}, {"batch_seconds": 0}]
)
def test_a_throttle_refuses_impossible_numbers(wrong: dict[str, float]):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Throttle(**wrong)
