"""Cancellations that arrive.

On Python 3.11 `asyncio.wait_for` returns as if nothing were, when it is cancelled in the same turn
of the loop in which what it waits for comes (python/cpython#86296, mended in 3.12). psycopg's pool
waits with it for a free connection, LangGraph's store for a full batch. A task that repeats
something for ever and is cancelled once may so go on for ever.
"""

import asyncio
from contextlib import suppress
from typing import Any

AGAIN_SECONDS = 1.0


def heed_cancellation() -> None:
    """Stop the current task here if it was cancelled before and the cancellation got lost.

    Raises:
        asyncio.CancelledError: it was.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def end_task(task: asyncio.Task[Any]) -> None:
    """Cancel a task unless that was done, again after a while, and return when it has ended."""
    if not task.cancelling():
        task.cancel()
    while not (await asyncio.wait({task}, timeout=AGAIN_SECONDS))[0]:
        task.cancel()
    with suppress(asyncio.CancelledError):
        task.result()
