import pytest

from state.errors import IllegalMoveError
from state.machine import Edge, Machine, State

PROCESS = frozenset({"process"})
DOOR = Machine(
    name="the door",
    states=(State(name="closed"), State(name="open", final=True)),
    facts={"unlocked": False},
    edges=(
        Edge(
            event="unlock",
            source="closed",
            target="closed",
            by=frozenset({"person"}),
            sets={"unlocked": True},
        ),
        Edge(
            event="open",
            source="closed",
            target="open",
            by=PROCESS,
            requires={"unlocked": True},
        ),
    ),
)


def test_a_step_returns_the_target_and_the_facts_that_the_edge_sets() -> None:
    state, facts = DOOR.step("closed", "unlock", DOOR.facts, "person")

    assert (state, facts) == ("closed", {"unlocked": True})


def test_a_step_leaves_the_facts_that_it_was_given_alone() -> None:
    before = {"unlocked": False}

    DOOR.step("closed", "unlock", before, "person")

    assert before == {"unlocked": False}


def test_a_guard_that_does_not_hold_refuses_the_step_and_is_named() -> None:
    with pytest.raises(IllegalMoveError) as refused:
        DOOR.step("closed", "open", {"unlocked": False}, "process")

    assert refused.value.unmet == ["unlocked is not true"]


def test_an_event_that_the_table_does_not_know_is_refused() -> None:
    with pytest.raises(IllegalMoveError, match="the door cannot burn while it is closed"):
        DOOR.step("closed", "burn", DOOR.facts, "process")


def test_an_actor_who_may_not_ask_is_refused() -> None:
    with pytest.raises(IllegalMoveError, match="process may not unlock"):
        DOOR.step("closed", "unlock", DOOR.facts, "process")


def test_a_refusal_says_in_data_what_would_be_allowed() -> None:
    with pytest.raises(IllegalMoveError) as refused:
        DOOR.allow("closed", "open", {"unlocked": True}, "person")

    assert (refused.value.source, refused.value.target) == ("closed", "open")
    assert refused.value.allowed == ["closed"]


def test_legal_names_each_reachable_state_once() -> None:
    assert DOOR.legal("closed", {"unlocked": True}, "process") == ["open"]


def test_a_final_state_has_no_legal_move() -> None:
    assert DOOR.legal("open", {"unlocked": True}, "process") == []


@pytest.mark.parametrize(
    ("edge", "fault"),
    [
        (Edge(event="fly", source="closed", target="sky", by=PROCESS), "unknown state"),
        (Edge(event="open", source="closed", target="closed", by=PROCESS), "twice"),
        (
            Edge(event="x", source="closed", target="open", by=PROCESS, sets={"oiled": True}),
            "unknown fact 'oiled'",
        ),
    ],
)
def test_a_table_that_contradicts_itself_cannot_be_made(edge: Edge, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Machine(name="d", states=DOOR.states, facts=DOOR.facts, edges=(*DOOR.edges, edge))


def test_the_drawing_names_every_edge_and_marks_the_current_state() -> None:
    drawing = DOOR.mermaid("closed")

    assert "closed --> open: open [unlocked]" in drawing
    assert "class closed current" in drawing
