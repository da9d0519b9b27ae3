"""What is the same in two accounts of one script, whatever ids and clocks they had."""

import json
import re
from collections.abc import Mapping, Sequence
from difflib import unified_diff
from typing import Any

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32}\b")
# Who runs it, and when: not what it does.
DROPPED = frozenset(
    {
        "thread_id",
        "run_id",
        "assistant_id",
        "graph_id",
        "created_at",
        "timestamp",
        "checkpoint_map",
        "__pregel_strict_resume",
    }
)

# Nodes that run at once ask in any order, also in plain LangGraph.
QUESTIONS = frozenset({"interrupts", "__interrupt__"})


class Names:
    """Calls ids by the order in which they are first seen."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def plain(self, value: Any) -> Any:
        """Return a value with names for ids and without what is dropped."""
        match value:
            case str():
                return ID.sub(lambda found: self._name(found[0]), value)
            case Mapping():
                named = {
                    key: self.plain(by_value(item) if key in QUESTIONS else item)
                    for key, item in value.items()
                    if key not in DROPPED
                }
                # A task's metadata is told if there is any; the server's is who runs it.
                if named.get("metadata") == {}:
                    del named["metadata"]
                return {self.plain(key): item for key, item in named.items()}
            case list():
                return [self.plain(item) for item in value]
        return value

    def _name(self, found: str) -> str:
        # The values of a script have ids too, which are the same everywhere.
        return self._seen.setdefault(found, f"<id {len(self._seen) + 1}>")


def by_value(questions: Sequence[Any]) -> list[Any]:
    """Return questions in the order of what they ask."""
    return sorted(questions, key=lambda question: json.dumps(question["value"], sort_keys=True))


def account(observed: Sequence[Any]) -> list[str]:
    """Return what was observed as lines of text, one for each leaf of it."""
    names = Names()
    text = json.dumps(
        [names.plain(item) for item in observed], indent=1, ensure_ascii=False, sort_keys=True
    )
    return text.splitlines()


def difference(expected: Sequence[Any], actual: Sequence[Any]) -> str:
    """Return how two accounts differ; empty when they do not."""
    return "\n".join(
        unified_diff(account(expected), account(actual), "in process", "Holdfast", lineterm="", n=4)
    )


def unordered(events: Sequence[Any]) -> list[Any]:
    """Return the events of things that happen at the same time in an order of their own."""
    return sorted(events, key=lambda event: ID.sub("", json.dumps(event, sort_keys=True)))
