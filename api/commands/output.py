"""How commands print: tables as wide as the terminal, or as wide as needed in a pipe."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

PIPE_WIDTH = 200  # characters


def console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Return where a command prints."""
    made = Console(stderr=stderr, quiet=quiet, highlight=False)
    return made if made.is_terminal else Console(
        stderr=stderr, quiet=quiet, highlight=False, width=PIPE_WIDTH
    )  # fmt: skip


def table(first: str, *others: str) -> Table:
    """Return an empty table; its first column, an id, is never wrapped."""
    made = Table(box=None, pad_edge=False)
    made.add_column(first, no_wrap=True)
    for title in others:
        made.add_column(title, overflow="fold")
    return made


def rows(made: Table, lines: Sequence[Sequence[str]]) -> Table:
    """Fill a table with text that is shown as it is."""
    for line in lines:
        made.add_row(*(cell.replace("[", "\\[") for cell in line))
    return made
