"""A typed HTML form from a JSON Schema, and the typed value back from what a browser posts.

A field's name is the JSON pointer of its value, so that the server's complaints about a value find
their field. What the form cannot show as fields (unions, free objects) is a field of JSON text.
"""

import json
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

Widget = Literal[
    "text", "textarea", "number", "money", "date", "datetime", "checkbox", "select", "json",
    "group", "table", "list",
]  # fmt: skip

LONG_TEXT = 80  # characters from which a text gets more than one line
MAX_ROWS = 5_000
# Marks in a posted form that a checkbox or a list was there at all.
PRESENT = "@present"
_FORMATS: Mapping[str, Widget] = {"date": "date", "date-time": "datetime"}


class FormError(ValueError):
    """A posted field cannot be read as its type; `pointer` names the field."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer = pointer
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a form.

    Attributes:
        pointer: JSON pointer of the value, also the input's name.
        value: what the input shows, as text; for a checkbox whether it is ticked.
        options: the choices of a select, (text, JSON text) each.
        children: the fields of a group or of the rows of a table (one group a row).
        columns: the titles of a table.
        blank: an empty row of a table, its index written `+`.
    """

    pointer: str
    title: str
    widget: Widget
    value: Any = ""
    help: str = ""
    required: bool = False
    read_only: bool = False
    options: tuple[tuple[str, str], ...] = ()
    children: tuple["Field", ...] = ()
    columns: tuple[str, ...] = ()
    blank: "Field | None" = None
    step: str = "any"
    minimum: Any = None
    maximum: Any = None
    max_length: int | None = None


def fields(schema: Mapping[str, Any], value: Any) -> tuple[Field, ...]:
    """Return the fields of an object's form, filled with `value`."""
    root = _field(schema, value, "", "", required=True, root=schema)
    return root.children if root.widget == "group" else (root,)


def free_field(value: Any) -> Field:
    """Return the field of an answer that nobody described; `free_answer` reads it."""
    return Field(
        pointer="",
        title="Your answer",
        widget="textarea",
        value="" if value is None else value if isinstance(value, str) else json.dumps(value),
        help='Text; or JSON, such as 42, true or {"colour": "blue"}',
        required=True,
    )


def free_answer(text: str) -> Any:
    """Return what a free answer says: the value when it is JSON, the text when it is not.

    Raises:
        FormError: it says nothing.
    """
    said = text.replace("\r\n", "\n").strip()
    if not said:
        raise FormError("", "must say something")
    try:
        return json.loads(said)
    except ValueError:
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field whose value differs between two proposals, as people read it."""

    pointer: str
    title: str
    before: str
    after: str


def differences(schema: Mapping[str, Any], before: Any, after: Any) -> list[Difference]:
    """Return what differs between two values of a form, field by field."""
    old, new = _texts(fields(schema, before)), _texts(fields(schema, after))
    nothing = ("", "")
    return [
        Difference(
            pointer=pointer,
            title=(new.get(pointer) or old[pointer])[0],
            before=old.get(pointer, nothing)[1],
            after=new.get(pointer, nothing)[1],
        )
        for pointer in dict.fromkeys([*old, *new])
        if old.get(pointer, nothing)[1] != new.get(pointer, nothing)[1]
    ]


def reading(field: Field) -> str:
    """Return what a field without children shows, as a reader sees it: amounts in groups."""
    match field.widget:
        case "checkbox":
            return "yes" if field.value else "no"
        case "select":
            return next((text for text, value in field.options if value == field.value), "")
        case "money" if field.value:
            return f"{Decimal(field.value):,f}"
        case _:
            return str(field.value)


def numeric(fields: Sequence[Field]) -> bool:
    """Tell whether a column of a table holds numbers, though perhaps written as texts."""
    if fields[0].widget in ("number", "money"):
        return True
    written = [str(field.value) for field in fields if field.widget == "text" and field.value]
    return bool(written) and all(re.fullmatch(r"-?\d+([.,]\d+)?", one) for one in written)


def overview(field: Field) -> str:
    """Return what a field shows as one line, however much it holds."""
    match field.widget:
        case "table":
            firsts = [overview(row.children[0]) for row in field.children if row.children]
            return f"{len(field.children)}: {'; '.join(firsts)}" if firsts else "none"
        case "group":
            return ", ".join(overview(child) for child in field.children)
        case _:
            return reading(field)


def _texts(shown: tuple[Field, ...], path: str = "") -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for field in shown:
        title = f"{path}, {field.title}" if path else field.title
        if field.widget == "table":  # its rows name it themselves
            found |= _texts(field.children, path)
        elif field.widget == "group":
            found |= _texts(field.children, title)
        else:
            found[field.pointer] = (title, reading(field))
    return found


def parse(schema: Mapping[str, Any], form: Mapping[str, str], original: Any) -> Any:
    """Return the value that a posted form says; what the form does not show stays as it was.

    Raises:
        FormError: a field cannot be read as its type.
    """
    return _parse(schema, form, "", deepcopy(original), schema)


def _resolve(schema: Mapping[str, Any], root: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return the schema behind references and `null` alternatives, and whether null is allowed."""
    nullable = False
    seen = 0
    current = dict(schema)
    while seen < 32:  # a reference may point at itself
        seen += 1
        reference = current.get("$ref")
        if isinstance(reference, str) and reference.startswith("#/"):
            target: Any = root
            for part in reference[2:].split("/"):
                target = target.get(part.replace("~1", "/").replace("~0", "~"), {})
            current = {**target, **{key: current[key] for key in current if key != "$ref"}}
            continue
        choices = current.get("anyOf") or current.get("oneOf")
        if isinstance(choices, list):
            others = [choice for choice in choices if choice.get("type") != "null"]
            nullable = nullable or len(others) < len(choices)
            if len(others) == 1:
                outer = {k: v for k, v in current.items() if k not in ("anyOf", "oneOf")}
                current = {**others[0], **outer}
                continue
        kinds = current.get("type")
        if isinstance(kinds, list):
            others = [kind for kind in kinds if kind != "null"]
            nullable = nullable or len(others) < len(kinds)
            current["type"] = others[0] if len(others) == 1 else others
        break
    return current, nullable


