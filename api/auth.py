"""The project's own authentication and authorisation (`auth.path` in langgraph.json).

One dependency stands before every route. It asks the project's handler who calls, then the most
specific handler for the resource and the action. A filter that the handler returns becomes a
scope: things whose metadata does not contain it do not exist for the caller. A route that cannot
be limited in this way refuses a caller who may see a part only.
"""

import inspect
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from fastapi import Depends, HTTPException
from fastapi.requests import HTTPConnection, Request
from langgraph_sdk import Auth
from langgraph_sdk.auth.types import AuthContext
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as ASGIScope

from api.problems import problem
from api.schemas.runs import snake_case
from engine.assistants import system_assistant_id
from engine.errors import AlreadyExistsError, EngineError, ForbiddenError, NotFoundError
from engine.runtime import Engine

Resource = Literal["threads", "crons", "assistants", "store"]
LimitedBy = Literal["scope", "thread", "review", "run", "body", "none"]

# Said to everybody: that the server lives and what it can do. A link of a message is signed: it
# carries its own permission, for one decision of one person.
PUBLIC_PATHS = frozenset({"/ok", "/info", "/metrics", "/docs", "/openapi.json", "/r/{token}"})
CACHE_SIZE = 1_000
# The permission of a caller who may write messages of every role: a back end of the project.
ANY_ROLE = "messages:any"


@dataclass(frozen=True, slots=True)
class User:
    """The caller, as the project's handler described it.

    Attributes:
        identity: who it is; names the actor in the audit log.
        permissions: what the project's own handlers look at.
        fields: everything else the handler said.
    """

    identity: str
    permissions: Sequence[str] = ()
    display_name: str = ""
    is_authenticated: bool = True
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        return self.fields[key]

    def __contains__(self, key: object) -> bool:
        return key in self.fields

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.fields[name]
        except KeyError as error:
            raise AttributeError(name) from error


