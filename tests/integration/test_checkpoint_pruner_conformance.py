"""LangGraph's own conformance suite, on a saver that routes to the pruner."""

import pytest
from langgraph.checkpoint.conformance import checkpointer_test, validate

from checkpoint_pruner.guard import install_guard
from engine.pruning_saver import PruningSaver


@pytest.mark.parametrize("guarded", [False, True], ids=["unguarded", "guarded"])
async def test_the_saver_passes_every_capability(checkpoint_database: str, guarded: bool):
    if guarded:
        install_guard(checkpoint_database)

    @checkpointer_test(name="PruningSaver")
    async def saver():
        async with PruningSaver.from_conn_string(checkpoint_database) as opened:
            yield opened

    report = await validate(saver)

    assert {
        capability: result.failures
        for capability, result in report.results.items()
        if not result.passed
    } == {}
    assert len([result for result in report.results.values() if result.detected]) == 8
