"""What bodies and answers of several nouns share."""

import re
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    create_model,
)
from pydantic.config import JsonDict

# Pieces of JSON Schemas and of their examples.
NULL: JsonDict = {"type": "null"}
STATED: JsonDict = {"not": NULL}
THREAD_ID = "8f14e45f-ceea-4c67-a1b2-0d3403f7e9ca"

MAX_LIMIT = 1_000
MAX_OFFSET = 2**31 - 1
UUID_PATTERN = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


Name = Annotated[
    str,
    # No control characters: neither Postgres nor a log line takes them all.
    StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
PathName = Annotated[Name, Path(description="Any text without control characters.")]


def canonical_uuid(text: str) -> str:
    """Return a UUID in lower case: the one spelling under which it is stored.

    Raises:
        ValueError: it is none.
    """
    if UUID_PATTERN.fullmatch(text) is None:
        raise ValueError("must be a UUID")
    return text.lower()


Uuid = Annotated[
    str,
    AfterValidator(canonical_uuid),
    WithJsonSchema({"type": "string", "format": "uuid"}),
]
PathUuid = Annotated[Uuid, Path(description="A UUID.")]


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# In a body there are types: text or a truth value is no number there; `10.0` is a whole one.
# WHOLE comes last, so that JSON Schemas keep the bounds: `Annotated[int, Field(…), WHOLE]`.
WHOLE = BeforeValidator(_whole)
QueryLimit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="At most so many.")]
QueryOffset = Annotated[int, Field(ge=0, le=MAX_OFFSET, description="Skip so many.")]
Limit = Annotated[
    int, Field(strict=True, ge=1, le=MAX_LIMIT, description="At most so many."), WHOLE
]
Offset = Annotated[int, Field(strict=True, ge=0, le=MAX_OFFSET, description="Skip so many."), WHOLE]
SortOrder = Literal["asc", "desc"]
Metadata = dict[str, Any]


class Strict(BaseModel):
    """A request's part: what is not listed is refused by its name."""

    model_config = ConfigDict(extra="forbid")


class View(BaseModel):
    """An answer's part."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


def examples(*bodies: JsonDict) -> ConfigDict:
    """Return the configuration of a request's part that shows what it looks like."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [*bodies]})


def selectable(view: type[View]) -> type[View]:
    """Return the shape of a view of which a caller may have asked for some fields only."""

    def nothing_required(schema: dict[str, Any]) -> None:
        schema.pop("required", None)

    return create_model(
        f"{view.__name__}Fields",
        __base__=view,
        __doc__=f"{view.__doc__} The asked-for fields of it.",
        __config__=None,
        __cls_kwargs__={"json_schema_extra": nothing_required},
    )


def selectable_list(view: type[View]) -> Any:
    """Return the shape of a list of such views."""
    item: Any = selectable(view)
    return list[item]


class FieldProblem(BaseModel):
    """One field that does not fit."""

    pointer: str = Field(description="JSON pointer to the field.")
    message: str


class Problem(BaseModel):
    """An error: `detail` for people, the rest for programs (RFC 9457)."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "detail": "thread 't-1' not found",
                    "type": "urn:holdfast:problem:not-found",
                    "title": "not found",
                    "status": 404,
                }
            ]
        },
    )

    detail: str
    type: str
    title: str
    status: int
    errors: list[FieldProblem] | None = None


_MEANINGS = {
    400: "The request cannot be read.",
    401: "Nobody is signed in (only with `auth`).",
    403: "Not allowed (only with `auth`).",
    404: "There is no such thing, or it belongs to somebody else.",
    409: "It conflicts with what is there; the fields say with what.",
    410: "Its time has passed.",
    413: "The body is too large.",
    422: "A field does not fit; the pointer says which.",
    429: "Too much work is waiting; `Retry-After` says when to come back.",
    503: "The service cannot work at the moment; `Retry-After` says when to come back.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the error answers of a route, for the API's description."""
    every = {401, 403, 413, 422, *statuses}
    return {
        status: {"model": Problem, "description": _MEANINGS[status]} for status in sorted(every)
    }


def page_headers() -> dict[str, Any]:
    """Return the description of a list's headers."""
    return {
        "X-Pagination-Total": {
            "description": "How many there are on all pages.",
            "schema": {"type": "integer"},
        },
        "X-Pagination-Next": {
            "description": "The offset of the next page, absent on the last.",
            "schema": {"type": "integer"},
        },
    }