ANYBODY = User("anonymous", is_authenticated=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the caller of one request may do.

    Attributes:
        user: None where the project has no authentication.
        scope: what the metadata of a thing must contain to exist for the caller.
        value: the request as the project's handler left it; it may have added metadata, or moved
            a store namespace.
        trusted: whether messages of every role are taken from the caller.
    """

    user: User | None = None
    scope: Mapping[str, Any] = field(default_factory=dict)
    value: Mapping[str, Any] = field(default_factory=dict)
    trusted: bool = True

    def metadata(self, given: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Return metadata to store: the caller's own, under what the handler added."""
        added = self.value.get("metadata")
        if given is None and not added:
            return None
        return {**(given or {}), **(added or {})}

    @property
    def ownership(self) -> dict[str, Any]:
        """The metadata that makes a thing of the caller's exist for the caller."""
        return {**(self.metadata(None) or {}), **self.scope}

    def namespace(self, given: Sequence[str]) -> tuple[str, ...]:
        """Return the store namespace to use: the handler's, or the caller's own."""
        moved = self.value.get("namespace")
        return tuple(given) if moved is None else tuple(moved)


@dataclass(frozen=True, slots=True)
class _Rule:
    """Which handler a route belongs to, and where a filter takes hold."""

    pattern: re.Pattern[str]
    method: str
    resource: Resource
    action: str
    # `scope`: the route itself looks at the scope; `thread`, `review`, `run`, `body`: the thing
    # that the path or the body names is looked up here; `none`: a filter cannot take hold.
    limited_by: LimitedBy


def _rule(
    method: str, pattern: str, resource: Resource, action: str, limited_by: LimitedBy = "scope"
) -> _Rule:
    return _Rule(re.compile(pattern), method, resource, action, limited_by)


OPENS_EVENTS = (
    _rule("POST", r"/threads/\{thread_id\}/stream/events", "threads", "read", "thread"),
    _rule("WEBSOCKET", r"/threads/\{thread_id\}/.*", "threads", "create_run", "thread"),
)
# The first that fits counts; paths are the routes' templates.
RULES: Sequence[_Rule] = (
    _rule("POST", r"/assistants", "assistants", "create"),
    _rule("POST", r"/assistants/(search|count)", "assistants", "search"),
    _rule("POST", r"/assistants/\{[^/]+\}/versions", "assistants", "read"),
    _rule("GET", r"/assistants/.*", "assistants", "read"),
    _rule("DELETE", r"/assistants/.*", "assistants", "delete"),
    _rule("(POST|PATCH)", r"/assistants/.*", "assistants", "update"),
    _rule("POST", r"/runs/crons/(search|count)", "crons", "search"),
    _rule("POST", r"/runs/crons", "crons", "create"),
    _rule("POST", r"/threads/\{thread_id\}/runs/crons", "crons", "create", "thread"),
    _rule("GET", r"/runs/crons/.*", "crons", "read"),
    _rule("PATCH", r"/runs/crons/.*", "crons", "update"),
    _rule("DELETE", r"/runs/crons/.*", "crons", "delete"),
    _rule("PUT", r"/store/items", "store", "put"),
    _rule("GET", r"/store/items", "store", "get"),
    _rule("DELETE", r"/store/items", "store", "delete"),
    _rule("POST", r"/store/items/search", "store", "search"),
    _rule("POST", r"/store/namespaces", "store", "list_namespaces"),
    _rule("POST", r"/threads", "threads", "create"),
    _rule("POST", r"/threads/(search|count)", "threads", "search"),
    _rule("POST", r"/threads/prune", "threads", "delete"),
    _rule("POST", r"/threads/\{thread_id\}/copy", "threads", "read"),
    _rule(
        "POST", r"/threads/\{thread_id\}/(history|state/checkpoint)", "threads", "read", "thread"
    ),
    _rule("POST", r"/threads/\{thread_id\}/state", "threads", "update", "thread"),
    _rule("POST", r"/threads/\{thread_id\}/runs/\{run_id\}/cancel", "threads", "update", "thread"),
    _rule(
        "POST", r"/threads/\{thread_id\}/runs(/(stream|wait))?", "threads", "create_run", "thread"
    ),
    _rule("POST", r"/threads/\{thread_id\}/commands", "threads", "create_run", "thread"),
    *OPENS_EVENTS,
    _rule("GET", r"/threads/\{thread_id\}.*", "threads", "read", "thread"),
    _rule("DELETE", r"/threads/\{thread_id\}/runs/.*", "threads", "update", "thread"),
    _rule("DELETE", r"/threads/\{thread_id\}", "threads", "delete", "thread"),
    _rule("(POST|PATCH)", r"/threads/\{thread_id\}.*", "threads", "update", "thread"),
    _rule("POST", r"/runs/cancel", "threads", "update", "body"),
    _rule("POST", r"/runs(/(stream|wait|batch))?", "threads", "create_run", "body"),
    _rule("GET", r"/runs/\{run_id\}.*", "threads", "read", "run"),
    _rule("POST", r"/mcp", "threads", "create_run"),
    _rule("POST", r"/a2a/\{assistant_id\}", "threads", "create_run"),
    _rule("GET", r"/\.well-known/agent-card\.json", "assistants", "read"),
    _rule("GET", r"/reviews", "threads", "search"),
    # One's own absence: the route refuses every other.
    _rule("(PUT|DELETE)", r"/absences/\{person\}", "threads", "update"),
    _rule("GET", r"/reviews/\{(review_id|gate_id)\}.*", "threads", "read", "review"),
    _rule(
        "(POST|PATCH|DELETE)", r"/reviews/\{(review_id|gate_id)\}.*", "threads", "update", "review"
    ),
    # Both look at each review for themselves.
    _rule("GET", r"/reviews/events", "threads", "search"),
    _rule("POST", r"/reviews/decide", "threads", "update"),
    # The console. Storage, audit and health show everything, so only to who may see everything.
    _rule("GET", r"/|/console|/console/\{name\}", "threads", "search"),
    _rule("(GET|POST)", r"/console/person.*", "threads", "search"),
    _rule("GET", r"/console/reviews(/queue|/alike/\{shape\})?", "threads", "search"),
    _rule("POST", r"/console/reviews/alike/\{shape\}", "threads", "update"),
    _rule("GET", r"/console/reviews/\{review_id\}", "threads", "read", "review"),
    _rule("POST", r"/console/reviews/\{review_id\}/.*", "threads", "update", "review"),
    _rule("GET", r"/console/(runs|threads|graphs)", "threads", "search"),
    _rule("GET", r"/console/graphs/.*", "threads", "search"),
    _rule("POST", r"/console/runs/cancel", "threads", "update"),
    _rule("POST", r"/console/runs/retry", "threads", "create_run"),
    _rule("GET", r"/console/threads/\{thread_id\}.*", "threads", "read", "thread"),
    _rule("POST", r"/console/threads/\{thread_id\}/.*", "threads", "create_run", "thread"),
    _rule("GET", r".*", "threads", "search", "none"),
    _rule(".*", r".*", "threads", "update", "none"),
)


# What runs an assistant, now or by the calendar.
STARTING = frozenset({"create_run", "create"})


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
        body = await _body(connection)
        value = _value(connection, body)
        place = (rule.resource, rule.action)
        scope = _containment(await _ask(auth, place, user, value))
        if scope:
            await _limit(engine, rule, connection, body, scope)
        for item in body if isinstance(body, list) else [body]:
            if item is not body:  # each run of a batch is asked for
                await _ask(auth, place, user, _value(connection, item))
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
        return _containment(await _ask(auth, (resource, action), user, {"metadata": {}}))

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
        user = await _authenticate(auth, connection)
        if cache is not None and key is not None:
            if len(self._known) >= cache.max_size:
                self._known.clear()
            self._known[key] = (time.monotonic() + cache.ttl_seconds, user)
        return user


def access(connection: HTTPConnection) -> Access:
    """Return what the guard found."""
    found: Access = getattr(connection.state, "access", None) or Access()
    return found


async def _allowed(connection: HTTPConnection) -> Access:
    return access(connection)  # a plain function would be sent to a thread


AccessDependency = Annotated[Access, Depends(_allowed)]


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
    answer = await _ask(engine.registry.auth, ("assistants", "read"), connection.state.user, value)
    await engine.assistants.get(assistant.assistant_id, scope=_containment(answer))


def uncovered(auth: Auth | None) -> list[Resource]:
    """Return the resources that no handler of the project's speaks for."""
    if auth is None or auth._global_handlers:  # noqa: SLF001 - the SDK documents it as read by servers
        return []
    handled = {resource for resource, _ in auth._handlers}  # noqa: SLF001 - the SDK documents it as read by servers
    every: tuple[Resource, ...] = get_args(Resource)
    return [] if "*" in handled else [name for name in every if name not in handled]


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


async def _authenticate(auth: Auth, connection: HTTPConnection) -> User:
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
        offered["body"] = await _body(connection)
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


async def _ask(auth: Auth, place: tuple[Resource, str], user: User, value: dict[str, Any]) -> Any:
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


def _containment(answer: Any) -> dict[str, Any]:
    """Return a handler's filter as what the metadata must contain."""
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


async def _limit(
    engine: Engine, rule: _Rule, connection: HTTPConnection, body: Any, scope: Mapping[str, Any]
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
    engine: Engine, rule: _Rule, body: Any, thread_id: str, scope: Mapping[str, Any]
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


def _may_begin(rule: _Rule, body: Any) -> bool:
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


async def _body(connection: HTTPConnection) -> Any:
    """Return the body with its names spelt as the routes read them; None if it is no JSON."""
    if not isinstance(connection, Request):
        return None
    raw = await connection.body()
    try:
        body = json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        return None
    return [snake_case(item) for item in body] if isinstance(body, list) else snake_case(body)
