"""Walks every state that a table can reach and proves what is promised of it.

The walk is over pairs of state and facts: facts are booleans, so there are finitely many, and a
breadth-first walk finds the shortest story that breaks a promise.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from state.machine import Edge, Facts, Machine

Rule = Callable[[str, Facts], bool]
"""Tells whether a state with these facts is as promised."""

_Node = tuple[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """What must hold in every reachable state, and how to say that it does not."""

    name: str
    holds: Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A broken promise and the shortest story that leads to it.

    Attributes:
        promise: which one.
        subject: the state or edge that breaks it.
        story: the events from the beginning; empty where no story leads there.
    """

    promise: str
    subject: str
    story: tuple[str, ...]

    def __str__(self) -> str:
        way = " -> ".join(self.story) or "no event"
        return f"{self.promise}: {self.subject} (after {way})"


def verify(machine: Machine, invariants: tuple[Invariant, ...] = ()) -> list[Finding]:
    """Return every broken promise; an empty list is the proof.

    Proved of each table: every state and every edge can be reached; from every reachable state the
    process can end; a final state has no way out; each state that waits has an edge for its
    deadline; no circle goes on for ever without a person, a deadline or a bound; a destructive
    edge is passed only with approval where approval is required; and the `invariants`.
    """
    stories = _walk(machine)
    return [
        *_unreachable(machine, stories),
        *_leaky_ends(machine),
        *_waits_without_deadline(machine),
        *_dead_ends(machine, stories),
        *_endless(machine, stories),
        *_unapproved(machine, stories),
        *_broken(stories, invariants),
    ]


def _walk(machine: Machine) -> dict[_Node, tuple[str, ...]]:
    start = (machine.initial, _true(machine.facts))
    stories: dict[_Node, tuple[str, ...]] = {start: ()}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for edge, after in _moves(machine, node):
            if after not in stories:
                stories[after] = (*stories[node], edge.event)
                waiting.append(after)
    return stories


def _moves(machine: Machine, node: _Node) -> Iterator[tuple[Edge, _Node]]:
    state, true = node
    facts = {name: name in true for name in machine.facts}
    for edge in machine.leaving(state):
        if not edge.unmet(facts):
            yield edge, (edge.target, _true({**facts, **edge.sets}))


def _true(facts: Facts) -> frozenset[str]:
    return frozenset(name for name, value in facts.items() if value)


def _unreachable(machine: Machine, stories: dict[_Node, tuple[str, ...]]) -> Iterator[Finding]:
    reached = {state for state, _ in stories}
    for state in machine.states:
        if state.name not in reached:
            yield Finding(promise="every state can be reached", subject=state.name, story=())
    passed = {(edge.source, edge.event) for node in stories for edge, _ in _moves(machine, node)}
    for edge in machine.edges:
        if (edge.source, edge.event) not in passed:
            subject = f"{edge.source} -> {edge.target} by {edge.event}"
            yield Finding(promise="every edge can be passed", subject=subject, story=())


def _leaky_ends(machine: Machine) -> Iterator[Finding]:
    for state in machine.states:
        if state.final and any(machine.leaving(state.name)):
            yield Finding(promise="a final state has no way out", subject=state.name, story=())


def _waits_without_deadline(machine: Machine) -> Iterator[Finding]:
    for state in machine.states:
        if state.waits and not any("timer" in edge.by for edge in machine.leaving(state.name)):
            yield Finding(promise="each wait has a deadline", subject=state.name, story=())


def _dead_ends(machine: Machine, stories: dict[_Node, tuple[str, ...]]) -> Iterator[Finding]:
    final = {state.name for state in machine.states if state.final}
    before: dict[_Node, list[_Node]] = {}
    for node in stories:
        for _, after in _moves(machine, node):
            before.setdefault(after, []).append(node)
    can_end = {node for node in stories if node[0] in final}
    waiting = list(can_end)
    while waiting:
        for node in before.get(waiting.pop(), []):
            if node not in can_end:
                can_end.add(node)
                waiting.append(node)
    for node, story in stories.items():
        if node not in can_end:
            yield Finding(promise="every process can end", subject=node[0], story=story)


def _endless(machine: Machine, stories: dict[_Node, tuple[str, ...]]) -> Iterator[Finding]:
    # What is left after the bounded edges and those that wait for a person or a clock are taken
    # away must have no circle: strip nodes without a way out until none is left.
    after = {
        node: {
            target
            for edge, target in _moves(machine, node)
            if edge.at_most is None and edge.by & {"brain", "process"}
        }
        for node in stories
    }
    while done := {node for node, targets in after.items() if not targets}:
        after = {node: targets - done for node, targets in after.items() if node not in done}
    if after:
        state = min(after, key=lambda node: len(stories[node]))
        yield Finding(promise="no circle is endless", subject=state[0], story=stories[state])


def _unapproved(machine: Machine, stories: dict[_Node, tuple[str, ...]]) -> Iterator[Finding]:
    for node, story in stories.items():
        for edge, _ in _moves(machine, node):
            waived = "approval_required" in machine.facts and "approval_required" not in node[1]
            if edge.destructive and not waived and "approved" not in node[1]:
                subject = f"{edge.source} -> {edge.target} by {edge.event}"
                yield Finding(promise="approval comes first", subject=subject, story=story)


def _broken(
    stories: dict[_Node, tuple[str, ...]], invariants: tuple[Invariant, ...]
) -> Iterator[Finding]:
    for invariant in invariants:
        for (state, true), story in stories.items():
            if not invariant.holds(state, dict.fromkeys(true, True)):
                yield Finding(promise=invariant.name, subject=state, story=story)
                break
