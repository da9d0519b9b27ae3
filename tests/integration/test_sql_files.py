"""Every SQL file is understood by the database that the migrations make, and names its tenant."""

import re
from collections.abc import Callable, Iterator
from importlib.abc import Traversable
from importlib.resources import files

import psycopg
import pytest
from psycopg import sql

FOLDERS = ("engine", "nodes.services")
FILES = sorted(
    (f"{package}/{entry.name}", entry)
    for package in FOLDERS
    for entry in (files(package) / "sql").iterdir()
    if entry.name.endswith(".sql")
)
# The pruner works on LangGraph's tables, which know no tenant: what it protects is everybody's.
OF_EVERY_TENANT = {"list_busy_threads.sql", "list_pins.sql"}
every_file = pytest.mark.parametrize(
    "file", [entry for _, entry in FILES], ids=[name for name, _ in FILES]
)


def numbered(text: str) -> str:
    """Return a statement with `$n` in the place of its parameters, and one row for `{rows}`."""
    columns = text.partition("(")[2].partition(")")[0].count(",") + 1
    row = ", ".join(f"${place}" for place in range(1, columns + 1))
    text = text.replace("{rows}", f"({row})")
    names: list[str] = []

    def replace(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    return re.sub(r"%\((\w+)\)s", replace, text).replace("%%", "%")


@pytest.fixture(scope="module")
def connection(
    create_database: Callable[..., str], migrated_template: str
) -> Iterator[psycopg.Connection]:
    """Return a connection to one migrated database that every file is prepared on."""
    with psycopg.connect(create_database(migrated_template), autocommit=True) as opened:
        yield opened


@every_file
def test_a_statement_can_be_prepared(connection: psycopg.Connection, file: Traversable) -> None:
    text = numbered(file.read_text(encoding="utf-8"))

    if re.match(r"(--.*\n)+(SET|LOCK) ", text):  # utility commands cannot be prepared
        with connection.transaction(force_rollback=True):
            connection.execute(sql.SQL(text))
        return
    connection.execute(sql.SQL("PREPARE one AS ") + sql.SQL(text))
    connection.execute("DEALLOCATE one")


@every_file
def test_a_statement_says_what_it_is_for(file: Traversable) -> None:
    assert file.read_text(encoding="utf-8").startswith("-- ")


@every_file
def test_a_statement_on_our_tables_names_the_tenant(file: Traversable) -> None:
    text = file.read_text(encoding="utf-8")
    tables = re.findall(r"(?:FROM|INTO|UPDATE|JOIN) holdfast\.(\w+)", text)

    if set(tables) - {"migrations"} and file.name not in OF_EVERY_TENANT:
        assert "tenant" in text