def _widget(schema: Mapping[str, Any], value: Any, root: Mapping[str, Any]) -> Widget:
    if "enum" in schema or "const" in schema:
        return "select"
    match schema.get("type"):
        case "boolean":
            return "checkbox"
        case "integer" | "number":
            return "money" if "x-minor-units" in schema else "number"
        case "string":
            shown = _FORMATS.get(str(schema.get("format", "")), "text")
            long = isinstance(value, str) and (len(value) > LONG_TEXT or "\n" in value)
            return "textarea" if shown == "text" and long else shown
        case "object" if schema.get("properties"):
            return "group"
        case "array" if isinstance(schema.get("items"), dict):
            items, _ = _resolve(schema["items"], root)
            if items.get("type") == "object" and items.get("properties"):
                simple = all(
                    _widget(_resolve(part, root)[0], None, root) not in ("group", "table", "list")
                    for part in items["properties"].values()
                )
                return "table" if simple else "json"
            return "list" if items.get("type") in ("string", "integer", "number") else "json"
        case _:
            return "json"


def _field(
    schema: Mapping[str, Any],
    value: Any,
    pointer: str,
    name: str,
    *,
    required: bool,
    root: Mapping[str, Any],
) -> Field:
    resolved, nullable = _resolve(schema, root)
    widget = _widget(resolved, value, root)
    shared: dict[str, Any] = {
        "pointer": pointer,
        "title": str(resolved.get("title") or _titled(name)),
        "help": str(resolved.get("description") or ""),
        "required": required and not nullable,
        "read_only": bool(resolved.get("readOnly")),
        "max_length": resolved.get("maxLength"),
    }
    match widget:
        case "group":
            return Field(**shared, widget=widget, children=_members(resolved, value, pointer, root))
        case "table":
            rows = value if isinstance(value, list) else []
            items, _ = _resolve(resolved["items"], root)
            return Field(
                **shared,
                widget=widget,
                columns=tuple(
                    str(_resolve(part, root)[0].get("title") or _titled(key))
                    for key, part in items["properties"].items()
                ),
                children=tuple(
                    Field(
                        pointer=f"{pointer}/{index}",
                        title=f"{shared['title']} {index + 1}",
                        widget="group",
                        children=_members(items, row, f"{pointer}/{index}", root),
                    )
                    for index, row in enumerate(rows)
                ),
                blank=Field(
                    pointer=f"{pointer}/+",
                    title="another row",
                    widget="group",
                    children=_members(items, None, f"{pointer}/+", root),
                ),
            )
        case "list":
            lines = value if isinstance(value, list) else []
            return Field(**shared, widget=widget, value="\n".join(str(line) for line in lines))
        case "select":
            choices = resolved.get("enum", [resolved.get("const")])
            options = [(_shown(choice), json.dumps(choice)) for choice in choices]
            if not shared["required"] or value is None:
                options.insert(0, ("", ""))
            elif value not in choices:
                options.insert(0, (_shown(value), json.dumps(value)))
            return Field(**shared, widget=widget, options=tuple(options), value=json.dumps(value))
        case "checkbox":
            return Field(**shared, widget=widget, value=value is True)
        case "money":
            digits = int(resolved["x-minor-units"])
            return Field(
                **shared,
                widget=widget,
                value=_decimal(value, digits),
                step=str(Decimal(1).scaleb(-digits)),
                minimum=_decimal(resolved.get("minimum"), digits),
                maximum=_decimal(resolved.get("maximum"), digits),
            )
        case "number":
            return Field(
                **shared,
                widget=widget,
                value="" if value is None else json.dumps(value),
                step="1" if resolved.get("type") == "integer" else "any",
                minimum=resolved.get("minimum"),
                maximum=resolved.get("maximum"),
            )
        case "json":
            text = "" if value is None and nullable else json.dumps(value, indent=2)
            return Field(**shared, widget=widget, value=text)
        case _:
            return Field(**shared, widget=widget, value="" if value is None else str(value))


