"""Where a process can be told to die, and the bugs that can be planted in it."""

import asyncio
import contextlib
import functools
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

FAULT_VARIABLE = "HOLDFAST_FAULT"  # "<point>#<n>": die at the n-th passing, counted from 1
PLANT_VARIABLE = "HOLDFAST_PLANT"  # names of planted bugs, comma separated
# Longer than a step of the storm's graph, so that a kill nearly always falls behind the run.
SLOW_DISK_SECONDS = 0.1

POINTS = (
    "claimed",
    "node begins",
    "effect done",
    "task written",
    "checkpoint written",
    "before the end is written",
    "inside the end's transaction",
    "end written",
)
GATE_POINTS = ("inside the gate's transaction", "end written")

_passed: dict[str, int] = {}


def planted() -> frozenset[str]:
    """Return the bugs planted in this process."""
    return frozenset(filter(None, os.environ.get(PLANT_VARIABLE, "").split(",")))


def reach(point: str) -> None:
    """Die by SIGKILL if this is the point, and the passing, that was asked for."""
    wanted, _, number = os.environ.get(FAULT_VARIABLE, "").partition("#")
    if wanted != point:
        return
    _passed[point] = _passed.get(point, 0) + 1
    if _passed[point] == int(number or 1):
        os.kill(os.getpid(), signal.SIGKILL)


def install() -> None:
    """Wrap the engine's own steps, and plant the bugs that were asked for."""
    from engine.claims import Claims
    from engine.gates.book import Gates
    from engine.saver import RunSaver

    _after(Claims, "claim", "claimed")
    _after(RunSaver, "aput_writes", "task written")
    _after(RunSaver, "aput", "checkpoint written")
    _before(Claims, "finish", "before the end is written")
    _after(Claims, "finish", "end written")
    _after(Gates, "record_pending", "inside the gate's transaction")
    _inside_end()
    for bug in planted():
        PLANTS.get(bug, lambda: None)()


def fence_off() -> None:
    """Let runs write through a connection that does not hold the lease."""
    from engine import worker

    leased = worker.open_lease_connection
    writers: dict[int, Any] = {}

    async def open_unfenced(database: Any, worker_id: str) -> Any:
        lease = await leased(database, worker_id)
        writers[id(lease.connection)] = await database.connect(application_name="unfenced")
        return lease

    worker.open_lease_connection = open_unfenced
    saver = worker.RunSaver
    worker.RunSaver = lambda connection, **options: saver(writers[id(connection)], **options)


def durability_async() -> None:
    """Let LangGraph go on before a checkpoint is written, as it does by default, on a slow disk."""
    from langgraph.pregel import Pregel

    from engine.saver import RunSaver

    stream, save = Pregel.astream, RunSaver.aput

    async def aput(self: Any, *positional: Any, **named: Any) -> Any:
        await asyncio.sleep(SLOW_DISK_SECONDS)
        return await save(self, *positional, **named)

    RunSaver.aput = aput

    def astream(self: Any, *positional: Any, **named: Any) -> Any:
        return stream(self, *positional, **{**named, "durability": "async"})

    Pregel.astream = astream


def slow_disk() -> None:
    """Let every checkpoint take its time on the way to the disk."""
    from engine.checkpoint_writer import CheckpointWriter

    store = CheckpointWriter.store

    async def slowly(self: Any) -> None:
        await asyncio.sleep(SLOW_DISK_SECONDS)
        await store(self)

    CheckpointWriter.store = slowly


def hasty() -> None:
    """Let the body of a functional graph begin while its input is on the way, as LangGraph does."""
    from engine.saver import RunSaver

    async def at_once(self: Any) -> None:
        return

    RunSaver.caught_up = at_once


def no_sweeper() -> None:
    """Trust tickets alone: never issue one again."""
    from engine.sweeper import Sweeper

    async def recover(self: Any) -> int:
        return 0

    Sweeper.recover = recover


def clock_ids() -> None:
    """Take checkpoint ids from the wall clock alone."""
    from engine import saver, worker

    worker.keep_ids_after = saver.keep_ids_after = lambda checkpoint_id: None


PLANTS: dict[str, Callable[[], None]] = {
    "fence_off": fence_off,
    "durability_async": durability_async,
    "slow_disk": slow_disk,
    "hasty": hasty,
    "no_sweeper": no_sweeper,
    "clock_ids": clock_ids,
}


def _after(owner: type, name: str, point: str) -> None:
    method = getattr(owner, name)

    @functools.wraps(method)
    async def wrapped(*positional: Any, **named: Any) -> Any:
        result = await method(*positional, **named)
        reach(point)
        return result

    setattr(owner, name, wrapped)


def _before(owner: type, name: str, point: str) -> None:
    method = getattr(owner, name)

    @functools.wraps(method)
    async def wrapped(*positional: Any, **named: Any) -> Any:
        reach(point)
        return await method(*positional, **named)

    setattr(owner, name, wrapped)


def _inside_end() -> None:
    from engine import claims

    statement = claims.statement

    def wrapped(name: str) -> bytes:
        if name == "finish_run":
            reach("inside the end's transaction")
        return statement(name)

    claims.statement = wrapped


@contextlib.contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Set variables for the duration of the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
