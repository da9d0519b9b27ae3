"""Poison at the border: values that Postgres or a checkpoint cannot hold never reach them.

Clients' JSON is read strictly and refused with a pointer to the fault. What a node wrote is made
storable where nothing is lost by it (NUL and lone surrogates become U+FFFD) and refused where it
would be (numbers that are none, integers over 64 bits, too deep, too big): the run fails with a
sentence and the thread stays at its last good checkpoint.
"""

import json
import math
import re
from collections import Counter as Counted
from dataclasses import dataclass
from typing import Any

from prometheus_client import Counter
from psycopg.types.json import Json, Jsonb

from engine.errors import InvalidValueError
from engine.wire import to_json

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
MAX_DEPTH = 64
# Of one body. A million small ones take seconds and a gigabyte, however few bytes they came in.
MAX_VALUES = 500_000
# LangGraph writes a run's metadata and config into each of its checkpoints.
MAX_METADATA_BYTES = 262_144
# What msgpack (checkpoints) and clients in other languages can hold.
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1
MAX_INTEGER_DIGITS = 19
MAX_SHOWN_DIGITS = 40

replaced_values = Counter(
    "holdfast_replaced_values_total", "Strings of nodes made storable", ["reason"]
)
refused_values = Counter("holdfast_refused_values_total", "Values of nodes refused", ["reason"])

_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_SURROGATE = re.compile("[\ud800-\udfff]")
# A text of JSON, or an unfinished one to the end: found in one pass, whatever comes.
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


class _UnsoundError(Exception):
    """Something inside a value is wrong; its place is told on the way out, and only then."""

    def __init__(self, expected: str, got: Any = None) -> None:
        super().__init__(expected)
        self.expected = expected
        self.got = got
        self.path: list[str] = []

    def at(self, pointer: str) -> InvalidValueError:
        """Return the refusal of the value that stands at `pointer`."""
        place = "".join(f"/{part}" for part in reversed(self.path))
        return InvalidValueError(f"{pointer}{place}" or "/", self.expected, self.got)


@dataclass(frozen=True, slots=True)
class _Unsound:
    """Stands for a value that the decoder refuses, until it is known where it stands."""

    expected: str
    got: str
    key: str | None = None


