"""JSON Schema as reviewers meet it: what is wrong and where, and text turned back into numbers."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

Schema = Mapping[str, Any]

# An empty registry: a schema that points to a network address is refused, never fetched.
OFFLINE: Registry[Any] = Registry()
MAX_DEPTH = 32  # of following references and nesting, against schemas that refer to themselves
MAX_FLAWS = 50
MAX_NUMBER_LENGTH = 40  # digits; a longer text is not a number that anybody typed
MAX_STEPS = 5_000  # of turning text into types, where unions hold unions
REFERENCES = ("$ref", "$dynamicRef")
IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")
TRUE_WORDS = ("true", "yes", "1", "on")
FALSE_WORDS = ("false", "no", "0", "off")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One thing wrong with a value.

    Attributes:
        pointer: JSON pointer (RFC 6901) to the place, "" for the whole value.
        message: what would be right there.
    """

    pointer: str
    message: str


def is_usable(schema: object) -> TypeGuard[Schema]:
    """Tell whether a value is a JSON Schema (draft 2020-12) that can be evaluated here and ends.

    Refused are references to other documents, and schemas that refer to themselves without going
    deeper into the value: their evaluation does not end.
    """
    if not isinstance(schema, Mapping):
        return False
    try:
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError, Unresolvable, ValueError):
        return False
    return all(
        reference.startswith("#") and _follow({"$ref": reference}, schema) is not None
        for reference in _references(schema)
    ) and _ends(schema)


def flaws(schema: Schema | None, value: object, *, at: str = "") -> list[Flaw]:
    """Return what keeps `value` from fitting `schema`; each pointer starts with `at`."""
    if schema is None:
        return []
    validator = Draft202012Validator(schema, registry=OFFLINE)
    try:
        return [
            Flaw(pointer=at + _pointer(error), message=error.message[:300])
            for error, _ in zip(
                _leaves(validator.iter_errors(value)), range(MAX_FLAWS), strict=False
            )
        ]
    except (RecursionError, Unresolvable):
        return [Flaw(pointer=at, message="the schema cannot be evaluated for this value")]


def coerce(schema: Schema | None, value: Any) -> Any:
    """Return `value` with text turned into the number, boolean or structure the schema asks for.

    Only what reads exactly as the wanted type is turned: clients of review inboxes send every
    edited field as text. Anything else is returned as it is, for `flaws` to name.
    """
    if schema is None:
        return value
    return _Coercion(schema).apply(schema, value, 0)


def infer(value: Any) -> dict[str, Any]:
    """Return the schema that a value itself suggests: the types of its fields, nothing required."""
    return _infer(value, 0)


def resolve(schema: Any, root: Schema) -> Schema:
    """Follow `$ref` inside `root`; the result carries the definitions that it may refer to."""
    found = _follow(schema, root)
    if found is None:
        return {}
    if found is not root and "$defs" in root and "$defs" not in found:
        return {**found, "$defs": root["$defs"]}
    return found


def _ends(root: Schema) -> bool:
    """Tell whether no part of a schema applies itself to the same place of a value again."""
    done: set[int] = set()
    under_way: set[int] = set()

    def visit(schema: Any) -> bool:
        if not isinstance(schema, Mapping) or id(schema) in done:
            return True
        if id(schema) in under_way:
            return False
        under_way.add(id(schema))
        ends = all(visit(part) for part in _parts_in_place(schema, root))
        under_way.discard(id(schema))
        done.add(id(schema))
        return ends

    return all(visit(part) for part in _all_parts(root))


def _parts_in_place(schema: Schema, root: Schema) -> Iterator[Any]:
    """Yield the schemas that are applied to the same place of a value as this one."""
    for key in REFERENCES:
        if isinstance(schema.get(key), str):
            yield _target(schema[key], root)
    for key in IN_PLACE:
        part = schema.get(key)
        if isinstance(part, list):
            yield from part
        elif key == "dependentSchemas" and isinstance(part, Mapping):
            yield from part.values()
        else:
            yield part


def _all_parts(schema: Any) -> Iterator[Any]:
    if isinstance(schema, Mapping):
        yield schema
    children = schema.values() if isinstance(schema, Mapping) else schema
    if isinstance(children, str) or not isinstance(children, Iterable):
        return
    for child in children:
        yield from _all_parts(child)


def _references(schema: Any, depth: int = 0) -> Iterator[str]:
    if depth > MAX_DEPTH * 2:
        return
    if isinstance(schema, Mapping):
        for key in REFERENCES:
            if isinstance(schema.get(key), str):
                yield schema[key]
        for child in schema.values():
            yield from _references(child, depth + 1)
    elif isinstance(schema, Sequence) and not isinstance(schema, str):
        for child in schema:
            yield from _references(child, depth + 1)


def _follow(schema: Any, root: Schema) -> Schema | None:
    for _ in range(MAX_DEPTH):
        if not isinstance(schema, Mapping):
            return None
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        schema = _target(reference, root)
    return None


