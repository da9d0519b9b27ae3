"""The project's own authentication and authorisation (`auth.path` in langgraph.json).

One dependency stands before every route. It asks the project's handler who calls, then the most
specific handler for the resource and the action. A filter that the handler returns becomes a
scope: things whose metadata does not contain it do not exist for the caller. A route that cannot
be limited in this way refuses a caller who may see a part only.
"""

import re
import time
from collections.abc import Mapping
from typing import Any

from fastapi import HTTPException
from fastapi.requests import HTTPConnection
from langgraph_sdk import Auth
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as ASGIScope

from api.access import ANY_ROLE, ANYBODY, Access, User
from api.auth_handlers import ask, authenticate, containment, read_body
from api.auth_rules import OPENS_EVENTS, PUBLIC_PATHS, RULES, STARTING, Resource, Rule
from api.problems import problem
from engine.assistants import system_assistant_id
from engine.errors import AlreadyExistsError, EngineError, ForbiddenError, NotFoundError
from engine.runtime import Engine


class Guard:
    """The dependency before every route; one per application."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], tuple[float, User]] = {}

    async def __call__(self, connection: HTTPConnection) -> None:
        """Let a request pass as far as its caller may go.

        Raises:
            HTTPException: nobody is signed in (401).
            ForbiddenError: the caller may not do this.
            NotFoundError: what it names is not the caller's.
        """
        engine: Engine = connection.app.state.engine
        auth = engine.registry.auth
        template = str(getattr(connection.scope.get("route"), "path", connection.url.path))
        if auth is None or template in PUBLIC_PATHS:
            connection.state.access = Access(trusted=_trusts(connection, ANYBODY))
            return
        user = await self.sign_in(connection)
        method = str(connection.scope.get("method", "WEBSOCKET"))
        rule = next(
            rule
            for rule in RULES
            if re.fullmatch(rule.method, method) and rule.pattern.fullmatch(template)
        )
        body = await read_body(connection)
        value = _value(connection, body)
        place = (rule.resource, rule.action)
        scope = containment(await ask(auth, place, user, value))
        if scope:
            await _limit(engine, rule, connection, body, scope)
        for item in body if isinstance(body, list) else [body]:
            if item is not body:  # each run of a batch is asked for
                await ask(auth, place, user, _value(connection, item))
            if isinstance(item, Mapping) and rule.action in STARTING and "assistant_id" in item:
                await check_assistant(connection, str(item["assistant_id"]))
        trusted = _trusts(connection, user)
        connection.state.access = Access(user=user, scope=scope, value=value, trusted=trusted)

    async def scope_of(
        self, connection: HTTPConnection, resource: Resource, action: str
    ) -> Mapping[str, Any]:
        """Return what the caller may see of something else than the route is about.

        Raises:
            ForbiddenError: nothing.
        """
        engine: Engine = connection.app.state.engine
        auth = engine.registry.auth
        if auth is None:
            return {}
        user = connection.state.user
        return containment(await ask(auth, (resource, action), user, {"metadata": {}}))

    async def sign_in(self, connection: HTTPConnection) -> User:
        """Find out who calls, and remember it with the request.

        Raises:
            HTTPException: nobody is signed in.
        """
        engine: Engine = connection.app.state.engine
        if engine.registry.auth is None:
            return ANYBODY
        user = await self._user(engine, engine.registry.auth, connection)
        connection.state.user = user
        return user

    async def _user(self, engine: Engine, auth: Auth, connection: HTTPConnection) -> User:
        section = engine.project.auth
        cache = section.cache if section else None
        key: tuple[str, ...] | None = None
        if cache is not None and cache.cache_keys:
            key = tuple(connection.headers.get(name, "") for name in cache.cache_keys)
            found = self._known.get(key)
            if found is not None and found[0] > time.monotonic():
                return found[1]
        user = await authenticate(auth, connection)
        if cache is not None and key is not None:
            if len(self._known) >= cache.max_size:
                self._known.clear()
            self._known[key] = (time.monotonic() + cache.ttl_seconds, user)
        return user


def _trusts(connection: HTTPConnection, user: User) -> bool:
    """Tell whether messages of every role are taken from a caller."""
    engine: Engine = connection.app.state.engine
    roles = engine.project.holdfast.message_roles
    if roles is None:
        exposed = connection.app.state.settings.allow_unauthenticated
        roles = "user" if exposed or engine.registry.auth is not None else "any"
    return roles == "any" or ANY_ROLE in user.permissions


async def check_assistant(connection: HTTPConnection, assistant_id: str) -> None:
    """Refuse to run an assistant that the caller may not read; a graph's own is for all.

    Raises:
        ForbiddenError: the project's handler says no.
        NotFoundError: it is not the caller's.
    """
    engine: Engine = connection.app.state.engine
    if engine.registry.auth is None:
        return
    try:
        assistant = await engine.assistants.get(assistant_id)
    except EngineError:
        return  # the route says what is wrong with it
    if assistant.assistant_id == system_assistant_id(assistant.graph_id):
        return
    value = {"assistant_id": assistant.assistant_id, "metadata": {}}
    answer = await ask(engine.registry.auth, ("assistants", "read"), connection.state.user, value)
    await engine.assistants.get(assistant.assistant_id, scope=containment(answer))


class GuardedApp:
    """The project's own application behind its own authentication (`enable_custom_route_auth`)."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self.app = app
        self.guard = guard

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] in ("http", "websocket"):
            try:
                await self.guard.sign_in(HTTPConnection(scope))
            except HTTPException as error:
                refusal = problem(error.status_code, "http", str(error.detail), None, error.headers)
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)


