"""Wall clocks that are wrong by an hour change nothing."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fault.processes import Place, faked

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
needs_faketime = pytest.mark.skipif(
    not LIBRARIES, reason="libfaketime is not installed (Debian package libfaketime)"
)


@pytest.fixture
def wrong(place: Place) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Return a factory of workers with a wrong clock."""
    started: list[subprocess.Popen[bytes]] = []

    def start(offset: str, **settings: Any) -> subprocess.Popen[bytes]:
        started.append(faked(place, library=LIBRARIES[0], offset=offset, **settings))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@needs_faketime
async def test_turns_on_workers_with_different_clocks_follow_each_other(
    wrong: Any, worker: Any, submit: Any, finished: Any, verdict: Any
) -> None:
    turn = await submit(label="first")
    for label, offset in (("second", "+1h"), ("third", "-1h")):
        skewed = wrong(offset)
        await finished(turn)
        skewed.kill()
        skewed.wait()
        turn = await submit(label=label, thread_id=turn.thread_id)

    worker()
    over = await finished(turn)

    turns = [entry.partition(":")[0] for entry in over.output["log"]]
    assert turns == ["first"] * 4 + ["second"] * 4 + ["third"] * 4
    assert verdict().sound


@needs_faketime
async def test_with_ids_from_the_clock_alone_a_turn_is_lost_and_the_checker_sees_it(
    wrong: Any, worker: Any, submit: Any, finished: Any, verdict: Any
) -> None:
    first = await submit(label="first")
    skewed = wrong("+1h")
    await finished(first)
    skewed.kill()
    skewed.wait()
    second = await submit(label="second", thread_id=first.thread_id)

    worker(plant="clock_ids")
    await finished(second)

    assert verdict().faults.keys() & {"wrong", "doubled", "forks"}


@needs_faketime
async def test_a_worker_ahead_of_time_does_not_start_a_delayed_run_early(
    wrong: Any, client: Any, finished: Any
) -> None:
    from engine.runs.request import RunRequest

    later = await client.runs.create(
        RunRequest(assistant_id="work", input={"label": "later", "steps": 1}, after_seconds=3000)
    )
    now = await client.runs.create(
        RunRequest(assistant_id="work", input={"label": "now", "steps": 1})
    )

    wrong("+1h")
    await finished(now)

    assert (await client.runs.get(later.run_id)).status == "queued"
