"""What a JSON Schema of this API cannot say; schemathesis loads it and sends only what keeps to it.

Everything else that fits the document has to be taken.
"""

import math
from typing import Any

import schemathesis

MAX_INTEGER = 2**63 - 1
MAX_DEPTH = 16
# Fields whose values only the running server knows, or another grammar describes.
VALUES: dict[str, Any] = {
    "assistant_id": "echo",  # the graphs of the project
    "graph_id": "echo",
    "schedule": "0 5 * * *",  # a cron expression
    "timezone": "Europe/Berlin",
}
# Fields that depend on the project, on another field, or on the database.
LEFT_OUT = frozenset(
    {
        "index",  # needs `store.index`
        "query",
        "webhook",  # an address that may be reached
        "end_time",  # in the future
        "input",  # the graph's own schema
        "values",
        "as_node",
        "supersteps",
        "reason",  # of cancelling: with one action only
        "Idempotency-Key",  # never the same for two requests
    }
)
# The same where a run is started.
LEFT_OUT_OF_RUNS = frozenset(
    {
        "command",  # a question that is open
        "checkpoint",
        "after_seconds",  # to be waited for
        "on_completion",  # by the path
        "on_run_completed",
        "configurable",  # keys of LangGraph's own
        "interrupt_before",  # nodes of the graph
        "interrupt_after",
    }
)


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    return path_parameters and {**path_parameters, **known(path_parameters)}


@schemathesis.hook
def map_query(context, query):
    return query and kept(query)


@schemathesis.hook
def map_headers(context, headers):
    return headers and {name: text for name, text in headers.items() if name not in LEFT_OUT}


@schemathesis.hook
def map_body(context, body):
    return kept(body)


def known(given: dict[str, Any]) -> dict[str, Any]:
    return {name: VALUES[name] for name in given if name in VALUES}


def kept(value: Any, depth: int = 0) -> Any:
    match value:
        case dict():
            left_out = LEFT_OUT
            if "checkpoint_id" in value:
                left_out |= {"thread_id"}  # that of the path
            if "assistant_id" in value:
                left_out |= {"assistant_id"} if "graph_id" in value else LEFT_OUT_OF_RUNS
            return {
                name: VALUES[name] if name in VALUES else kept(item, depth + 1)
                for name, item in value.items()
                if name not in left_out and depth < MAX_DEPTH
            }
        case list():
            return [kept(item, depth + 1) for item in value]
        case bool():
            return value
        case int():
            return max(-MAX_INTEGER, min(value, MAX_INTEGER))
        case float() if not math.isfinite(value):
            return 0.0
        case _:
            return value
