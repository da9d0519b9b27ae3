from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.base.id import uuid6

from checkpoint_pruner import Pin, Policy
from checkpoint_pruner.plan import lowest_id, made_at, plan_parameters

INSTANTS = st.datetimes(
    min_value=datetime(1990, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    timezones=st.just(UTC),
)


def test_an_id_tells_when_it_was_made():
    before = datetime.now(UTC)

    made = made_at(str(uuid6()))

    assert made is not None
    assert timedelta(milliseconds=-1) < made - before < timedelta(minutes=1)


@given(INSTANTS)
def test_the_lowest_id_of_an_instant_is_read_back_as_that_instant(at: datetime):
    assert made_at(f"{lowest_id(at)}-8000-000000000000") == at


@given(INSTANTS, INSTANTS)
def test_lowest_ids_are_ordered_like_their_instants(one: datetime, other: datetime):
    assert (one < other) == (lowest_id(one) < lowest_id(other))


def test_an_id_made_now_sorts_after_the_lowest_id_of_a_moment_ago():
    assert str(uuid6()) > lowest_id(datetime.now(UTC) - timedelta(milliseconds=1))


@pytest.mark.parametrize("name", ["", "x" * 36, "1ef4f797-8335-4428-8001-8a1503f9b875"])
def test_an_id_of_another_kind_tells_nothing(name: str):
    assert made_at(name) is None


def test_each_thread_gets_the_parameters_of_its_own_policy():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    policy = Policy(keep_last=5, by_thread={"b": Policy(keep_turns=2, settle=timedelta(0))})

    parameters = plan_parameters(["a", "b"], policy, now=now, pins=[Pin("a", "", "1ef")])

    assert parameters["keep_last"] == [5, 1]
    assert parameters["keep_turns"] == [0, 2]
    assert parameters["keep_nested"] == [5, 20]
    assert parameters["settle_floor"] == [lowest_id(now - timedelta(minutes=15)), None]
    assert parameters["pin_ids"] == ["1ef"]


def test_an_age_beyond_the_calendar_keeps_everything():
    parameters = plan_parameters(
        ["a"], Policy(older_than=timedelta.max), now=datetime(2026, 1, 1, tzinfo=UTC)
    )

    assert parameters["age_floor"] == [""]
