"""Refuses checkpoint tables that this release was not proven on."""

from typing import Any

import psycopg

from checkpoint_pruner.errors import NoCheckpointTablesError, SchemaDriftError
from checkpoint_pruner.statements import statement

KNOWN_MIGRATIONS = frozenset({9})
"""Versions of `checkpoint_migrations`; langgraph-checkpoint-postgres 2.0.13 to 3.2 end at 9."""

KNOWN_COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    "checkpoints": (
        ("thread_id", "text"),
        ("checkpoint_ns", "text"),
        ("checkpoint_id", "text"),
        ("parent_checkpoint_id", "text"),
        ("type", "text"),
        ("checkpoint", "jsonb"),
        ("metadata", "jsonb"),
    ),
    "checkpoint_blobs": (
        ("thread_id", "text"),
        ("checkpoint_ns", "text"),
        ("channel", "text"),
        ("version", "text"),
        ("type", "text"),
        ("blob", "bytea"),
    ),
    "checkpoint_writes": (
        ("thread_id", "text"),
        ("checkpoint_ns", "text"),
        ("checkpoint_id", "text"),
        ("task_id", "text"),
        ("idx", "integer"),
        ("channel", "text"),
        ("type", "text"),
        ("blob", "bytea"),
        ("task_path", "text"),
    ),
}


def check_schema(connection: psycopg.Connection[Any]) -> None:
    """Compare the tables in the search path with the known ones.

    Raises:
        NoCheckpointTablesError: There are none.
        SchemaDriftError: A table, a column, a type or the migration version is not known.
    """
    found: dict[str, list[tuple[str, str]]] = {table: [] for table in KNOWN_COLUMNS}
    rows = connection.execute(statement("read_schema"), {"tables": list(KNOWN_COLUMNS)})
    for table, column, kind in rows:
        found[table].append((column, kind))
    if not any(found.values()):
        raise NoCheckpointTablesError
    differences = [
        difference
        for table, columns in KNOWN_COLUMNS.items()
        for difference in _compare(table, set(columns), set(found[table]))
    ]
    if not differences:
        row = connection.execute(statement("read_migration")).fetchone()
        version = row[0] if row else None
        if version not in KNOWN_MIGRATIONS:
            known = ", ".join(map(str, sorted(KNOWN_MIGRATIONS)))
            differences.append(f"checkpoint_migrations is at {version}, known: {known}")
    if differences:
        raise SchemaDriftError(differences)


def _compare(table: str, known: set[tuple[str, str]], found: set[tuple[str, str]]) -> list[str]:
    if not found:
        return [f"table {table} does not exist"]
    return [f"{table} lacks column {name} {kind}" for name, kind in sorted(known - found)] + [
        f"{table} has unknown column {name} {kind}" for name, kind in sorted(found - known)
    ]
