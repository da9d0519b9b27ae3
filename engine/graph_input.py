"""What a graph takes from callers, so that something else is refused at the door."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langgraph.pregel import Pregel
from pydantic.errors import PydanticUserError

from engine.errors import InvalidValueError
from engine.user_messages import USUAL_CHANNELS, message_channels

log = logging.getLogger(__name__)

# How the checked types are called in a refusal.
NAMES: Mapping[str, str] = {
    "object": "an object",
    "array": "an array",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What a graph takes; by default that of one which nobody has seen yet.

    Attributes:
        types: the JSON types of its input, see `input_types`; None for any.
        message_channels: where it keeps messages.
    """

    types: frozenset[str] | None = None
    message_channels: frozenset[str] = USUAL_CHANNELS

    @classmethod
    def of(cls, graph: Pregel[Any, Any, Any, Any]) -> "Intake":
        """Return what a compiled graph takes."""
        return cls(types=input_types(graph), message_channels=message_channels(graph))


def input_types(graph: Pregel[Any, Any, Any, Any]) -> frozenset[str] | None:
    """Return the JSON types that a graph's input schema allows; None for any.

    Only the outermost type counts: LangGraph itself reads an input leniently, and what a state
    leaves out may be there from an earlier run.
    """
    builder = getattr(graph, "builder", None)
    if builder is not None and "__root__" not in builder.channels:
        return frozenset({"object"})
    try:
        schema = graph.get_input_jsonschema()
    except (PydanticUserError, TypeError, ValueError, NameError) as error:
        log.info("schema_unavailable", extra={"reason": str(error)})
        return None
    return _types(schema, schema.get("$defs", {}))


def check_input(value: Any, types: frozenset[str] | None) -> None:
    """Check an input against `input_types`; None, which goes on from where the thread is, fits.

    Raises:
        InvalidValueError: it is of another type.
    """
    if types is None or value is None or types & _types_of(value):
        return
    wanted = " or ".join(NAMES[name] for name in NAMES if name in types)
    raise InvalidValueError("/input", f"{wanted}, as the graph's input schema says", value)


def _types(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> frozenset[str] | None:
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return _types(definitions[name], definitions) if name in definitions else None
    for key in ("anyOf", "oneOf"):
        if key in schema:
            found = [_types(option, definitions) for option in schema[key]]
            if None in found:
                return None
            return frozenset[str]().union(*(types for types in found if types is not None))
    named = schema.get("type")
    if isinstance(named, str):
        return frozenset({named})
    return frozenset(named) if isinstance(named, list) else None


def _types_of(value: Any) -> frozenset[str]:
    match value:
        case bool():
            return frozenset({"boolean"})
        case int():
            return frozenset({"integer", "number"})
        case float():
            whole = {"integer"} if value.is_integer() else set[str]()
            return frozenset({"number", *whole})
        case str():
            return frozenset({"string"})
        case list():
            return frozenset({"array"})
        case _:
            return frozenset({"object"})
