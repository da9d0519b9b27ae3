from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from api.console.timeline import (
    Change,
    Usage,
    by_run,
    difference,
    executions,
    steps,
    trimmed,
    usage,
)


@dataclass(frozen=True)
class Begun:
    run_id: str
    started_at: datetime | None


def state(number: int, at: str, values: Any, **more: Any) -> dict[str, Any]:
    """Return a checkpoint as the Agent Server shows it; its parent is the one before."""
    return {
        "checkpoint_id": f"c{number}",
        "parent_checkpoint_id": f"c{number - 1}" if number > -1 else None,
        "metadata": {"step": number, "source": "loop", "run_id": "r1"},
        "created_at": f"2026-11-20T21:35:{at}+00:00",
        "values": values,
        "next": [],
        "tasks": [],
        **more,
    }


def task(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "interrupts": [], "error": None, "result": None, **more}


def test_a_step_names_the_nodes_that_ran_and_how_long_they_took() -> None:
    history = [
        state(2, "05.500", {"amount": 2}),
        state(1, "03.000", {"amount": 1}, tasks=[task("draft"), task("draft")]),
    ]

    row = steps(history, [])[0]

    assert row.nodes == {"draft": 2}
    assert row.took_seconds == 2.5
    assert row.changes == [Change(kind="~", path="amount", before="1", after="2")]


def test_waiting_for_a_person_is_no_work() -> None:
    asked = task("review", interrupts=[{"id": "i1"}])
    answered = state(2, "40.000", {})
    answered["metadata"]["run_id"] = "r2"
    history = [answered, state(1, "10.000", {}, tasks=[asked])]

    row = steps(history, [Begun("r2", datetime(2026, 11, 20, 21, 35, 39, tzinfo=UTC))])[0]

    assert (row.took_seconds, row.waited_seconds) == (1.0, 29.0)


def test_checkpoints_that_were_pruned_are_a_counted_gap() -> None:
    first = state(-1, "01.000", {}, parent_checkpoint_id=None)
    history = [state(9, "09.000", {}), first]

    rows = steps(history, [])

    assert (rows[0].gap, rows[0].pruned) == (True, 9)
    assert not rows[1].gap


def test_a_beginning_that_was_cut_off_is_a_gap_too() -> None:
    cut = state(7, "07.000", {}, parent_checkpoint_id=None)
    made_by_an_update = state(0, "00.000", {}, parent_checkpoint_id=None)
    made_by_an_update["metadata"]["source"] = "update"

    assert steps([cut], [])[0].gap
    assert not steps([made_by_an_update], [])[0].gap


def test_a_task_that_failed_and_came_through_was_retried() -> None:
    failed = task("order", error="TimeoutError()", result={"amount": 1})
    history = [state(2, "02.000", {}), state(1, "01.000", {}, tasks=[failed])]

    rows = steps(history, [])

    assert rows[0].retried == ["TimeoutError()"]
    assert rows[1].errors == ["TimeoutError()"]


def test_what_a_node_did_is_told_with_the_state_it_was_given() -> None:
    history = [
        state(2, "02.000", {"amount": 2}, tasks=[task("order")]),
        state(1, "01.000", {"amount": 1}, tasks=[task("draft", result={"amount": 2})]),
    ]
    rows = steps(history, [])

    (drafted,) = executions(history, rows, "draft")
    (ordering,) = executions(history, rows, "order")

    assert (drafted.before, drafted.results, drafted.checkpoint_id) == (
        {"amount": 1},
        [{"amount": 2}],
        "c2",
    )
    assert ordering.step is None


def test_tokens_and_cost_are_added_up_where_messages_tell_them() -> None:
    told = {"messages": [{"usage_metadata": {"total_tokens": 700, "total_cost": 0.01}}]}
    history = [state(2, "02.000", {}), state(1, "01.000", {}, tasks=[task("ask", result=told)])]

    row = steps(history, [])[0]

    assert row.usage == Usage(tokens=700, cost=0.01)
    assert usage({"messages": [{"usage_metadata": {"total_tokens": 5}}]}).cost is None


def test_differences_go_into_objects_and_count_what_lists_gained() -> None:
    before = {"order": {"amount": 9_100, "note": "x"}, "lines": [1]}
    after = {"order": {"amount": 8_545}, "lines": [1, 2, 3]}

    assert difference(before, after) == [
        Change(kind="~", path="order.amount", before="9100", after="8545"),
        Change(kind="-", path="order.note", before="x"),
        Change(kind="+", path="lines", after="2 more"),
    ]


def test_long_texts_are_cut_with_their_length_told() -> None:
    assert trimmed({"document": ["x" * 12]}, limit=10) == {
        "document": ["xxxxxxxxxx… (12 characters)"]
    }


@dataclass(frozen=True)
class Price:
    input: float
    output: float


def message(**more: Any) -> dict[str, Any]:
    used = {"input_tokens": 1_000, "output_tokens": 500, "total_tokens": 1_500}
    return {"usage_metadata": used, "response_metadata": {"model_name": "small"}, **more}


def test_what_a_model_used_costs_what_its_price_says() -> None:
    prices = {"small": Price(2.0, 8.0)}

    assert usage(message(), prices) == Usage(tokens=1_500, cost=0.006)
    assert usage(message(response_metadata={"model_name": "other"}), prices).cost is None


def test_a_cost_that_a_message_carries_goes_before_the_price() -> None:
    told = {"model_name": "small", "token_usage": {"cost": 0.02}}

    assert usage(message(response_metadata=told), {"small": Price(2.0, 8.0)}).cost == 0.02


def test_what_the_steps_of_a_run_used_is_what_the_run_used() -> None:
    history = [
        state(2, "05.000", {}),
        state(1, "03.000", {}, tasks=[task("draft", result=message())]),
        state(0, "01.000", {}, tasks=[task("plan", result=message())]),
    ]

    assert by_run(steps(history, []))["r1"].tokens == 3_000
