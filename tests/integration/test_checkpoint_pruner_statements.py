"""Every statement of the pruner is one that PostgreSQL understands."""

import re
from datetime import UTC, datetime
from importlib.resources import files

import psycopg
import pytest
from psycopg import sql

from checkpoint_pruner.guard import install_guard
from checkpoint_pruner.statements import planned, statement
from tests.pruner.rows import write_store

HEADS = {"kept", "idle"}
BEHIND_IDLE = {"delete_idle", "count_idle"}
BEHIND_KEPT = {
    "collapse_history",
    "delete_unkept",
    "count_unkept",
    "explain_kept",
    "select_boundaries",
    "set_aside_kept",
}
UTILITY = {"lock_tables", "empty_tables"}
NAMES = sorted(
    entry.name.removesuffix(".sql")
    for entry in files("checkpoint_pruner").joinpath("sql").iterdir()
)


@pytest.fixture(scope="module")
def everything(create_database, langgraph_template: str) -> str:
    """Return a database with every table that any statement names."""
    conninfo = create_database(langgraph_template)
    install_guard(conninfo)
    write_store(conninfo, 1, expires_at=datetime.now(UTC))
    return conninfo


@pytest.mark.parametrize(
    "name",
    [n for n in NAMES if n not in HEADS and not n.startswith(("create_", "drop_", "grant_"))],
)
def test_the_statement_can_be_planned(everything: str, name: str):
    if name in UTILITY:
        pytest.skip("PostgreSQL plans no utility statement")
    query = (
        planned(name)
        if name in BEHIND_KEPT
        else planned(name, plan="idle")
        if name in BEHIND_IDLE
        else statement(name)
    ).decode()
    numbers: dict[str, int] = {}

    def place(match: re.Match[str]) -> str:
        return f"${numbers.setdefault(match[1], len(numbers) + 1)}"

    text = re.sub(r"%\((\w+)\)s", place, query).replace("%%", "%")
    with psycopg.connect(everything) as connection:
        for table in ("tables", "blobs", "writes"):
            connection.execute(statement(f"create_compact_{table}"))
        connection.execute(sql.SQL("PREPARE planned AS {}").format(sql.SQL(text)))


@pytest.mark.parametrize("name", NAMES)
def test_the_file_says_what_the_statement_is_for(name: str):
    first, *_ = statement(name).decode().splitlines()

    assert re.fullmatch(r"-- [A-Z].+", first)
    code = re.sub(r"--[^\n]*", "", statement(name).decode())
    assert ";" not in re.sub(r"(?s)\$guard\$.*\$guard\$", "", code)