def decode_json(body: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """Read a client's JSON strictly.

    Args:
        body: UTF-8.
        max_depth: deepest nesting of arrays and objects.

    Raises:
        InvalidValueError: it is no JSON, or holds NaN, infinities, a number too big, a duplicate
            key, half a surrogate pair, or too many values, or is nested too deeply.
    """
    if _values_at_most(body) > MAX_VALUES:
        raise InvalidValueError("/", f"at most {MAX_VALUES} values")
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise InvalidValueError("/", f"UTF-8 text ({error.reason} at {error.start})") from error
    except json.JSONDecodeError as error:
        raise InvalidValueError("/", f"JSON ({error.msg} at {error.pos})") from error
    except RecursionError as error:
        raise InvalidValueError("/", f"nested at most {max_depth} deep") from error
    try:
        _check(value, max_depth)
    except _UnsoundError as flaw:
        raise flaw.at("") from None
    return value


def jsonb(value: Any) -> Jsonb:
    """Wrap any value for a jsonb parameter; NUL and lone surrogates become U+FFFD."""
    return Jsonb(value, dumps=to_storable_json)


def ordered_json(value: Any) -> Json:
    """Wrap any value for a json parameter, which keeps the order of an object's members."""
    return Json(value, dumps=to_storable_json)


def to_storable_json(value: Any) -> str:
    """Return a value as JSON text that jsonb accepts; total, like `to_json`."""
    text = to_json(value)
    if "\\u0000" not in text:
        return text
    return _ESCAPED_NUL.sub(r"\1\\ufffd", text)


def storable_copy(value: Any) -> Any:
    """Return any value as JSON shapes that jsonb accepts."""
    return json.loads(to_storable_json(value))


def storable(value: Any, pointer: str, *, max_depth: int = MAX_DEPTH) -> Any:
    """Return what a node wrote as a checkpoint can hold it: the value itself when it is sound.

    Objects (messages, models) are let be: their text travels in msgpack, which holds it.

    Args:
        value: the value of one channel.
        pointer: JSON pointer of it, for the error.
        max_depth: deepest nesting of lists and dicts.

    Raises:
        InvalidValueError: an integer over 64 bits, nesting beyond `max_depth`, or a NaN or
            infinity that stands alone in its channel.
    """
    if isinstance(value, float) and not math.isfinite(value):
        refused_values.labels("not_finite").inc()
        raise InvalidValueError(pointer, "a finite number", value)
    try:
        return _storable(value, max_depth)
    except _UnsoundError as flaw:
        raise flaw.at(pointer) from None


def check_size(value: Any, pointer: str, *, at_most: int) -> None:
    """Check that a caller's value is no larger than what it is to be kept in.

    Raises:
        InvalidValueError: as JSON it takes more than `at_most` bytes.
    """
    size = len(to_json(value).encode("utf-8", "replace"))
    if size > at_most:
        raise InvalidValueError(pointer, f"at most {at_most} bytes", f"{size} bytes")


def text(value: str) -> str:
    """Return a string without NUL and lone surrogates."""
    if "\0" in value:
        replaced_values.labels("nul").inc()
        value = value.replace("\0", REPLACEMENT)
    if not value.isascii() and _SURROGATE.search(value):
        replaced_values.labels("surrogate").inc()
        value = _SURROGATE.sub(REPLACEMENT, value)
    return value


def _storable(value: Any, depth_left: int) -> Any:
    kind = type(value)
    if kind is str:
        return text(value)
    if kind is int:
        if not MIN_INTEGER <= value <= MAX_INTEGER:
            refused_values.labels("integer").inc()
            raise _UnsoundError("an integer of 64 bits", value)
        return value
    if kind is dict or kind is list:
        if depth_left <= 0:
            refused_values.labels("depth").inc()
            raise _UnsoundError(f"nested less deeply, at most {MAX_DEPTH}", kind())
        return _container(value, depth_left - 1)
    return value


def _container(value: Any, depth_left: int) -> Any:
    # Copied only where something changes: most values are sound, and some are big.
    if type(value) is list:
        items = [_member(place, item, depth_left) for place, item in enumerate(value)]
        changed = any(new is not old for new, old in zip(items, value, strict=True))
        return items if changed else value
    pairs = {
        text(key) if type(key) is str else key: _member(key, item, depth_left)
        for key, item in value.items()
    }
    changed = any(
        new_key is not key or pairs[new_key] is not item
        for new_key, (key, item) in zip(pairs, value.items(), strict=False)
    )
    return pairs if changed or len(pairs) != len(value) else value


def _member(place: Any, value: Any, depth_left: int) -> Any:
    try:
        return _storable(value, depth_left)
    except _UnsoundError as flaw:
        flaw.path.append(str(place))
        raise


def _values_at_most(body: bytes) -> int:
    """Return a number that the values and keys of a JSON text do not exceed."""
    marks = (b",", b":", b"[", b"{")
    if sum(map(body.count, marks)) <= MAX_VALUES:
        return MAX_VALUES
    bare = _TEXT.sub(b"", body)
    return 1 + sum(map(bare.count, marks))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Unsound:
    result = dict(pairs)
    if len(result) < len(pairs):
        twice, _ = Counted(key for key, _ in pairs).most_common(1)[0]
        return _Unsound("given once", twice, twice)
    return result


def _constant(name: str) -> _Unsound:
    return _Unsound("a number of JSON, not NaN or an infinity", name)


def _float(digits: str) -> float | _Unsound:
    value = float(digits)
    if math.isfinite(value):
        return value
    return _Unsound("a number that a double can hold", digits[:MAX_SHOWN_DIGITS])


def _integer(digits: str) -> int | _Unsound:
    # Length first: turning five thousand digits into a number takes time, or fails.
    if len(digits) <= MAX_INTEGER_DIGITS + 1:
        value = int(digits)
        if MIN_INTEGER <= value <= MAX_INTEGER:
            return value
    return _Unsound("an integer of 64 bits", digits[:MAX_SHOWN_DIGITS])


def _check(value: Any, depth_left: int) -> None:
    if isinstance(value, str):
        if not value.isascii() and _SURROGATE.search(value):
            raise _UnsoundError("text without half a surrogate pair", value)
        return
    if isinstance(value, _Unsound):
        flaw = _UnsoundError(value.expected, value.got)
        flaw.path.extend([] if value.key is None else [value.key])
        raise flaw
    if not isinstance(value, dict | list):
        return
    if depth_left <= 0:
        raise _UnsoundError("nested less deeply")
    for key in value if isinstance(value, dict) else ():
        _check(key, depth_left)
    for place, item in value.items() if isinstance(value, dict) else enumerate(value):
        try:
            _check(item, depth_left - 1)
        except _UnsoundError as flaw:
            flaw.path.append(str(place))
            raise
