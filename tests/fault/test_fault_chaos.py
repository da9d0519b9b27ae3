"""The short form of the storm, and planted bugs that it must find."""

from typing import Any

import pytest

from tests.fault.storm import Plan, storm


async def test_a_storm_loses_doubles_and_forks_nothing(place: Any) -> None:
    result = await storm(
        place, Plan(kills=10, zombies=1, cuts=1, client_kills=2, runs=48, seed=7, keep_last=3)
    )

    verdict = result.verdict
    assert verdict.sound, verdict.summary()
    assert result.kills == 10
    assert verdict.absorbed > 0  # otherwise nothing was hit, and the test is blind
    assert result.conflicts > 0
    assert result.pruned > 0


CALM = {"zombies": 0, "cuts": 0, "client_kills": 0}


@pytest.mark.parametrize(
    ("plan", "found"),
    [
        pytest.param(
            Plan(**CALM, kills=4, runs=24, plant="key_off"), "doubled", id="effects without a key"
        ),
        pytest.param(
            Plan(**CALM, kills=6, runs=32, plant="durability_async"),
            "doubled",
            id="checkpoints written behind the run",
        ),
        pytest.param(
            Plan(
                **{**CALM, "client_kills": 8},
                kills=0,
                runs=0,
                steps=1,
                pause_seconds=0.0,
                gates=0.0,
                client_plant="reply_first",
            ),
            "lost",
            id="the reply before the commit",
        ),
    ],
)
async def test_the_storm_finds_a_planted_bug(place: Any, plan: Plan, found: str) -> None:
    result = await storm(place, plan)

    assert found in result.verdict.faults, result.verdict.summary()
