"""The documented rights are enough, and no more than needed."""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from checkpoint_pruner import Policy, sweep
from checkpoint_pruner.guard import install_guard
from checkpoint_pruner.report import TABLES
from tests.pruner.rows import ids_of, write_thread

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ["docs/pruning.md", "checkpoint_pruner/README.md"]


def documented_grants(document: str) -> str:
    """Return the first rights that a document grants."""
    [grants, *_] = re.findall(r"```sql\n(GRANT .*?)```", (ROOT / document).read_text(), re.DOTALL)
    return grants


@pytest.fixture(params=DOCUMENTS)
def role(request: pytest.FixtureRequest, checkpoint_database: str) -> Iterator[str]:
    name = f"pruner_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(checkpoint_database, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'local'").format(sql.Identifier(name)))
        for grant in documented_grants(request.param).split(";"):
            if grant.strip():
                owner.execute(re.sub(r"\bpruner$", name, grant.strip()))
        yield name
        owner.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
        owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def as_role(conninfo: str, role: str) -> str:
    return make_conninfo(conninfo, user=role, password="local")


def test_a_sweep_needs_no_more_than_the_documented_rights(checkpoint_database: str, role: str):
    ids = write_thread(checkpoint_database, "t", 30)
    install_guard(checkpoint_database)

    report = sweep(as_role(checkpoint_database, role), Policy(keep_last=4), full=True)

    assert ids_of(checkpoint_database, "t") == ids[-4:]
    assert report.errors == {}


def test_the_report_says_when_the_role_may_not_vacuum(checkpoint_database: str, role: str):
    write_thread(checkpoint_database, "t", 30)

    report = sweep(as_role(checkpoint_database, role), Policy(keep_last=4))

    assert {done.table for done in report.vacuums} == set(TABLES)
    assert all("may not vacuum" in (done.problem or "") for done in report.vacuums)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO checkpoints SELECT 'x', '', 'x', NULL, NULL, '{}', '{}'",
        "UPDATE checkpoints SET checkpoint = '{}'",
        "UPDATE checkpoint_writes SET blob = ''",
        "TRUNCATE checkpoints",
        "DROP TABLE checkpoints",
    ],
)
def test_the_role_can_do_nothing_else(checkpoint_database: str, role: str, statement: str):
    with (
        psycopg.connect(as_role(checkpoint_database, role)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


def test_a_role_with_the_right_vacuums(checkpoint_database: str, role: str):
    with psycopg.connect(checkpoint_database, autocommit=True) as owner:
        if owner.info.server_version < 170000:
            pytest.skip("before PostgreSQL 17 only the owner may vacuum")
        owner.execute(
            sql.SQL(
                "GRANT MAINTAIN ON checkpoints, checkpoint_blobs, checkpoint_writes TO {}"
            ).format(sql.Identifier(role))
        )
    write_thread(checkpoint_database, "t", 30)

    report = sweep(as_role(checkpoint_database, role), Policy(keep_last=4))

    assert [done.problem for done in report.vacuums] == [None, None, None]
