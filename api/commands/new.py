"""`holdfast new`: a small project to start from."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from api.commands.server import CommandError

# In the package under a name that tools which build and search packages leave alone.
FILES = {
    "agent.py": "agent.py",
    "langgraph.json": "langgraph.json",
    "env.example": ".env.example",
    "gitignore": ".gitignore",
    "README.md": "README.md",
}


def new(
    directory: Annotated[Path, typer.Argument(help="The folder to make; it may exist.")],
) -> None:
    """Write a small project that runs: one graph that asks before it acts."""
    taken = [name for name in FILES.values() if (directory / name).exists()]
    if taken:
        raise CommandError(f"{directory} already has {', '.join(taken)}; nothing was written")
    directory.mkdir(parents=True, exist_ok=True)
    for source, name in FILES.items():
        (directory / name).write_bytes((files("api") / "new_project" / source).read_bytes())
    typer.echo(f"Made {directory}. Next:\n\n  cd {directory}\n  holdfast serve")
