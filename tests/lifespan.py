"""An application's lifespan in a task of its own, as a server runs it.

A fixture is set up in one task and torn down in another; what an application opens (a task group,
say) must be closed by the task that opened it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def running(app: Any) -> AsyncIterator[None]:
    """Open the lifespan of an application and close it at the end."""
    opened, closing = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.router.lifespan_context(app):
            opened.set()
            await closing.wait()

    task = asyncio.create_task(live())
    waiter = asyncio.create_task(opened.wait())
    await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if task.done():
        task.result()
    try:
        yield
    finally:
        closing.set()
        await task
