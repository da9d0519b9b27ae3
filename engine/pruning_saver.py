"""What the stock Postgres saver lacks, or does less well, for whole threads and runs."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncConnection

from checkpoint_pruner.guard import translate
from checkpoint_pruner.threads import copy_thread, delete_runs, delete_threads, prune_threads


class PruningSaver(AsyncPostgresSaver):
    """A Postgres saver whose thread and run operations go through the pruner.

    Use a connection or a pool of its own without a pipeline: each operation is a transaction.
    """

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save a checkpoint.

        Raises:
            CheckpointPrunedError: The guard refused it, because its parent no longer exists.
        """
        try:
            return await super().aput(config, checkpoint, metadata, new_versions)
        except psycopg.Error as error:
            refusal = translate(error)
            if refusal is None:
                raise
            raise refusal from error

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Keep the newest checkpoint of each namespace, or nothing (`strategy="delete"`).

        Unlike the stock saver this accepts DeltaChannel threads, whose history stays as far as it
        is needed, and leaves steps alone that a run may still be in.

        Raises:
            TypeError: `thread_ids` is a single string.
            ValueError: The strategy is unknown.
        """
        if isinstance(thread_ids, str):
            raise TypeError("thread_ids must be a sequence of thread ids, not a str")
        if strategy not in ("keep_latest", "delete"):
            raise ValueError(f"strategy must be 'keep_latest' or 'delete', got {strategy!r}")
        names = [str(thread_id) for thread_id in thread_ids]
        if not names:
            return
        async with self._owned() as connection:
            if strategy == "delete":
                await delete_threads(connection, names)
            else:
                await prune_threads(connection, names)

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete a thread; where the guard is installed its late writers are refused."""
        async with self._owned() as connection:
            await delete_threads(connection, [str(thread_id)])

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete what some runs saved, in every thread and namespace."""
        if run_ids:
            async with self._owned() as connection:
                await delete_runs(connection, [str(run_id) for run_id in run_ids])

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread whole.

        Raises:
            ThreadExistsError: The target has checkpoints already.
        """
        async with self._owned() as connection:
            await copy_thread(connection, str(source_thread_id), str(target_thread_id))

    @asynccontextmanager
    async def _owned(self) -> AsyncIterator[AsyncConnection[Any]]:
        async with self._cursor() as cursor:
            yield cursor.connection
