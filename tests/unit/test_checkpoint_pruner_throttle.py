import pytest

from checkpoint_pruner import Throttle
from checkpoint_pruner.throttle import Pacer


class Probe:
    """Answers with given latencies, in order; an idle commit takes 10 ms."""

    idle_seconds = 0.01

    def __init__(self, *latencies: float) -> None:
        self._latencies = list(latencies)

    def beside(self) -> float:
        return self._latencies.pop(0)

    def rested(self) -> None:
        pass


def test_without_a_throttle_nothing_pauses_and_batches_stay_large():
    pauses: list[float] = []
    pacer = Pacer(None, None, rows=1_000, pause=pauses.append)

    pacer.succeeded(2.0)

    assert (pauses, pacer.rows) == ([], 1_000)


def test_the_duty_cycle_sets_the_rest_after_each_transaction():
    pauses: list[float] = []
    pacer = Pacer(Throttle(duty_cycle=0.25), None, rows=1_000, pause=pauses.append)

    pacer.succeeded(0.1)

    assert pauses == [pytest.approx(0.3)]
    assert pacer.paused_seconds == pytest.approx(0.3)


def test_batches_shrink_to_the_time_they_may_take_and_grow_back():
    pacer = Pacer(Throttle(batch_seconds=0.1), None, rows=10_000, pause=lambda _: None)
    sizes = [pacer.rows]

    for seconds in (0.4, 0.02, 0.02):
        pacer.succeeded(seconds)
        sizes.append(pacer.rows)

    assert sizes == [2_000, 500, 1_000, 2_000]


def test_pauses_grow_while_writers_wait_and_end_when_they_do_not():
    pauses: list[float] = []
    pacer = Pacer(Throttle(duty_cycle=1.0), Probe(0.1, 0.1, 0.01), rows=8_000, pause=pauses.append)

    for _ in range(3):
        pacer.succeeded(0.1)

    assert pauses == [pytest.approx(0.1), pytest.approx(0.3)]


def test_writers_that_stay_slow_do_not_starve_the_sweep():
    pauses: list[float] = []
    pacer = Pacer(Throttle(), Probe(*[0.1] * 20), rows=8_000, pause=pauses.append)

    for _ in range(20):
        pacer.succeeded(0.1)

    assert pauses[-1] == pytest.approx(0.9)
    assert pacer.rows == 500


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