async def _limit(
    engine: Engine, rule: Rule, connection: HTTPConnection, body: Any, scope: Mapping[str, Any]
) -> None:
    """Check that the threads a route is about are in the caller's scope."""
    names = connection.path_params
    thread_ids: list[str]
    match rule.limited_by:
        case "scope":
            return
        case "thread":
            thread_ids = [_stored(names["thread_id"])]
        case "run":
            thread_ids = [(await engine.runs.get(str(names["run_id"]))).thread_id]
        case "review":
            gate_id = str(names.get("review_id") or names.get("gate_id"))
            async with engine.database.pool.connection() as database_connection:
                thread_ids = [(await engine.gates.get(database_connection, gate_id)).thread_id]
        case "body":
            thread_ids = _named_threads(body)
            if rule.action != "create_run" and not thread_ids:
                raise ForbiddenError("name the thread_id; not everything here is yours")
        case _:
            raise ForbiddenError("this cannot be limited to what is yours")
    for thread_id in thread_ids:
        await _limit_thread(engine, rule, body, thread_id, scope)


async def _limit_thread(
    engine: Engine, rule: Rule, body: Any, thread_id: str, scope: Mapping[str, Any]
) -> None:
    try:
        await engine.threads.get(thread_id, scope=scope)
    except NotFoundError:
        if not _may_begin(rule, body):
            raise
        # It would be made by the run that is to come; made here, it is the caller's at once.
        try:
            async with engine.database.transaction() as connection:
                await engine.threads.create(connection, thread_id=thread_id, metadata=scope)
        except AlreadyExistsError as error:
            raise NotFoundError("thread", thread_id) from error


def _may_begin(rule: Rule, body: Any) -> bool:
    """Tell whether a request may be about a thread that is not there yet."""
    if rule in OPENS_EVENTS:  # clients of protocol v2 listen first
        return True
    asked = isinstance(body, Mapping) and (
        body.get("if_not_exists") == "create" or body.get("method") == "run.start"
    )
    return rule.action == "create_run" and asked


def _named_threads(body: Any) -> list[str]:
    items = body if isinstance(body, list) else [body]
    return [
        _stored(item["thread_id"])
        for item in items
        if isinstance(item, Mapping) and item.get("thread_id")
    ]


def _stored(thread_id: Any) -> str:
    """Return an id in the one spelling that is stored: the routes read every other as well."""
    return str(thread_id).lower()


def _value(connection: HTTPConnection, body: Any) -> dict[str, Any]:
    value: dict[str, Any] = dict(body) if isinstance(body, Mapping) else {}
    value.update(connection.path_params)
    namespace = value.pop("namespace_prefix", value.get("namespace"))
    if isinstance(namespace, list):
        value["namespace"] = tuple(namespace)
    query = connection.query_params.get("namespace")
    if query is not None and "namespace" not in value:
        value["namespace"] = tuple(query.split("."))
    if "key" in connection.query_params:
        value.setdefault("key", connection.query_params["key"])
    if "prefix" in value:
        value["namespace"] = tuple(value["prefix"] or ())
    if connection.url.path.startswith("/store/"):
        value.setdefault("namespace", ())  # handlers put the caller's own before it
    if isinstance(value.get("metadata"), Mapping):
        value["metadata"] = dict(value["metadata"])
    else:
        value["metadata"] = {}
    return value
