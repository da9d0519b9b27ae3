"""A project's own checks: what they find is kept, and one that fails is a finding."""

from pathlib import Path

import pytest

from engine.checks import Checks

BOOKS = """
async def right(database_url):
    return []

async def wrong(database_url):
    return [f"{database_url} holds nonsense"]

async def failing(database_url):
    raise ValueError("no such table")
"""


@pytest.fixture
def checks(tmp_path: Path) -> Checks:
    (tmp_path / "some_books.py").write_text(BOOKS)
    paths = {name: f"./some_books.py:{name}" for name in ("right", "wrong", "failing", "missing")}
    return Checks(paths, folder=tmp_path, database_url="db")


@pytest.mark.parametrize(
    ("name", "problems"),
    [
        ("right", []),
        ("wrong", ["db holds nonsense"]),
        ("failing", ["the check ./some_books.py:failing fails: ValueError: no such table"]),
    ],
)
async def test_what_a_check_finds_is_kept(checks: Checks, name: str, problems: list[str]) -> None:
    await checks.run()

    assert checks.latest[name].problems == problems


async def test_a_check_that_does_not_exist_is_a_problem(checks: Checks) -> None:
    await checks.run()

    assert "missing" in checks.latest["missing"].problems[0]
