"""A worker that hangs is overtaken, and cannot write when it wakes."""

import signal
from typing import Any


async def _overtaken(
    worker: Any, submit: Any, finished: Any, effects: Any, until: Any, **bug: Any
) -> Any:
    """Stop a worker in the middle of a run, let another end the run, and wake the first."""
    run = await submit(steps=6, pause_seconds=0.3)
    zombie = worker(**bug)
    await until(lambda: len(effects()) >= 2)
    zombie.signal(signal.SIGSTOP)
    worker(**bug)
    over = await finished(run)
    seen = len(effects())
    zombie.signal(signal.SIGCONT)
    return over, seen, zombie


async def test_a_zombie_cannot_write_and_repeats_at_most_its_step_in_flight(
    worker: Any, submit: Any, finished: Any, effects: Any, until: Any, rows: Any, verdict: Any
) -> None:
    over, seen, zombie = await _overtaken(worker, submit, finished, effects, until)

    # It says that it is alive again: so it has noticed that its lease is gone.
    await until(lambda: len(rows("SELECT 1 FROM holdfast.workers")) == 2)
    assert zombie.terminate() == 0

    found = verdict()
    assert over.status == "succeeded"
    assert len(effects()) == seen
    assert found.sound, found.summary()


async def test_with_the_fence_off_a_zombie_forks_the_thread_and_the_checker_sees_it(
    worker: Any, submit: Any, finished: Any, effects: Any, until: Any, verdict: Any
) -> None:
    _, seen, _ = await _overtaken(worker, submit, finished, effects, until, plant="fence_off")
    await until(lambda: len(effects()) > seen or "forks" in verdict().faults)

    await until(lambda: "forks" in verdict().faults)
