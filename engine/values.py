"""Poison at the border: values that Postgres or a checkpoint cannot hold never reach them.

Clients' JSON is read strictly and refused with a pointer to the fault. What a node wrote is made
storable where nothing is lost by it (NUL and lone surrogates become U+FFFD) and refused where it
would be (numbers that are none, integers over 64 bits, too deep, too big): the run fails with a
sentence and the thread stays at its last good checkpoint.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from prometheus_client import Counter
from psycopg.types.json import Json, Jsonb

from engine.errors import InvalidValueError
from engine.wire import to_json

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
MAX_DEPTH = 64
# What msgpack (checkpoints) and clients in other languages can hold.
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1
MAX_INTEGER_DIGITS = 19

replaced_values = Counter(
    "holdfast_replaced_values_total", "Strings of nodes made storable", ["reason"]
)
refused_values = Counter("holdfast_refused_values_total", "Values of nodes refused", ["reason"])

_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_SURROGATE = re.compile("[\ud800-\udfff]")


def decode_json(body: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """Read a client's JSON strictly.

    Args:
        body: UTF-8.
        max_depth: deepest nesting of arrays and objects.

    Raises:
        InvalidValueError: it is no JSON, or holds NaN, infinities, a number too big, a duplicate
            key, half a surrogate pair, or is nested too deeply.
    """
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
    _check(value, "", max_depth)
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
    return _storable(value, pointer, max_depth)


def text(value: str) -> str:
    """Return a string without NUL and lone surrogates."""
    if "\0" in value:
        replaced_values.labels("nul").inc()
        value = value.replace("\0", REPLACEMENT)
    if not value.isascii() and _SURROGATE.search(value):
        replaced_values.labels("surrogate").inc()
        value = _SURROGATE.sub(REPLACEMENT, value)
    return value


def _storable(value: Any, pointer: str, depth_left: int) -> Any:
    kind = type(value)
    if kind is str:
        return text(value)
    if kind is int:
        if not MIN_INTEGER <= value <= MAX_INTEGER:
            refused_values.labels("integer").inc()
            raise InvalidValueError(pointer, "an integer of 64 bits", value)
        return value
    if kind is dict or kind is list:
        if depth_left <= 0:
            refused_values.labels("depth").inc()
            raise InvalidValueError(pointer, f"nested less deeply, at most {MAX_DEPTH}", kind())
        return _container(value, pointer, depth_left - 1)
    return value


def _container(value: Any, pointer: str, depth_left: int) -> Any:
    # Copied only where something changes: most values are sound, and some are big.
    if type(value) is list:
        items = [_storable(item, pointer, depth_left) for item in value]
        changed = any(new is not old for new, old in zip(items, value, strict=True))
        return items if changed else value
    pairs = {
        text(key) if type(key) is str else key: _storable(item, f"{pointer}/{key}", depth_left)
        for key, item in value.items()
    }
    changed = any(
        new_key is not key or pairs[new_key] is not item
        for new_key, (key, item) in zip(pairs, value.items(), strict=False)
    )
    return pairs if changed or len(pairs) != len(value) else value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InvalidValueError(f"/{twice}", "given once", twice)
    return result


def _constant(name: str) -> Any:
    raise InvalidValueError("/", "JSON without NaN and infinities", name)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise InvalidValueError("/", "numbers that a double can hold", digits)
    return value


def _integer(digits: str) -> int:
    # Length first: turning five thousand digits into a number takes time, or fails.
    if len(digits) <= MAX_INTEGER_DIGITS + 1:
        value = int(digits)
        if MIN_INTEGER <= value <= MAX_INTEGER:
            return value
    raise InvalidValueError("/", "integers of 64 bits", digits)


def _check(value: Any, pointer: str, depth_left: int) -> None:
    if isinstance(value, str):
        if not value.isascii() and _SURROGATE.search(value):
            raise InvalidValueError(pointer or "/", "text without half a surrogate pair", value)
        return
    if not isinstance(value, dict | list):
        return
    if depth_left <= 0:
        raise InvalidValueError(pointer or "/", "nested less deeply")
    members: Mapping[Any, Any] = value if isinstance(value, dict) else dict(enumerate(value))
    for key, item in members.items():
        if isinstance(key, str):
            _check(key, pointer, depth_left)
        _check(item, f"{pointer}/{key}", depth_left - 1)
