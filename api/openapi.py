"""The OpenAPI document: operations in their own words, and how the project's callers sign in."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

SECURITY_SCHEMES = "securitySchemes"


def complete_document(app: FastAPI, security: Mapping[str, Any] | None) -> None:
    """Have each operation summed up by its docstring's first sentence; add the project's security.

    Args:
        app: with all its routes.
        security: `auth.openapi` of langgraph.json, `{"securitySchemes": …, "security": […]}`.
    """
    made = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = made()
        for item in document["paths"].values():
            for operation in item.values():
                if "description" in operation:
                    operation["summary"] = first_sentence(operation["description"])
        if security:
            schemes = document.setdefault("components", {}).setdefault(SECURITY_SCHEMES, {})
            schemes.update(security.get(SECURITY_SCHEMES, {}))
            document["security"] = security.get("security", [])
        return document

    app.openapi = complete  # type: ignore[method-assign]  # as FastAPI's guide does it


def first_sentence(text: str) -> str:
    """Return a docstring's first paragraph on one line, without the period."""
    return " ".join(text.partition("\n\n")[0].split()).rstrip(".")
