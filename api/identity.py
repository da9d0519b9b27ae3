"""Who acts: the name that decisions and the audit log carry, and what graphs are told."""

from typing import Any

from fastapi.requests import HTTPConnection

USER_HEADER = "x-holdfast-user"
USER_COOKIE = "holdfast_user"
LOCAL_USER = "local"
MAX_NAME_LENGTH = 120


def actor(connection: HTTPConnection) -> str:
    """Return the name of the person or program behind a request.

    An authenticated user (the project's own `auth` handler) comes first; without authentication
    the caller's own word is taken: the header, then the console's cookie, then `local`.
    """
    user = getattr(connection.state, "user", None)
    if user is not None:
        return str(user.identity)
    name = connection.headers.get(USER_HEADER) or connection.cookies.get(USER_COOKIE) or LOCAL_USER
    return name.strip()[:MAX_NAME_LENGTH] or LOCAL_USER


def caller(connection: HTTPConnection) -> dict[str, Any] | None:
    """Return what the project's `auth` handler told of who signed in, for the graphs."""
    user = getattr(connection.state, "user", None)
    if user is None or not user.is_authenticated:
        return None
    return {
        **user.fields,
        "identity": user.identity,
        "display_name": user.display_name,
        "is_authenticated": True,
        "permissions": list(user.permissions),
    }
