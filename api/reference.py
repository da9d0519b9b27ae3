"""The description of the API for people: one page made from `/openapi.json`, without any script.

FastAPI's own page loads its viewer from a CDN; this server tells nobody that it is there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from api.console.render import CONTENT_SECURITY_POLICY, environment

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One thing that a request may carry.

    Attributes:
        place: `path`, `query`, `header` or `body`.
    """

    name: str
    place: str
    kind: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    summary: str
    description: str
    given: tuple[Given, ...]


def add_reference(app: FastAPI) -> None:
    """Serve the page at `/docs`."""

    @app.get("/docs", include_in_schema=False)
    async def reference() -> HTMLResponse:
        document = app.openapi()
        template = environment().get_template("reference.html")
        html = template.render(info=document["info"], groups=operations(document))
        return HTMLResponse(html, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})


def operations(document: Mapping[str, Any]) -> dict[str, list[Operation]]:
    """Return the operations of an OpenAPI document, by tag."""
    groups: dict[str, list[Operation]] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                described = item[method]
                tag = (described.get("tags") or ["other"])[0]
                groups.setdefault(tag, []).append(_operation(document, method, path, described))
    return groups


def _operation(
    document: Mapping[str, Any], method: str, path: str, described: Mapping[str, Any]
) -> Operation:
    given = [
        Given(
            name=one["name"],
            place=one["in"],
            kind=_kind(one.get("schema", {})),
            required=one.get("required", False),
            description=one.get("description", ""),
        )
        for one in described.get("parameters", ())
    ]
    body = described.get("requestBody", {}).get("content", {}).get("application/json", {})
    return Operation(
        method=method.upper(),
        path=path,
        summary=described.get("summary", ""),
        description=described.get("description", "").partition("\n\n")[2],
        given=(*given, *_fields(document, body.get("schema", {}))),
    )


def _fields(document: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Given]:
    resolved = _resolved(document, schema)
    required = resolved.get("required", ())
    return [
        Given(
            name=name,
            place="body",
            kind=_kind(one),
            required=name in required,
            description=one.get("description", ""),
        )
        for name, one in resolved.get("properties", {}).items()
    ]


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return document["components"]["schemas"][name] if name else schema


def _kind(schema: Mapping[str, Any]) -> str:
    """Return a schema's type in a word or two."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return " or ".join(dict.fromkeys(_kind(choice) for choice in choices))
    if "enum" in schema:
        return " | ".join(str(choice) for choice in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    kind = schema.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)
