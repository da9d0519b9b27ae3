"""LangGraph's own conformance suite, on the savers that route to the pruner."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from langgraph.checkpoint.conformance import checkpointer_test, validate
from psycopg.rows import dict_row

from checkpoint_pruner.guard import install_guard
from engine.pruning_saver import PruningSaver
from engine.saver import RunSaver


@asynccontextmanager
async def run_saver(url: str) -> AsyncIterator[RunSaver]:
    """Yield the saver of a run, on a connection like a worker's."""
    async with await psycopg.AsyncConnection.connect(
        url, autocommit=True, prepare_threshold=0, row_factory=dict_row
    ) as connection:
        yield RunSaver(connection)


@pytest.mark.parametrize("guarded", [False, True], ids=["unguarded", "guarded"])
@pytest.mark.parametrize(
    "open_saver", [PruningSaver.from_conn_string, run_saver], ids=["PruningSaver", "RunSaver"]
)
async def test_the_saver_passes_every_capability(
    checkpoint_database: str, open_saver: Callable[..., Any], guarded: bool
):
    if guarded:
        install_guard(checkpoint_database)

    @checkpointer_test(name="saver")
    async def saver():
        async with open_saver(checkpoint_database) as opened:
            yield opened

    report = await validate(saver)

    assert {
        capability: result.failures
        for capability, result in report.results.items()
        if not result.passed
    } == {}
    assert len([result for result in report.results.values() if result.detected]) == 8
