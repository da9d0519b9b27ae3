"""What stays and why: the rules of a sweep as one value that validates itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from types import MappingProxyType
from typing import NamedTuple

from checkpoint_pruner.errors import PolicyError

DEFAULT_KEEP_LAST = 20


class Pin(NamedTuple):
    """One checkpoint that stays whatever the policy says."""

    thread_id: str
    checkpoint_ns: str
    checkpoint_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Rules of a sweep; a checkpoint stays when any of them keeps it.

    The newest checkpoint of every live namespace always stays, with everything it needs.
    """

    keep_last: int | None = None
    """Newest root checkpoints kept per thread; 20 when no rule counts anything."""
    keep_turns: int | None = None
    """Newest turns kept per thread; a turn begins at an input and holds all that follows."""
    keep_nested: int | None = None
    """Newest checkpoints kept per subgraph namespace; None takes `keep_last` (or 20)."""
    older_than: timedelta | None = None
    """Only checkpoints older than this may go; None lets any go."""
    thin_older: bool = False
    """Keep the last checkpoint of each run that fell out of the window."""
    keep_gates: bool = True
    """Keep branch ends that still wait for a person's answer."""
    settle: timedelta = timedelta(minutes=15)
    """Longest superstep of a run: an unfinished step younger than this may be in flight.

    Without the guard, values of threads whose runs save only their last step also stay this long.
    """
    orphan_grace: timedelta = timedelta(hours=1)
    """Age at which rows whose checkpoint was never saved count as abandoned."""
    blob_grace: timedelta = timedelta(0)
    """Wait inside the sweep between deleting checkpoints and deleting values; 0 does not part them.

    Ignored where the guard is installed, which makes the wait needless.
    """
    expire_after: timedelta | None = None
    """Whole threads idle for longer go, unless they wait or run; None keeps all threads."""
    by_graph: Mapping[str, "Policy"] = field(default_factory=dict)
    """Other policies for threads whose newest checkpoint carries this `metadata.graph_id`."""
    by_thread: Mapping[str, "Policy"] = field(default_factory=dict)
    """Other policies for single threads; they win over `by_graph`."""

    def __post_init__(self) -> None:
        if self.keep_last is None and self.keep_turns is None:
            object.__setattr__(self, "keep_last", DEFAULT_KEEP_LAST)
        for name in ("keep_last", "keep_turns", "keep_nested"):
            _check_count(name, getattr(self, name))
        for name in ("older_than", "expire_after"):
            _check_duration(name, getattr(self, name), positive=True)
        for name in ("settle", "orphan_grace", "blob_grace"):
            _check_duration(name, getattr(self, name), positive=False)
        for name in ("by_graph", "by_thread"):
            object.__setattr__(self, name, _check_overrides(name, getattr(self, name)))

    @property
    def nested(self) -> int:
        """Return the number of checkpoints kept per subgraph namespace."""
        return self.keep_nested or self.keep_last or DEFAULT_KEEP_LAST

    @property
    def fewest(self) -> int:
        """Return a number of root checkpoints that no rule of this policy goes below."""
        return min(p.keep_last or p.keep_turns or 1 for p in self.everywhere())

    @property
    def fewest_nested(self) -> int:
        """Return a number of checkpoints that no rule goes below in a subgraph's namespace."""
        return min(p.nested for p in self.everywhere())

    def everywhere(self) -> Iterable["Policy"]:
        """Yield this policy and its overrides."""
        yield self
        yield from self.by_graph.values()
        yield from self.by_thread.values()

    def of(self, thread_id: str, graph_id: str | None = None) -> "Policy":
        """Return the policy that rules one thread."""
        if thread_id in self.by_thread:
            return self.by_thread[thread_id]
        return self.by_graph.get(graph_id, self) if graph_id is not None else self

    def describe(self) -> tuple[str, ...]:
        """Return one plain sentence per rule: what is kept and why."""
        sentences = list(_window_sentences(self))
        sentences.append(
            f"Each subgraph namespace keeps its newest {_count(self.nested, 'checkpoint')}, and a "
            "stateful subgraph also the one that each kept checkpoint would replay from."
        )
        sentences.append(
            "A subgraph call stays exactly as long as the checkpoints it was called from."
        )
        if self.keep_gates:
            sentences.append(
                "Ends of other branches stay while a question to a person is open on them."
            )
        if self.settle:
            sentences.append(
                f"An unfinished step younger than {_duration(self.settle)} stays, because a run "
                "may still be working on it."
            )
            sentences.append(
                "Without the guard, values of a thread whose runs save only their last step stay "
                f"until no step of it is younger than {_duration(self.settle)}."
            )
        sentences.append(
            f"Rows whose checkpoint was never saved stay for {_duration(self.orphan_grace)}, "
            "because a run saves in the background."
        )
        if self.expire_after is not None:
            sentences.append(
                f"A thread idle for longer than {_duration(self.expire_after)} is deleted whole, "
                "unless it waits for an answer or has unfinished work."
            )
        for kind, overrides in (("graph", self.by_graph), ("thread", self.by_thread)):
            sentences.extend(
                f"For {kind} {name!r}: {' '.join(_window_sentences(policy))}"
                for name, policy in overrides.items()
            )
        return tuple(sentences)

    def digest(self) -> str:
        """Return a text that is equal exactly for equal policies."""
        return repr([(f.name, _plain(getattr(self, f.name))) for f in fields(self)])


