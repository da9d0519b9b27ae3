"""The Heart: a process as a table of states and edges, and the one function that moves along it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from state.errors import IllegalMoveError

Actor = Literal["brain", "process", "person", "timer"]
"""Who asks for a move: a model, the process's own code, a reviewer, or a deadline."""

Facts = Mapping[str, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One state of a process.

    Attributes:
        name: what the stored state and every message call it.
        final: no edge leaves it.
        waits: the process may stop here until a person or another system answers.
    """

    name: str
    final: bool = False
    waits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A permitted move.

    Attributes:
        event: the verb of the move, unique among the edges that leave `source`.
        source: state before.
        target: state after; equal to `source` where only facts change.
        by: who may ask for it.
        requires: guards: facts that must have these values.
        sets: facts after the move.
        effect: what the outside world is asked for, None for a move on paper.
        destructive: whether the effect cannot be taken back, so that approval comes before it.
        at_most: how often one process may pass it, None for as often as its guards let it.
    """

    event: str
    source: str
    target: str
    by: frozenset[Actor]
    requires: Facts = field(default_factory=dict)
    sets: Facts = field(default_factory=dict)
    effect: str | None = None
    destructive: bool = False
    at_most: int | None = None

    def unmet(self, facts: Facts) -> list[str]:
        """Return the guards that do not hold, as `fact is not true`."""
        return [
            f"{name} is not {str(value).lower()}"
            for name, value in self.requires.items()
            if facts.get(name, False) is not value
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A process: its states, its edges and the facts that its guards read.

    Attributes:
        name: of the process, used in messages and in its drawing.
        states: every state; the first is where a process begins.
        edges: every move.
        facts: the facts of a process that begins.
    """

    name: str
    states: tuple[State, ...]
    edges: tuple[Edge, ...]
    facts: Facts

    def __post_init__(self) -> None:
        names = [state.name for state in self.states]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name} names a state twice: {names}")
        seen: set[tuple[str, str]] = set()
        for edge in self.edges:
            if edge.source not in names or edge.target not in names:
                raise ValueError(f"{self.name}: edge {edge.event!r} joins an unknown state")
            if (edge.source, edge.event) in seen:
                raise ValueError(f"{self.name}: {edge.event!r} leaves {edge.source!r} twice")
            seen.add((edge.source, edge.event))
            for fact in (*edge.requires, *edge.sets):
                if fact not in self.facts:
                    raise ValueError(f"{self.name}: {edge.event!r} uses unknown fact {fact!r}")

    @property
    def initial(self) -> str:
        """The state where a process begins."""
        return self.states[0].name

    def leaving(self, state: str) -> Iterator[Edge]:
        """Yield the edges that leave a state."""
        return (edge for edge in self.edges if edge.source == state)

    def legal(self, state: str, facts: Facts, by: Actor) -> list[str]:
        """Return the states that can be reached now in one move that `by` may ask for."""
        targets = (e.target for e in self.leaving(state) if by in e.by and not e.unmet(facts))
        return list(dict.fromkeys(targets))

    def step(self, state: str, event: str, facts: Facts, by: Actor) -> tuple[str, dict[str, bool]]:
        """Return the state and the facts after an event.

        Raises:
            IllegalMoveError: the table has no such edge, a guard does not hold, or `by` may not.
        """
        for edge in self.leaving(state):
            if edge.event == event:
                return edge.target, self._pass(edge, facts, by)
        raise self._refusal(state, facts, by, event=event)

    def allow(self, state: str, target: str, facts: Facts, by: Actor) -> Edge:
        """Return the edge from `state` to `target` that `by` may ask for now.

        Raises:
            IllegalMoveError: there is none; its values say which states can be reached.
        """
        edges = [edge for edge in self.leaving(state) if edge.target == target and by in edge.by]
        for edge in edges:
            if not edge.unmet(facts):
                return edge
        unmet = [guard for edge in edges for guard in edge.unmet(facts)]
        raise self._refusal(state, facts, by, target=target, unmet=unmet)

    def mermaid(self, current: str | None = None) -> str:
        """Return the table as a Mermaid state diagram, with `current` marked."""
        lines = ["stateDiagram-v2", f"    [*] --> {self.initial}"]
        for edge in self.edges:
            guards = [name if value else f"not {name}" for name, value in edge.requires.items()]
            label = f"{edge.event} [{', '.join(guards)}]" if guards else edge.event
            lines.append(f"    {edge.source} --> {edge.target}: {label}")
        lines += [f"    {state.name} --> [*]" for state in self.states if state.final]
        if current is not None:
            lines += ["    classDef current stroke-width:3px", f"    class {current} current"]
        return "\n".join(lines) + "\n"

    def _pass(self, edge: Edge, facts: Facts, by: Actor) -> dict[str, bool]:
        unmet = edge.unmet(facts)
        if by not in edge.by:
            unmet.append(f"{by} may not {edge.event}")
        if unmet:
            raise self._refusal(edge.source, facts, by, target=edge.target, unmet=unmet)
        return {**facts, **edge.sets}

    def _refusal(
        self,
        state: str,
        facts: Facts,
        by: Actor,
        *,
        target: str | None = None,
        event: str | None = None,
        unmet: list[str] | None = None,
    ) -> IllegalMoveError:
        return IllegalMoveError(
            self.name,
            source=state,
            target=target,
            event=event,
            allowed=self.legal(state, facts, by),
            unmet=unmet or [],
        )