def _members(
    schema: Mapping[str, Any], value: Any, pointer: str, root: Mapping[str, Any]
) -> tuple[Field, ...]:
    held = value if isinstance(value, dict) else {}
    required = schema.get("required", ())
    return tuple(
        _field(part, held.get(key), f"{pointer}/{_escaped(key)}", key,
               required=key in required, root=root)
        for key, part in schema["properties"].items()
    )  # fmt: skip


def _parse(
    schema: Mapping[str, Any],
    form: Mapping[str, str],
    pointer: str,
    original: Any,
    root: Mapping[str, Any],
) -> Any:
    resolved, nullable = _resolve(schema, root)
    if resolved.get("readOnly"):
        return original
    widget = _widget(resolved, original, root)
    match widget:
        case "group":
            value = original if isinstance(original, dict) else {}
            if original is None and nullable and not _filled(form, pointer):
                return None
            for key, part in resolved["properties"].items():
                inner = f"{pointer}/{_escaped(key)}"
                if not _posted(form, inner):
                    continue
                parsed = _parse(part, form, inner, value.get(key), root)
                left_out = parsed is None and key not in value
                if not left_out or key in resolved.get("required", ()):
                    value[key] = parsed
            return value
        case "table":
            held = original if isinstance(original, list) else []
            items, _ = _resolve(resolved["items"], root)
            rows = []
            for index in _indices(form, pointer):
                inner = f"{pointer}/{index}"
                before = held[index] if index < len(held) else {}
                if any(form.get(name, "").strip() for name in form if name.startswith(f"{inner}/")):
                    rows.append(_parse(items, form, inner, deepcopy(before), root))
            return rows
        case "list":
            kind = _resolve(resolved["items"], root)[0]
            lines = form.get(pointer, "").splitlines()
            return [_scalar(kind, line.strip(), pointer) for line in lines if line.strip()]
        case "checkbox":
            return form.get(pointer) is not None
        case _:
            text = form.get(pointer, "")
            if not text.strip() and (nullable or original is None):
                return None
            return _scalar(resolved, text, pointer, widget=widget)


def _scalar(
    schema: Mapping[str, Any], text: str, pointer: str, *, widget: Widget | None = None
) -> Any:
    kind = widget or _widget(schema, text, schema)
    if kind in ("json", "select"):
        try:
            return json.loads(text)
        except ValueError as error:
            raise FormError(pointer, f"must be JSON: {error}") from error
    if kind not in ("money", "number"):
        return text.replace("\r\n", "\n")
    try:
        number = Decimal(text.strip().replace(" ", "").replace("\u00a0", ""))
    except InvalidOperation as error:
        raise FormError(pointer, f"must be a number, got {text!r}") from error
    if not number.is_finite():
        raise FormError(pointer, f"must be a number, got {text!r}")
    if kind == "money":
        digits = int(schema["x-minor-units"])
        minor = number.scaleb(digits)
        if minor != minor.to_integral_value():
            raise FormError(pointer, f"may have {digits} decimals, got {text!r}")
        return int(minor)
    if schema.get("type") == "integer":
        if number != number.to_integral_value():
            raise FormError(pointer, f"must be a whole number, got {text!r}")
        return int(number)
    return (
        int(number) if number == number.to_integral_value() and "." not in text else float(number)
    )


def _posted(form: Mapping[str, str], pointer: str) -> bool:
    return any(
        name == pointer or name == f"{PRESENT}{pointer}" or name.startswith(f"{pointer}/")
        for name in form
    )


def _filled(form: Mapping[str, str], pointer: str) -> bool:
    return any(text.strip() for name, text in form.items() if name.startswith(f"{pointer}/"))


def _indices(form: Mapping[str, str], pointer: str) -> list[int]:
    heads = {name[len(pointer) + 1 :].split("/", 1)[0]
             for name in form if name.startswith(f"{pointer}/")}  # fmt: skip
    indices = sorted(int(head) for head in heads if head.isdecimal())
    if len(indices) > MAX_ROWS:  # fewer must never be taken for all
        raise FormError(pointer, f"may have {MAX_ROWS:,} rows, got {len(indices):,}")
    return indices


def _decimal(value: Any, digits: int) -> str:
    if not isinstance(value, int):
        return ""
    return f"{Decimal(value).scaleb(-digits):f}"


def _shown(choice: Any) -> str:
    return choice if isinstance(choice, str) else json.dumps(choice)


def _titled(name: str) -> str:
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:] or "Value"


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
