"""The project's own handlers (`langgraph_sdk.Auth`): who calls, and what the caller may do."""

import inspect
import json
from collections.abc import Mapping
from typing import Any, get_args

from fastapi import HTTPException
from fastapi.requests import HTTPConnection, Request
from langgraph_sdk import Auth
from langgraph_sdk.auth.types import AuthContext

from api.access import ANYBODY, User
from api.auth_rules import Resource
from api.schemas.runs import snake_case
from engine.errors import ForbiddenError


async def authenticate(auth: Auth, connection: HTTPConnection) -> User:
    """Ask the project's handler who calls; it is given what its parameters name.

    Raises:
        HTTPException: nobody is signed in (401), or the handler's own refusal.
    """
    handler = auth._authenticate_handler  # noqa: SLF001 - the SDK documents it as read by servers
    if handler is None:
        return ANYBODY
    offered: dict[str, Any] = {
        "request": connection,
        "path": connection.url.path,
        "method": connection.scope.get("method", "GET"),
        "path_params": dict(connection.path_params),
        "query_params": dict(connection.query_params),
        "headers": dict(connection.scope["headers"]),
        "authorization": connection.headers.get("authorization"),
        "scopes": connection.scope,
    }
    wanted = inspect.signature(handler).parameters
    if "body" in wanted:
        offered["body"] = await read_body(connection)
    try:
        told = await handler(**{name: offered[name] for name in wanted if name in offered})
    except Auth.exceptions.HTTPException as error:
        raise HTTPException(error.status_code, error.detail, dict(error.headers or {})) from error
    except AssertionError as error:
        raise HTTPException(401, str(error) or "not signed in") from error
    if not told:
        raise HTTPException(401, "not signed in")
    return _as_user(told)


def _as_user(told: Any) -> User:
    if isinstance(told, str):
        return User(told, display_name=told)
    fields: Mapping[str, Any] = told if isinstance(told, Mapping) else _attributes(told)
    identity = str(fields["identity"])
    return User(
        identity,
        tuple(fields.get("permissions") or ()),
        str(fields.get("display_name") or identity),
        bool(fields.get("is_authenticated", True)),
        fields,
    )


def _attributes(told: Any) -> dict[str, Any]:
    names = ("identity", "permissions", "display_name", "is_authenticated")
    return {name: getattr(told, name) for name in names if hasattr(told, name)}


async def ask(auth: Auth, place: tuple[Resource, str], user: User, value: dict[str, Any]) -> Any:
    """Ask the most specific handler of a resource and action; returns its filter, if any.

    Args:
        auth: the project's handlers.
        place: resource and action.
        user: who calls.
        value: the request; the handler may change it in place.

    Raises:
        HTTPException: the handler's own refusal.
        ForbiddenError: the caller may not do this.
    """
    resource, action = place
    handlers = auth._handlers  # noqa: SLF001 - the SDK documents it as read by servers
    places = (place, (resource, "*"), ("*", action))
    found = next((handlers[place] for place in places if handlers.get(place)), None)
    chosen = found or auth._global_handlers  # noqa: SLF001 - the SDK documents it as read by servers
    if not chosen:
        return None
    context = AuthContext(
        permissions=user.permissions,
        user=user,
        resource=resource,
        action=action,  # type: ignore[arg-type]  # one of the SDK's actions, by the table
    )
    try:
        answer = await chosen[-1](ctx=context, value=value)
    except Auth.exceptions.HTTPException as error:
        raise HTTPException(error.status_code, error.detail, dict(error.headers or {})) from error
    except AssertionError as error:
        raise ForbiddenError(str(error) or "not allowed") from error
    if answer is False:
        raise ForbiddenError(f"{user.identity} may not {action} {resource}")
    return answer


def containment(answer: Any) -> dict[str, Any]:
    """Return a handler's filter as what the metadata must contain.

    Raises:
        ForbiddenError: the filter has a condition that cannot be looked up.
    """
    if not isinstance(answer, Mapping):
        return {}
    wanted: dict[str, Any] = {}
    for name, condition in answer.items():
        if not isinstance(condition, Mapping):
            wanted[name] = condition
        elif "$eq" in condition:
            wanted[name] = condition["$eq"]
        elif "$contains" in condition:
            member = condition["$contains"]
            wanted[name] = list(member) if isinstance(member, list | tuple) else [member]
        else:
            raise ForbiddenError(f"the filter on {name!r} is of an unknown kind")
    return wanted


def uncovered(auth: Auth | None) -> list[Resource]:
    """Return the resources that no handler of the project's speaks for."""
    if auth is None or auth._global_handlers:  # noqa: SLF001 - the SDK documents it as read by servers
        return []
    handled = {resource for resource, _ in auth._handlers}  # noqa: SLF001 - the SDK documents it as read by servers
    every: tuple[Resource, ...] = get_args(Resource)
    return [] if "*" in handled else [name for name in every if name not in handled]


async def read_body(connection: HTTPConnection) -> Any:
    """Return the body with its names spelt as the routes read them; None if it is no JSON."""
    if not isinstance(connection, Request):
        return None
    raw = await connection.body()
    try:
        body = json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        return None
    return [snake_case(item) for item in body] if isinstance(body, list) else snake_case(body)
