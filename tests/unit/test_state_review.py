from datetime import timedelta
from typing import Any

import pytest

from state.errors import InvalidGateError
from state.review import decision, gate, wait_for_signal

ASKED: dict[str, Any] = {"title": "Pay?", "action": "pay", "args": {"amount": 5}}


def test_what_is_not_said_is_left_to_the_graphs_defaults() -> None:
    review = gate(**ASKED)["review"]

    assert review == {"title": "Pay?"}


def test_deadlines_are_durations_so_that_a_node_asks_the_same_twice() -> None:
    def asked() -> Any:
        return gate(**ASKED, due_in=timedelta(hours=1), expires_in=timedelta(days=1))

    assert asked() == asked()
    assert asked()["review"]["expires_in_seconds"] == 86_400


@pytest.mark.parametrize(
    ("contradiction", "message"),
    [
        ({"allowed": []}, "allowed must be one decision or more"),
        ({"quorum": 0}, "quorum must be 1 or more"),
        (
            {"on_expiry": {"type": "respond"}, "expires_in": timedelta(1)},
            "on_expiry must be one of approve, edit, reject, got respond",
        ),
    ],
)
def test_a_question_that_contradicts_itself_is_not_built(
    contradiction: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidGateError, match=message):
        gate(**ASKED, **contradiction)


@pytest.mark.parametrize("answer", [None, "approve", {}, {"decisions": []}, {"decisions": 1}])
def test_an_answer_of_another_shape_is_no_decision(answer: Any) -> None:
    with pytest.raises(InvalidGateError):
        decision(answer)


def test_a_signal_names_the_event_and_the_form_of_its_payload() -> None:
    asked = wait_for_signal("paid", title="Payment", payload_schema={"type": "object"})

    assert (asked["type"], asked["name"]) == ("signal", "paid")
    assert asked["payload_schema"] == {"type": "object"}
