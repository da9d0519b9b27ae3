"""`holdfast orders`: orders that hold an invoice, and giving up those that nobody will finish."""

import getpass
import json
from typing import Annotated

import typer

from nodes.services.commands import DatabaseOption, JsonOption, with_database
from nodes.services.database import Database
from nodes.services.order_release import UnfinishedOrder, release_order, unfinished_orders
from nodes.services.settings import ProcessSettings
from state.money import money_text

app = typer.Typer(no_args_is_help=True, help="Orders under way, and giving up abandoned ones.")


@app.command("list")
def list_orders(database_url: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Show the orders that hold an invoice or money, and what their thread is doing.

    `stopped` and `deleted` threads finish nothing any more: `release` gives their orders up.

    Examples:

      holdfast orders list

      holdfast orders list --json
    """
    orders = with_database(database_url, unfinished_orders)
    if as_json:
        for order in orders:
            typer.echo(json.dumps({**order, "created_at": order["created_at"].isoformat()}))
        return
    if not orders:
        typer.echo("no order is under way")
        return
    typer.echo(f"{'order':<10}{'thread':<10}{'holds':>18}  {'thread id':<38}invoice")
    for order in orders:
        typer.echo(
            f"{order['order_id']:<10}{order['thread']:<10}{_held(order):>18}"
            f"  {order['thread_id']:<38}{order['invoice_id']}"
        )


@app.command()
def release(
    order_id: Annotated[str, typer.Argument(metavar="ORDER", help="Such as PO-1007.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; the ledger keeps it.")],
    user: Annotated[
        str | None,
        typer.Option("--user", envvar="HOLDFAST_USER", help="Your name; the ledger keeps it."),
    ] = None,
    database_url: DatabaseOption = None,
) -> None:
    """Give up an order whose thread was deleted or stopped: free its money and its invoice.

    Refused while the thread runs or waits for a review, and when the ERP has the order.

    Examples:

      holdfast orders release PO-1007 --reason "thread deleted by mistake"
    """
    if not reason.strip():
        raise typer.BadParameter("--reason must say why the order is given up")
    actor = user or getpass.getuser()

    async def give_up(database: Database) -> UnfinishedOrder:
        # The documents' parsers come along with it, and every command imports this file.
        from nodes.services.opening import open_services  # noqa: PLC0415  # 1 s of imports

        async with open_services(ProcessSettings(database_url=database.conninfo)) as services:
            return await release_order(
                database, services.erp, order_id, actor=actor, reason=reason.strip()
            )

    order = with_database(database_url, give_up)
    typer.echo(
        f"{order['order_id']} is given up: {_held(order)} released,"
        f" invoice {order['invoice_id']} may be ordered again"
    )


def _held(order: UnfinishedOrder) -> str:
    if order["amount"] is None or order["currency"] is None:
        return "no money"
    return money_text(order["amount"], order["currency"])
