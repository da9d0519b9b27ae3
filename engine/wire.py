"""Values as compact JSON text: whatever a graph holds can be shown, nothing breaks the text."""

import base64
import json
import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from enum import Enum
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel

MAX_DEPTH = 200  # orjson's own limit is 254
TOO_DEEP = "<nested too deeply>"
_SURROGATE = re.compile("[\ud800-\udfff]")
OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z


def to_json(value: Any) -> str:
    """Return a value as compact JSON text.

    Messages, models, dataclasses and named tuples become objects; sets, tuples and deques lists;
    bytes base64; an exception `{"error", "message"}`; NaN and infinities null; a lone surrogate
    `?`; anything unknown its `repr`. Total: it raises for no value.
    """
    try:
        return orjson.dumps(value, default=_simplify, option=OPTIONS).decode()
    except (TypeError, ValueError, RecursionError):
        # Lone surrogates, integers over 64 bits, cycles, keys or depths that orjson refuses.
        return json.dumps(_plain(value, 0), ensure_ascii=False, separators=(",", ":"))


def to_plain(value: Any) -> Any:
    """Return a value as JSON shapes: what `to_json` would write, read back."""
    return json.loads(to_json(value))


def error_payload(error: BaseException) -> dict[str, str]:
    """Return an exception as clients see it: its class and its message."""
    return {"error": type(error).__name__, "message": str(error)}


def _simplify(value: Any) -> Any:
    """Turn one object into something nearer to JSON; its parts are looked at afterwards."""
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, BaseException):
        return error_payload(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return value._asdict()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, str):
        return str(value)
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "to_json") and hasattr(value, "lc_id"):  # a runnable, for example
        return value.to_json()
    if hasattr(value, "__iter__"):
        return list(value)
    slots = getattr(type(value), "__slots__", ())
    if slots and type(value).__module__.startswith("langgraph."):  # Send
        return {name: getattr(value, name) for name in slots if not name.startswith("_")}
    return repr(value)


def _plain(value: Any, depth: int) -> Any:
    """Return JSON shapes, slowly: every string, number and key is checked."""
    if depth > MAX_DEPTH:
        return TOO_DEEP
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return _plain(value.value, depth + 1)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, dict):
        return {_key(key, depth): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_asdict"):
        return [_plain(item, depth + 1) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name, None), depth + 1)
            for field in fields(value)
        }
    return _plain(_simplify(value), depth + 1)


def _key(key: Any, depth: int) -> str:
    plain = _plain(key, depth + 1)
    return plain if isinstance(plain, str) else json.dumps(plain)
