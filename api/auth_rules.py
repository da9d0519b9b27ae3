"""Which handler of the project's `auth` a route belongs to, and where its filter takes hold."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Resource = Literal["threads", "crons", "assistants", "store"]
LimitedBy = Literal["scope", "thread", "review", "run", "body", "none"]

# Said to everybody: that the server lives and what it can do. A link of a message is signed: it
# carries its own permission, for one decision of one person.
PUBLIC_PATHS = frozenset({"/ok", "/info", "/metrics", "/docs", "/openapi.json", "/r/{token}"})


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route does, in the words of the project's handlers.

    Attributes:
        pattern: of the route's template.
        method: pattern of the method; `WEBSOCKET` for one.
        resource: what the handler is registered for.
        action: what the handler is registered for.
        limited_by: where a filter takes hold. `scope`: the route itself looks at the scope;
            `thread`, `review`, `run`, `body`: the thing that the path or the body names is looked
            up by the guard; `none`: nowhere, so a caller with a filter is refused.
    """

    pattern: re.Pattern[str]
    method: str
    resource: Resource
    action: str
    limited_by: LimitedBy


def _rule(
    method: str, pattern: str, resource: Resource, action: str, limited_by: LimitedBy = "scope"
) -> Rule:
    return Rule(re.compile(pattern), method, resource, action, limited_by)


OPENS_EVENTS = (
    _rule("POST", r"/threads/\{thread_id\}/stream/events", "threads", "read", "thread"),
    _rule("WEBSOCKET", r"/threads/\{thread_id\}/.*", "threads", "create_run", "thread"),
)
# The first that fits counts; paths are the routes' templates.
RULES: Sequence[Rule] = (
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
