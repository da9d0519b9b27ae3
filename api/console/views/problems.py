"""Refusals of the engine as pages and as words of the next page."""

from collections.abc import Mapping

from fastapi import Request, Response

from api.console.render import page
from engine.errors import (
    ConflictError,
    EngineError,
    ForbiddenError,
    GoneError,
    InvalidDecisionError,
    NotFoundError,
    PreconditionFailedError,
)

STATUS: Mapping[type[EngineError], int] = {
    NotFoundError: 404,
    InvalidDecisionError: 422,
    PreconditionFailedError: 412,
    ConflictError: 409,
    GoneError: 410,
    ForbiddenError: 403,
}


def status_of(error: EngineError) -> int:
    """Return the HTTP status of a refusal."""
    return next((code for kind, code in STATUS.items() if isinstance(error, kind)), 400)


def refused(request: Request, screen: str, error: EngineError) -> Response:
    """Show a refusal as a page of its own."""
    return page(request, "refused.html", screen=screen, status=status_of(error), trouble=str(error))
