"""Keeps the driven zoo and its pruned copies, and sweeps them with the real pruner."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from checkpoint_pruner import Policy, sweep
from tests.pruner.oracle import DURABILITIES, Prune, World, compare
from tests.pruner.zoo import SHAPES


def exact(keep_last: int | None, **rules: Any) -> Policy:
    """Return a window without any grace: nothing in these threads is in flight."""
    none = timedelta(0)
    return Policy(**({"keep_last": keep_last, "settle": none, "orphan_grace": none} | rules))


def sweep_window(conninfo: str, threads: Sequence[str], keep_last: int) -> Any:
    """Sweep threads to an exact window with the real pruner."""
    return sweep(conninfo, exact(keep_last), threads=threads, full=True, vacuum=False)


@dataclass(frozen=True, slots=True)
class Zoo:
    """The driven zoo and its pruned copies."""

    world: World
    threads: dict[tuple[str, str], str]
    """Thread id by shape and durability."""
    copies: dict[str, dict[tuple[str, str], str]]
    """Pruned copies by the name of the pruning."""

    def pruned(self, name: str, prune: Callable[[str, list[str]], Any]) -> dict[Any, str]:
        """Return copies of all threads, pruned together in one go; made once per `name`."""
        if name not in self.copies:
            copies = {
                key: self.world.clone(thread_id, f"{thread_id}/{name}")
                for key, thread_id in self.threads.items()
            }
            prune(self.world.conninfo, list(copies.values()))
            self.copies[name] = copies
        return self.copies[name]

    def window(self, prune: Prune, keep_last: int, name: str = "swept") -> dict[Any, str]:
        """Return copies pruned to a window of `keep_last`."""
        return self.pruned(
            f"{name}/{keep_last}", lambda conninfo, threads: prune(conninfo, threads, keep_last)
        )


def mismatches(zoo: Zoo, name: str, copies: dict[Any, str], keep_last: int) -> list[str]:
    """Return all differences of one shape's pruned copies, and what they left behind."""
    found = []
    for durability in DURABILITIES:
        copy = copies[name, durability]
        found += compare(
            zoo.world,
            SHAPES[name],
            durability,
            original=zoo.threads[name, durability],
            pruned=copy,
            keep_last=keep_last,
        )
        if left := zoo.world.leftovers(copy):
            found.append(f"{copy} leaves {left}")
    return found
