"""The JSON Schemas of a graph, as clients make forms from them."""

import logging
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError

from engine.registry import Graph

log = logging.getLogger(__name__)


def graph_schemas(graph_id: str, graph: Graph) -> dict[str, Any]:
    """Return the schemas of a graph's input, output, state, config and context.

    One that cannot be made is None.
    """
    builder = getattr(graph, "builder", None)
    state = getattr(builder, "state_schema", None)
    context = _schema(graph.get_context_jsonschema)
    return {
        "graph_id": graph_id,
        "input_schema": _schema(graph.get_input_jsonschema),
        "output_schema": _schema(graph.get_output_jsonschema),
        "state_schema": _schema(lambda: TypeAdapter(state).json_schema()) if state else None,
        # What clients once put into `configurable` is the context of today.
        "config_schema": context or {"type": "object", "properties": {}},
        "context_schema": context,
    }


def _schema(make: Callable[[], Any]) -> dict[str, Any] | None:
    # A state may hold types that have no JSON Schema; clients then show a plain editor.
    try:
        schema: dict[str, Any] | None = make()
    except (PydanticUserError, TypeError, ValueError, NameError) as error:
        log.info("schema_unavailable", extra={"reason": str(error)})
        return None
    return schema
