"""Every SQL file of the services is understood by the database that the migrations make."""

import re
from importlib.resources import files

import psycopg
import pytest
from psycopg import sql

FOLDER = files("nodes.services") / "sql"
NAMES = sorted(entry.name for entry in FOLDER.iterdir() if entry.name.endswith(".sql"))


def numbered(text: str) -> str:
    """Return a statement with `$n` in the place of its named parameters."""
    names: list[str] = []

    def replace(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    return re.sub(r"%\((\w+)\)s", replace, text).replace("%%", "%")


@pytest.mark.parametrize("name", NAMES)
def test_a_statement_can_be_prepared(migrated_database: str, name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")

    with psycopg.connect(migrated_database) as connection:
        connection.execute(sql.SQL("PREPARE one AS ") + sql.SQL(numbered(text)))


@pytest.mark.parametrize("name", NAMES)
def test_a_statement_says_what_it_is_for_and_names_the_tenant(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")

    assert text.startswith("-- ")
    assert "%(tenant)s" in text
