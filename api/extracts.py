"""Pick values out of JSON by path: `values.messages[-1].content`."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import InvalidValueError

ROOTS = frozenset({"values", "metadata", "config", "context", "interrupts", "error"})
MAX_PATH = 500

_PATH = re.compile(r"[^.\[\]]+(?:\[-?\d{1,9}\]|\.[^.\[\]]+)*")
_STEP = re.compile(r"\[(-?\d+)\]|([^.\[\]]+)")


def check_paths(paths: Mapping[str, str]) -> None:
    """Refuse paths that cannot be followed.

    Raises:
        InvalidValueError: a path is malformed or begins elsewhere than in `ROOTS`.
    """
    for name, path in paths.items():
        root = re.split(r"[.\[]", path, maxsplit=1)[0]
        if len(path) > MAX_PATH or root not in ROOTS or not _PATH.fullmatch(path):
            raise InvalidValueError(
                f"/extract/{name}",
                f"a path such as values.messages[-1], beginning with {', '.join(sorted(ROOTS))}",
                path,
            )


def extract(document: Mapping[str, Any], path: str) -> Any:
    """Return the value at a path, or None when it leads nowhere."""
    found: Any = document
    for index, key in _STEP.findall(path):
        if index:
            if not isinstance(found, Sequence) or isinstance(found, str):
                return None
            position = int(index)
            if not -len(found) <= position < len(found):
                return None
            found = found[position]
        elif isinstance(found, Mapping):
            found = found.get(key)
        else:
            return None
    return found