def _target(reference: str, root: Schema) -> Any:
    if not reference.startswith("#"):
        return None
    target: Any = root
    for part in [part for part in reference[1:].split("/") if part]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(target, list) and key.isdecimal() and int(key) < len(target):
            target = target[int(key)]
        elif isinstance(target, Mapping) and key in target:
            target = target[key]
        else:
            return None
    return target


def _leaves(errors: Iterator[ValidationError]) -> Iterator[ValidationError]:
    """Yield errors; of a failed union, those of the branch that came closest."""
    for error in errors:
        if error.validator in {"anyOf", "oneOf"} and error.context:
            branches: dict[object, list[ValidationError]] = {}
            for inner in error.context:
                branches.setdefault(inner.schema_path[0], []).append(inner)
            closest = min(branches.values(), key=_distance)
            yield from _leaves(iter(closest))
        else:
            yield error


def _distance(branch: list[ValidationError]) -> tuple[bool, int]:
    # A branch whose discriminating constant differs is not the one that was meant.
    return any(error.validator == "const" for error in branch), len(branch)


def _pointer(error: ValidationError) -> str:
    path = list(error.absolute_path)
    if error.validator == "required" and isinstance(error.validator_value, list):
        missing = [name for name in error.validator_value if f"'{name}' is" in error.message]
        path += missing[:1]
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def _fits(schema: Schema, value: Any, root: Schema) -> bool:
    whole = {**schema, "$defs": root["$defs"]} if "$defs" in root else schema
    try:
        return bool(Draft202012Validator(whole, registry=OFFLINE).is_valid(value))
    except (RecursionError, Unresolvable):
        return False


class _Coercion:
    """Turns text into types by one schema, in a bounded number of steps."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._steps_left = MAX_STEPS

    def apply(self, schema: Any, value: Any, depth: int) -> Any:
        """Return `value` as the part `schema` wants it."""
        found = _follow(schema, self._root)
        self._steps_left -= 1
        if found is None or depth > MAX_DEPTH or self._steps_left < 0:
            return value
        for union in ("anyOf", "oneOf"):
            if isinstance(found.get(union), list):
                return self._apply_union(found[union], value, depth)
        if isinstance(value, str):
            return _read_text(found, value)
        if isinstance(value, dict):
            properties = found.get("properties")
            extra = found.get("additionalProperties")
            fields = properties if isinstance(properties, Mapping) else {}
            return {
                key: self.apply(fields.get(key, extra), item, depth + 1)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self.apply(found.get("items"), item, depth + 1) for item in value]
        return value

    def _apply_union(self, branches: list[Any], value: Any, depth: int) -> Any:
        schemas = [branch for branch in branches if isinstance(branch, Mapping)]
        if any(_fits(branch, value, self._root) for branch in schemas):
            return value
        for branch in schemas:
            candidate = self.apply(branch, value, depth + 1)
            if _fits(branch, candidate, self._root):
                return candidate
        return value


def _read_text(schema: Schema, text: str) -> Any:
    declared = schema.get("type")
    kinds = declared if isinstance(declared, list) else [declared]
    if "string" in kinds or text in _constants(schema):
        return text
    stripped = text.strip()
    if "null" in kinds and not stripped:
        return None
    if "integer" in kinds or "number" in kinds:
        number = _read_number(stripped, whole="number" not in kinds)
        if number is not None:
            return number
    if "boolean" in kinds and stripped.lower() in (*TRUE_WORDS, *FALSE_WORDS):
        return stripped.lower() in TRUE_WORDS
    if "array" in kinds or "object" in kinds:
        return _read_structure(stripped, text, kinds)
    return text


def _constants(schema: Schema) -> list[Any]:
    enum = schema.get("enum")
    return [*(enum if isinstance(enum, list) else []), schema.get("const")]


def _read_number(text: str, *, whole: bool) -> int | float | None:
    if len(text) > MAX_NUMBER_LENGTH or "_" in text or not text.isascii():
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    if whole:
        return int(number) if number.is_integer() else None
    return number


def _read_structure(stripped: str, text: str, kinds: list[Any]) -> Any:
    try:
        decoded = json.loads(stripped)
    except (ValueError, RecursionError):
        return text
    if isinstance(decoded, list) and "array" in kinds:
        return decoded
    if isinstance(decoded, dict) and "object" in kinds:
        return decoded
    return text


def _infer(value: Any, depth: int) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int | float):
        return {"type": "number"}
    if isinstance(value, str):
        return {"type": "string"}
    if depth >= MAX_DEPTH:
        return {}
    if isinstance(value, list):
        kinds = [_infer(item, depth + 1) for item in value]
        alike = kinds and all(kind == kinds[0] for kind in kinds)
        return {"type": "array", "items": kinds[0] if alike else {}}
    if isinstance(value, dict):
        fields = {key: _infer(item, depth + 1) for key, item in value.items()}
        return {"type": "object", "properties": fields}
    return {}
