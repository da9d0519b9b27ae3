"""A worker that hangs is overtaken, and cannot write when it wakes."""

import asyncio
import signal
from typing import Any

from checkpoint_pruner.guard import remove_guard


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


async def test_a_thread_deleted_under_a_hung_worker_stays_gone_without_any_guard(
    worker: Any, submit: Any, effects: Any, until: Any, client: Any, rows: Any, place: Any
) -> None:
    await asyncio.to_thread(remove_guard, place.database_url)
    run = await submit(steps=6, pause_seconds=0.3)
    zombie = worker()
    await until(effects)
    zombie.signal(signal.SIGSTOP)
    worker()

    # Waits for the lease: for the other worker to take the hung one for dead and cancel the run.
    await client.threads.delete(run.thread_id)
    zombie.signal(signal.SIGCONT)
    await until(lambda: len(rows("SELECT 1 FROM holdfast.workers")) == 2)
    assert zombie.terminate() == 0

    left = {
        table: rows(f"SELECT 1 FROM {table} WHERE thread_id = %s", run.thread_id)
        for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes", "holdfast.threads")
    }
    assert not any(left.values()), left
