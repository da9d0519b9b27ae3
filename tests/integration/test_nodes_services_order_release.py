"""Giving up orders by hand: whose thread is over, and only those."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from typer.testing import CliRunner, Result

from nodes.services.database import Database
from nodes.services.erp_register import RegisterErp
from nodes.services.errors import EffectRefusedError, OutcomeUnknownError
from nodes.services.ledger import PostgresLedger
from nodes.services.order_release import (
    OrderNotReleasedError,
    release_order,
    unfinished_orders,
)
from nodes.services.orders import PostgresOrders
from nodes.services.orders_cli import app
from nodes.services.standins import MemoryErp
from state.purchase_order import Order

INVOICE = "NO1/invoice/F-1"
AMOUNT = 125_00


@pytest.fixture
async def database(migrated_database: str) -> AsyncIterator[Database]:
    database = Database(migrated_database)
    yield database
    await database.close()


@pytest.fixture
async def order(database: Database) -> Order:
    """Return an order that holds its invoice and its money; it has no thread any more."""
    claim = await PostgresOrders(database).claim(INVOICE, thread_id="t1")
    order: Order = {
        "order_id": claim.order_id,
        "revision": claim.revision,
        "supplier_id": "NO1",
        "supplier_name": "Acme",
        "invoice_number": "F-1",
        "department": "it",
        "amount": AMOUNT,
        "currency": "EUR",
        "lines": [],
        "buyer_order": None,
        "erp_order_id": None,
    }
    await PostgresLedger(database).reserve(order)
    return order


async def give_up(database: Database, order: Order) -> None:
    await release_order(
        database, RegisterErp(database), order["order_id"], actor="ana", reason="thread deleted"
    )


async def test_an_order_of_a_deleted_thread_gives_back_its_money_and_its_invoice(
    database: Database, order: Order
) -> None:
    await give_up(database, order)

    ledger = PostgresLedger(database)
    budget = next(b for b in await ledger.budgets("EUR") if b["department"] == "it")
    again = await PostgresOrders(database).claim(INVOICE, thread_id="t2")
    assert (budget["reserved"], budget["available"]) == (0, budget["limit"])
    assert again.first is None
    assert await ledger.check() == []


async def test_the_ledger_keeps_who_gave_it_up_and_why(database: Database, order: Order) -> None:
    await give_up(database, order)

    async with await psycopg.AsyncConnection.connect(database.conninfo) as connection:
        cursor = await connection.execute(
            "SELECT actor, reason FROM holdfast.ledger_entries WHERE kind = 'release'"
        )
        assert await cursor.fetchall() == [("ana", "thread deleted")]


@pytest.mark.parametrize("status", ["queued", "running"])
async def test_an_order_whose_thread_still_runs_is_kept(
    database: Database, order: Order, status: str
) -> None:
    async with await psycopg.AsyncConnection.connect(database.conninfo) as connection:
        await connection.execute("INSERT INTO holdfast.threads (thread_id) VALUES ('t1')")
        await connection.execute(
            "INSERT INTO holdfast.runs (run_id, thread_id, assistant_id, graph_id, status)"
            " VALUES ('r1', 't1', 'a1', 'purchase_order', %s)",
            [status],
        )

    with pytest.raises(OrderNotReleasedError, match="cancel its run"):
        await give_up(database, order)

    (kept,) = await unfinished_orders(database)
    assert (kept["thread"], kept["amount"]) == ("running", AMOUNT)


async def test_an_order_that_the_erp_has_is_kept(database: Database, order: Order) -> None:
    await RegisterErp(database).create(order, key="k")

    with pytest.raises(OrderNotReleasedError, match="stands in the ERP as R-000001"):
        await give_up(database, order)

    assert len(await unfinished_orders(database)) == 1


async def test_an_order_is_kept_while_the_erp_does_not_say_whether_it_has_it(
    database: Database, order: Order
) -> None:
    class Silent(MemoryErp):
        async def find(self, reference: str) -> None:
            raise OutcomeUnknownError("the ERP did not answer")

    with pytest.raises(OrderNotReleasedError, match="try again"):
        await release_order(database, Silent(), order["order_id"], actor="ana", reason="gone")

    assert len(await unfinished_orders(database)) == 1


async def test_a_thread_that_is_taken_up_again_cannot_order_what_was_given_up(
    database: Database, order: Order
) -> None:
    await give_up(database, order)

    with pytest.raises(EffectRefusedError, match="cancelled"):
        await RegisterErp(database).create(order, key="k")


async def test_the_commands_list_and_release_it(database: Database, order: Order) -> None:
    async def invoke(*arguments: str) -> Result:
        # A command runs a loop of its own.
        where = ["--database-url", database.conninfo]
        return await asyncio.to_thread(CliRunner().invoke, app, [*arguments, *where])

    listed = await invoke("list")
    released = await invoke("release", order["order_id"], "--reason", "gone")
    again = await invoke("release", order["order_id"], "--reason", "gone")

    assert "deleted" in listed.output
    assert "125.00 EUR" in listed.output
    assert (released.exit_code, again.exit_code) == (0, 2)
