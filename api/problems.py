"""Errors as answers: the one table from error class to status and stable code.

The body serves both kinds of readers: `detail` is what LangGraph's clients show; `type`, `title`,
`status` and the error's values are RFC 9457 problem details.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route

from checkpoint_pruner import CheckpointPrunedError
from engine.errors import (
    AlreadyExistsError,
    ConfigurationError,
    ConflictError,
    EngineError,
    ForbiddenError,
    GoneError,
    IdempotencyInFlightError,
    IdempotencyMismatchError,
    InvalidDecisionError,
    InvalidValueError,
    NotFoundError,
    OverloadedError,
    PreconditionFailedError,
    PruningPausedError,
    ThreadBusyError,
)

log = logging.getLogger(__name__)

# Looked up along the class's ancestors, so a subclass needs a line only when it differs.
STATUS_AND_CODE: Mapping[type[EngineError], tuple[int, str]] = {
    NotFoundError: (404, "not-found"),
    AlreadyExistsError: (409, "already-exists"),
    InvalidValueError: (422, "invalid-value"),
    InvalidDecisionError: (422, "invalid-decision"),
    ThreadBusyError: (409, "thread-busy"),
    PruningPausedError: (409, "pruning-paused"),
    ConflictError: (409, "conflict"),
    GoneError: (410, "gone"),
    PreconditionFailedError: (412, "precondition-failed"),
    ForbiddenError: (403, "forbidden"),
    IdempotencyMismatchError: (422, "idempotency-key-reused"),
    IdempotencyInFlightError: (409, "idempotency-key-in-flight"),
    OverloadedError: (429, "overloaded"),
    ConfigurationError: (500, "configuration"),
    EngineError: (500, "engine"),
}
DATABASE_RETRY_SECONDS = 2
IN_FLIGHT_RETRY_SECONDS = 1


def problem(
    status: int,
    code: str,
    detail: str,
    values: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return an error that LangGraph's clients and problem-details readers both understand."""
    body = {
        **jsonable_encoder(dict(values or {})),
        "detail": detail,
        "type": f"urn:holdfast:problem:{code}",
        "title": code.replace("-", " "),
        "status": status,
    }
    return JSONResponse(body, status_code=status, headers=dict(headers or {}))


def answer(error: EngineError) -> JSONResponse:
    """Return the answer to an error of the engine."""
    status, code = next(
        STATUS_AND_CODE[kind] for kind in type(error).__mro__ if kind in STATUS_AND_CODE
    )
    headers = {}
    if isinstance(error, OverloadedError):
        status = 503 if error.unavailable else 429
        headers["Retry-After"] = str(error.retry_after_seconds)
    elif isinstance(error, IdempotencyInFlightError):
        headers["Retry-After"] = str(IN_FLIGHT_RETRY_SECONDS)
    return problem(status, code, str(error), error.values, headers)


def allowed_methods(request: Request) -> Sequence[str]:
    """Return the methods that a request's path has, where paths with fewer parameters come first.

    Without them a path such as `/threads/search` would be a thread's as well.
    """
    routes = [
        route for route in flat(request.app.routes) if route.path_regex.match(request.url.path)
    ]
    if not routes:
        return ()
    fewest = min(len(route.param_convertors) for route in routes)
    named = [route for route in routes if len(route.param_convertors) == fewest]
    return sorted({method for route in named for method in route.methods or ()})


def flat(routes: Iterable[BaseRoute]) -> Iterator[Route]:
    """Yield the routes of an application, those of its routers too."""
    for route in routes:
        included = getattr(route, "original_router", None)  # FastAPI keeps routers as they are
        if included is not None:
            yield from flat(included.routes)
        elif isinstance(route, Route):
            yield route


def _not_allowed(methods: Sequence[str]) -> JSONResponse:
    return problem(405, "http", "Method Not Allowed", headers={"Allow": ", ".join(methods)})


def install(app: FastAPI) -> None:
    """Make `app` answer every error through this table."""

    @app.exception_handler(EngineError)
    async def engine_error(_: Request, error: EngineError) -> JSONResponse:
        return answer(error)

    @app.exception_handler(CheckpointPrunedError)
    async def pruned(_: Request, error: CheckpointPrunedError) -> JSONResponse:
        values = {
            "thread_id": error.thread_id,
            "checkpoint_ns": error.checkpoint_ns,
            "checkpoint_id": error.checkpoint_id,
        }
        return problem(409, "checkpoint-pruned", str(error), values)

    @app.exception_handler(RequestValidationError)
    async def validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
        methods = allowed_methods(request)
        if request.method not in methods:  # a wider path took the request for its own
            return _not_allowed(methods)
        fields = [
            {
                "pointer": "/" + "/".join(str(part) for part in item["loc"][1:]),
                "in": str(item["loc"][0]),
                "message": item["msg"],
            }
            for item in error.errors()
        ]
        first = fields[0]
        detail = f"{first['in']} {first['pointer']}: {first['message']}"
        return problem(422, "invalid-request", detail, {"errors": fields})

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return _not_allowed(allowed_methods(request))
        return problem(error.status_code, "http", str(error.detail), headers=error.headers)

    @app.exception_handler(psycopg.DataError)
    async def unstorable(_: Request, error: psycopg.DataError) -> JSONResponse:
        # A value that passed every check and still fits no column: the caller's, all the same.
        reason = error.diag.message_primary or type(error).__name__
        return problem(422, "invalid-value", f"a value cannot be stored: {reason}")

    @app.exception_handler(psycopg.OperationalError)
    async def database_away(request: Request, error: psycopg.OperationalError) -> JSONResponse:
        # It is down, full, or too slow. Whether a commit got through nobody knows: the same
        # request with the same Idempotency-Key finds out.
        log.warning("database_unavailable", extra={"path": request.url.path, "error": str(error)})
        return problem(
            503,
            "database-unavailable",
            "the database does not answer; send the request again, with the same Idempotency-Key",
            headers={"Retry-After": str(DATABASE_RETRY_SECONDS)},
        )

    @app.exception_handler(Exception)
    async def unexpected_error(request: Request, error: Exception) -> JSONResponse:
        log.error(
            "request_failed",
            exc_info=error,
            extra={"method": request.method, "path": request.url.path},
        )
        return problem(500, "internal", "internal error; the server's log has the details")
