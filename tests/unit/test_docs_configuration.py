import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic_settings import BaseSettings

from api import cli
from api.commands.project import add_project_commands
from api.settings import Settings
from engine.project import HoldfastSection, Http, Project
from nodes.services.settings import ProcessSettings

PROJECT = Path(__file__).resolve().parents[2]
PAGE = (PROJECT / "docs" / "configuration.md").read_text()
# The server passes on its own; it stands in the page once.
SHARED = frozenset({"database_url"})


def cell(default: Any) -> str:
    if default in (None, ()):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def rows(settings: type[BaseSettings], *, without: frozenset[str] = frozenset()) -> list[str]:
    return [
        f"| `HOLDFAST_{name.upper()}` | {cell(field.default)} | {field.description} |"
        for name, field in settings.model_fields.items()
        if name not in without
    ]


def first_cells(head: str) -> list[str]:
    """Return the first column of the table that begins with these lines."""
    table = PAGE.split(head, 1)[1].split("\n\n", 1)[0]
    return [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| `")]


@pytest.fixture(scope="module")
def commands() -> Mapping[str, Any]:
    """Return the command line's commands, those of this project among them."""
    own = typer.Typer()
    add_project_commands(own, PROJECT / "langgraph.json")
    return {**typer.main.get_group(cli.app).commands, **typer.main.get_group(own).commands}


@pytest.mark.parametrize("row", rows(Settings) + rows(ProcessSettings, without=SHARED))
def test_a_setting_stands_in_the_page_as_in_the_code(row: str) -> None:
    assert row in PAGE.splitlines()


def test_the_page_names_no_setting_that_does_not_exist() -> None:
    known = {*Settings.model_fields, *ProcessSettings.model_fields}

    named = {name.lower() for name in re.findall(r"^\| `HOLDFAST_(\w+)`", PAGE, re.MULTILINE)}

    assert named <= known


def test_every_key_of_a_project_stands_in_the_page() -> None:
    keys = {f"`{name}`" for name in Project.model_fields} - {"`folder`"}

    assert set(first_cells("| key | what it does here |\n|---|---|")) == keys


def test_every_key_under_holdfast_stands_in_the_page() -> None:
    keys = {f"`{name}`" for name in HoldfastSection.model_fields}

    assert set(first_cells("| key of `holdfast` | meaning |\n|---|---|")) == keys


@pytest.mark.parametrize("name", Http.model_fields)
def test_every_key_under_http_stands_in_the_page(name: str) -> None:
    assert re.search(rf"`(http\.)?{name}`", PAGE)


def test_every_command_stands_in_the_page(commands: Mapping[str, Any]) -> None:
    told = re.findall(r"^\| `holdfast (\w+)", PAGE, re.MULTILINE)

    assert sorted(told) == sorted(commands)


@pytest.mark.parametrize("name", ["reviews", "threads", "budgets", "orders"])
def test_every_command_of_a_group_stands_in_the_page(
    name: str, commands: Mapping[str, Any]
) -> None:
    (told,) = re.findall(rf"^\| `holdfast {name} ([^|]*)\|", PAGE, re.MULTILINE)

    assert re.findall(r"\w+", told) == list(commands[name].commands)
