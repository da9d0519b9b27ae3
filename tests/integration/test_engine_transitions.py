"""The database keeps the same tables of transitions that the code states."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import psycopg
import pytest
from psycopg import sql

from engine.gates.gate import TRANSITIONS as GATE_TRANSITIONS
from engine.runs.run import FINISHED
from engine.runs.run import TRANSITIONS as RUN_TRANSITIONS

REFUSED = "HF002"


@pytest.fixture
def connection(migrated_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(migrated_database, autocommit=True) as opened:
        opened.execute("INSERT INTO holdfast.threads (thread_id) VALUES ('t')")
        yield opened


def allowed(
    connection: psycopg.Connection, table: Mapping[str, Any], insert: str, update: str
) -> dict[str, set[str]]:
    """Try every pair and return what the database let through."""
    found: dict[str, set[str]] = {state: set() for state in table}
    codes = set()
    for was, becomes in product(table, repeat=2):
        with connection.transaction(force_rollback=True):
            connection.execute(sql.SQL(insert), {"state": was, "over": was in FINISHED})
            try:
                connection.execute(sql.SQL(update), {"state": becomes, "over": becomes in FINISHED})
            except psycopg.Error as error:
                codes.add(error.sqlstate)
            else:
                found[was].add(becomes)
    assert codes == {REFUSED}
    return found


def test_a_run_moves_as_its_table_says(connection: psycopg.Connection) -> None:
    found = allowed(
        connection,
        RUN_TRANSITIONS,
        "INSERT INTO holdfast.runs"
        " (run_id, thread_id, assistant_id, graph_id, status, finished_at)"
        " VALUES ('r', 't', 'a', 'g', %(state)s, CASE WHEN %(over)s THEN now() END)",
        "UPDATE holdfast.runs"
        " SET status = %(state)s, finished_at = CASE WHEN %(over)s THEN now() END",
    )

    assert found == {was: {was, *after} for was, after in RUN_TRANSITIONS.items()}


def test_a_gate_moves_as_its_table_says(connection: psycopg.Connection) -> None:
    found = allowed(
        connection,
        GATE_TRANSITIONS,
        "INSERT INTO holdfast.gates (gate_id, interrupt_id, thread_id, run_id, assistant_id,"
        " graph_id, node, task_id, checkpoint_id, dialect, value, review, title, allowed,"
        " fingerprint, effective_at, decided_by, decided_at, state)"
        " VALUES ('i', 'i', 't', 'r', 'a', 'g', 'n', 'k', 'c', 'raw', '{}', '{}', 'go on?',"
        " '{answer}', 'f', now(), 'ann', now(), %(state)s)",
        "UPDATE holdfast.gates SET state = %(state)s",
    )

    assert found == {was: {was, *after} for was, after in GATE_TRANSITIONS.items()}
