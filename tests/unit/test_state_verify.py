from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from state.errors import IllegalMoveError
from state.machine import Edge, Machine, State
from state.purchase_order import INVARIANTS, PURCHASE_ORDER
from state.verify import Invariant, verify


def without(event: str, *, source: str, **changes: object) -> Machine:
    """Return the purchase order's table with one edge changed, or gone."""
    edges = []
    for edge in PURCHASE_ORDER.edges:
        if (edge.event, edge.source) == (event, source):
            if changes:
                edges.append(replace(edge, **changes))
        else:
            edges.append(edge)
    return replace(PURCHASE_ORDER, edges=tuple(edges))


def promises(machine: Machine) -> set[str]:
    return {finding.promise for finding in verify(machine, INVARIANTS)}


def test_the_purchase_order_keeps_every_promise() -> None:
    assert verify(PURCHASE_ORDER, INVARIANTS) == []


def test_sending_without_approval_is_found_with_the_shortest_story() -> None:
    machine = without("send_approved", source="RESERVED", requires={"checked": True})

    findings = [f for f in verify(machine) if f.promise == "approval comes first"]

    assert findings[0].story == ("accept_for_review", "reserve")


def test_committing_money_that_was_not_reserved_is_found() -> None:
    machine = without("reserve", source="DRAFT", sets={})
    machine = replace(
        machine,
        edges=tuple(
            replace(edge, requires={"sent": True}) if edge.event == "commit" else edge
            for edge in machine.edges
        ),
    )

    assert "no order is committed whose money was not reserved" in promises(machine)


def test_a_jump_from_draft_to_committed_is_found() -> None:
    jump = Edge(event="jump", source="DRAFT", target="COMMITTED", by=frozenset({"brain"}))
    machine = replace(PURCHASE_ORDER, edges=(*PURCHASE_ORDER.edges, jump))

    assert "no order is committed whose money was not reserved" in promises(machine)


def test_an_end_that_keeps_money_is_found() -> None:
    machine = without("release", source="COMPENSATING", sets={})

    assert "an order that ended without being committed holds no money" in promises(machine)


def test_a_wait_without_a_deadline_is_found() -> None:
    assert "each wait has a deadline" in promises(without("expire", source="RESERVED"))


def test_a_state_without_a_way_to_an_end_is_found() -> None:
    machine = without("release", source="COMPENSATING")

    assert "every process can end" in promises(machine)


def test_a_state_that_nothing_leads_to_is_found() -> None:
    machine = without("lose_sight", source="RESERVED")

    assert {"every state can be reached", "every edge can be passed"} <= promises(machine)


def test_a_circle_without_a_bound_is_found() -> None:
    machine = without("send_back", source="DRAFT", at_most=None)

    assert "no circle is endless" in promises(machine)


def test_a_final_state_that_can_be_left_is_found() -> None:
    revive = Edge(event="revive", source="FAILED", target="DRAFT", by=frozenset({"person"}))
    machine = replace(PURCHASE_ORDER, edges=(*PURCHASE_ORDER.edges, revive))

    assert "a final state has no way out" in promises(machine)


def test_a_broken_invariant_is_told_once_with_its_story() -> None:
    machine = Machine(
        name="m",
        states=(State(name="a"), State(name="b", final=True)),
        facts={},
        edges=(Edge(event="go", source="a", target="b", by=frozenset({"process"})),),
    )
    never_b = Invariant(name="never b", holds=lambda state, _facts: state != "b")

    assert [str(finding) for finding in verify(machine, (never_b,))] == ["never b: b (after go)"]


EVENTS = sorted({edge.event for edge in PURCHASE_ORDER.edges})
ACTORS = ["brain", "process", "person", "timer"]


@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.sampled_from(ACTORS)), max_size=40))
def test_no_story_of_events_leaves_the_table(story: list[tuple[str, str]]) -> None:
    state, facts = PURCHASE_ORDER.initial, dict(PURCHASE_ORDER.facts)
    for event, actor in story:
        try:
            state, facts = PURCHASE_ORDER.step(state, event, facts, actor)
        except IllegalMoveError:
            continue

        assert all(invariant.holds(state, facts) for invariant in INVARIANTS)
