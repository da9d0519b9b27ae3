"""The package's SQL, one statement per file under `sql/`."""

from functools import cache
from importlib.resources import files


@cache
def statement(name: str) -> bytes:
    """Return the statement kept in `sql/<name>.sql`."""
    return files("checkpoint_pruner").joinpath("sql", f"{name}.sql").read_bytes()


@cache
def planned(name: str, plan: str = "kept") -> bytes:
    """Return the statement `name` behind the plan that it carries out, counts or explains.

    All of them begin with the same `sql/<plan>.sql`, so that a dry run cannot differ from the
    real one.
    """
    return statement(plan) + statement(name)
