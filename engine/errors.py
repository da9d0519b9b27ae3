"""Rules of the engine that were about to be broken; no HTTP in here (see `api/problems.py`)."""

from collections.abc import Mapping, Sequence
from typing import Any


class EngineError(Exception):
    """Base of every error that the engine raises on purpose.

    The values of the fact are attributes and travel to clients as machine-readable details.
    """

    def __init__(self, message: str, **values: Any) -> None:
        super().__init__(message)
        self.values = values


class NotFoundError(EngineError):
    """Something was named that does not exist (or belongs to somebody else)."""

    def __init__(self, kind: str, identifier: str) -> None:
        super().__init__(f"{kind} {identifier!r} not found", kind=kind, id=identifier)


class AlreadyExistsError(EngineError):
    """An id is taken and the caller asked not to reuse it."""

    def __init__(self, kind: str, identifier: str) -> None:
        super().__init__(f"{kind} {identifier!r} already exists", kind=kind, id=identifier)


class InvalidValueError(EngineError):
    """A value does not fit; `pointer` is a JSON pointer to it, `expected` says what would."""

    def __init__(self, pointer: str, expected: str, got: Any = None) -> None:
        shown = repr(got)
        shown = shown if len(shown) <= 120 else f"{shown[:117]}..."
        super().__init__(
            f"{pointer} must be {expected}, got {shown}", pointer=pointer, expected=expected
        )
        self.pointer = pointer
        self.expected = expected


class InvalidDecisionError(EngineError):
    """A decision does not fit its question; `errors` holds a JSON pointer and a message each."""

    def __init__(self, errors: Sequence[Mapping[str, str]]) -> None:
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(
            f"the decision does not fit at {first['pointer']!r}: {first['message']}{more}",
            errors=[dict(error) for error in errors],
        )


class ConflictError(EngineError):
    """The thing changed, or is in a state that forbids this; the values say which and who."""


class ThreadBusyError(ConflictError):
    """A run was refused because the thread is at work and the caller chose `reject`."""


class PruningPausedError(ConflictError):
    """Somebody paused pruning; the values say who, when, why and until when."""


class GoneError(EngineError):
    """The moment for this has passed, for example a gate that expired."""


class PreconditionFailedError(EngineError):
    """What the caller saw is not what is there now."""


class ForbiddenError(EngineError):
    """This person may not do this."""


class IdempotencyMismatchError(EngineError):
    """An idempotency key was used again with another request."""


class IdempotencyInFlightError(EngineError):
    """The first call with this idempotency key has not finished."""


class OverloadedError(EngineError):
    """Work was refused to keep accepted work healthy; come back after `retry_after_seconds`."""

    def __init__(
        self, message: str, *, retry_after_seconds: int, unavailable: bool = False
    ) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.retry_after_seconds = retry_after_seconds
        self.unavailable = unavailable


class ConfigurationError(EngineError):
    """A setting, a file or a graph cannot be used as it is; the process does not start with it."""
