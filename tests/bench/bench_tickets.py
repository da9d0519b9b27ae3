"""What a ticket costs that is written with a run and taken away with its end.

`python -m tests.bench.bench_tickets` prints milliseconds of processor time per ticket, of the
process that writes it and of PostgreSQL; delivering it to workers comes on top.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

from api.embedded_postgres import embedded_postgres
from engine.database import Connection, open_database, travelling
from engine.dispatch.procrastinate import QUEUE, TASK, ProcrastinateDispatcher, open_dispatcher
from engine.migrate import migrate
from tests.bench.processor import find_postmaster, spent_seconds

ROUNDS, PAIRS = 7, 150  # pairs of transactions in a round; the first round warms up
WITHDRAW = "DELETE FROM procrastinate_jobs WHERE queueing_lock = %s AND status = 'todo'"


async def accept_and_end(
    connection: Connection, dispatcher: ProcrastinateDispatcher | None
) -> None:
    thread_id = str(uuid4())
    async with travelling(connection):
        await connection.execute("SELECT 1")
        if dispatcher is not None:
            # With a lock of its own, so that an index finds it: the cheapest way to withdraw it.
            task = dispatcher._app.configure_task(
                TASK, queue=QUEUE, connection=connection, queueing_lock=thread_id
            )
            await task.defer_async(thread_id=thread_id)
    async with connection.pipeline():
        await connection.execute("SELECT 1")
        if dispatcher is not None:
            await connection.execute(WITHDRAW, (thread_id,))


async def measure(url: str) -> None:
    """Take turns with and without tickets and print the difference."""
    await migrate(url)
    postmaster = find_postmaster(url)
    spent = {True: [0.0, 0.0], False: [0.0, 0.0]}
    async with (
        open_database(url, max_connections=4) as database,
        open_dispatcher(database) as dispatcher,
        database.pool.connection() as connection,
    ):
        for number in range(ROUNDS):
            for with_ticket in (True, False):
                before = time.process_time(), spent_seconds(postmaster)
                for _ in range(PAIRS):
                    await accept_and_end(connection, dispatcher if with_ticket else None)
                after = time.process_time(), spent_seconds(postmaster)
                if number:
                    for place in (0, 1):
                        spent[with_ticket][place] += after[place] - before[place]
    for place, name in enumerate(("process", "PostgreSQL")):
        cost = (spent[True][place] - spent[False][place]) / (PAIRS * (ROUNDS - 1))
        print(f"{name}: {cost * 1000:.2f} ms per ticket")


def main() -> int:
    """Measure and print."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory,
        embedded_postgres(Path(directory) / "postgres" / "data") as url,
    ):
        asyncio.run(measure(url))
    return 0


if __name__ == "__main__":
    sys.exit(main())
