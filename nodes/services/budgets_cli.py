"""`holdfast budgets`: load, list and check the departments' budgets."""

import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from nodes.services.books import find_differences
from nodes.services.commands import DatabaseOption, JsonOption, explained, with_database
from nodes.services.ledger import PostgresLedger, read_budget_file
from nodes.services.settings import ProcessSettings
from state.money import major_units

app = typer.Typer(no_args_is_help=True, help="Budgets of the departments that can order.")

T = TypeVar("T")


@app.command()
def load(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="The budgets, one per line.")],
    database_url: DatabaseOption = None,
) -> None:
    """Set budgets from a CSV file: department,name,currency,limit,agent_limit[,keywords].

    Amounts are in the currency's main unit (5000.00). agent_limit is the largest order that goes
    through without a person. A department that the file does not name stays as it is.

    Examples:

      holdfast budgets load budgets.csv
    """
    lines = explained(lambda: read_budget_file(file))
    _with_ledger(database_url, lambda ledger: ledger.set_limits(lines))
    typer.echo(f"{len(lines)} budgets loaded")


@app.command("list")
def list_budgets(database_url: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Show what each department may spend, has reserved and has spent.

    Examples:

      holdfast budgets list

      holdfast budgets list --json
    """
    budgets = _with_ledger(database_url, lambda ledger: ledger.budgets())
    if as_json:
        for budget in budgets:
            typer.echo(json.dumps(budget))
        return
    columns = ("limit", "available", "reserved", "committed", "agent_limit")
    header = "".join(f"{name.replace('_', ' '):>16}" for name in columns)
    typer.echo(f"{'department':<14}{'':<4}{header}")
    for budget in budgets:
        amounts = (
            budget["limit"],
            budget["available"],
            budget["reserved"],
            budget["committed"],
            budget["agent_limit"],
        )
        shown = "".join(f"{major_units(amount, budget['currency']):>16}" for amount in amounts)
        typer.echo(f"{budget['department']:<14}{budget['currency']:<4}{shown}")


@app.command()
def check(database_url: DatabaseOption = None) -> None:
    """Prove that ledger, orders and register agree; what differs is named, and the exit code is 1.

    The server does the same every five minutes and reports it in /healthz.

    Examples:

      holdfast budgets check
    """
    register = explained(ProcessSettings).erp == "register"
    broken = with_database(
        database_url, lambda database: find_differences(database, register=register)
    )
    for rule in broken:
        typer.echo(rule, err=True)
    if broken:
        raise typer.Exit(1)
    typer.echo("the books are right")


def _with_ledger(
    database_url: str | None, use: Callable[[PostgresLedger], Coroutine[Any, Any, T]]
) -> T:
    return with_database(database_url, lambda database: use(PostgresLedger(database)))