def parse_pin(text: str) -> Pin:
    """Read `THREAD:NS:ID`; both thread and namespace may hold colons of their own.

    A namespace holds colons only as `node:<uuid>`, so the id is what follows the last colon and
    the thread is what stands before the first one, unless written `THREAD::ID` for the root graph.

    Raises:
        PolicyError: Fewer than two colons, or an empty thread or id.
    """
    head, separator, checkpoint_id = text.rpartition(":")
    thread_id, colon, checkpoint_ns = head.partition(":")
    if head.endswith(":"):
        thread_id, colon, checkpoint_ns = head[:-1], ":", ""
    if not (separator and colon and thread_id and checkpoint_id):
        raise PolicyError(f"a pin is THREAD:NS:ID (NS may be empty), got {text!r}")
    return Pin(thread_id, checkpoint_ns, checkpoint_id)


def _window_sentences(policy: Policy) -> Iterable[str]:
    kept = []
    if policy.keep_last is not None:
        kept.append(f"the newest {_count(policy.keep_last, 'checkpoint')}")
    if policy.keep_turns is not None:
        kept.append(f"the newest {_count(policy.keep_turns, 'turn')}")
    if policy.older_than is not None:
        kept.append(f"every checkpoint younger than {_duration(policy.older_than)}")
    yield (
        f"Each thread keeps {' and '.join(kept)}, so that it resumes and replays inside this "
        "window exactly as if nothing had been removed."
    )
    if policy.thin_older:
        yield "Of older runs the last checkpoint stays, so that their outcome can still be read."


def _check_count(name: str, value: int | None) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise PolicyError(f"{name} must be a whole number of 1 or more, got {value!r}")


def _check_duration(name: str, value: timedelta | None, *, positive: bool) -> None:
    if value is None:
        return
    if not isinstance(value, timedelta):
        raise PolicyError(f"{name} must be a timedelta, got {value!r}")
    if value < timedelta(0) or (positive and not value):
        raise PolicyError(f"{name} must be {'positive' if positive else '0 or more'}, got {value}")


def _check_overrides(name: str, overrides: Mapping[str, Policy]) -> Mapping[str, Policy]:
    for key, policy in overrides.items():
        if not isinstance(policy, Policy):
            raise PolicyError(f"{name}[{key!r}] must be a Policy, got {policy!r}")
        if policy.by_graph or policy.by_thread:
            raise PolicyError(f"{name}[{key!r}] must not hold overrides of its own")
    return MappingProxyType(dict(overrides))


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return sorted((key, policy.digest()) for key, policy in value.items())
    return value


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}s" if number != 1 else noun


def _duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}{'' if seconds == size else 's'}"
    return f"{value.total_seconds():g} seconds"
