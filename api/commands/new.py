"""`holdfast new`: a small project to start from."""

from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from api.commands.server import CommandError


class Example(StrEnum):
    """The projects that can be written."""

    LETTER = "letter"
    PURCHASE_ORDER = "purchase-order"


# In the package under a name that tools which build and search packages leave alone.
FILES = {
    Example.LETTER: {
        "agent.py": "agent.py",
        "langgraph.json": "langgraph.json",
        ".env": "env.example",
        ".env.example": "env.example",
        ".gitignore": "gitignore",
        "README.md": "README.md",
    },
    Example.PURCHASE_ORDER: {
        "langgraph.json": "purchase_order/langgraph.json",
        ".gitignore": "gitignore",
        "README.md": "purchase_order/README.md",
    },
}


def new(
    directory: Annotated[Path, typer.Argument(help="The folder to make; it may exist.")],
    example: Annotated[
        Example,
        typer.Option(
            help="A graph of your own that asks before it acts, or the process from invoice to"
            " purchase order that comes along."
        ),
    ] = Example.LETTER,
) -> None:
    """Write a small project that runs.

    Examples:

      holdfast new my-agents

      holdfast new orders --example purchase-order
    """
    sources = FILES[example]
    taken = [name for name in sources if (directory / name).exists()]
    if taken:
        raise CommandError(f"{directory} already has {', '.join(taken)}; nothing was written")
    directory.mkdir(parents=True, exist_ok=True)
    for name, source in sources.items():
        (directory / name).write_bytes((files("api") / "new_project" / source).read_bytes())
    typer.echo(f"Made {directory}. Next:\n\n  cd {directory}\n  holdfast serve")
