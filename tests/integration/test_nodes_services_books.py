"""Ledger, orders and register against each other: planted differences are found, others are not."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from nodes.services.books import check_books, find_differences
from nodes.services.database import Database
from nodes.services.erp_register import RegisterErp
from nodes.services.ledger import PostgresLedger
from nodes.services.orders import PostgresOrders
from state.purchase_order import Order

Until = Callable[..., Awaitable[Order]]


@pytest.fixture
async def database(migrated_database: str) -> AsyncIterator[Database]:
    database = Database(migrated_database)
    yield database
    await database.close()


@pytest.fixture
def order_until(database: Database) -> Until:
    """Return a function that takes one order through its books, leaving out what is named."""

    async def go(*, reserve: bool = True, register: bool = True, spend: bool = True) -> Order:
        claim = await PostgresOrders(database).claim("NO1/F-1", thread_id="t1")
        order: Order = {
            "order_id": claim.order_id,
            "revision": claim.revision,
            "supplier_id": "NO1",
            "supplier_name": "Acme",
            "invoice_number": "F-1",
            "department": "it",
            "amount": 125_00,
            "currency": "EUR",
            "lines": [],
            "buyer_order": None,
            "erp_order_id": None,
        }
        if reserve:
            await PostgresLedger(database).reserve(order)
        if register:
            await RegisterErp(database).create(order, key=f"{order['order_id']}:order")
        if spend:
            await PostgresLedger(database).commit(order)
        return order

    return go


async def differences(database: Database, *, register: bool = True) -> list[str]:
    return await find_differences(database, register=register, settle_seconds=0)


async def test_an_order_that_went_through_leaves_no_difference(
    database: Database, order_until: Until
) -> None:
    order = await order_until()
    await PostgresOrders(database).set_stage(order["order_id"], "COMMITTED")

    assert await differences(database) == []


async def test_an_order_under_way_is_no_difference(database: Database, order_until: Until) -> None:
    await order_until()

    assert await find_differences(database, register=True) == []


async def test_money_that_an_ended_order_still_holds_is_found(
    database: Database, order_until: Until
) -> None:
    order = await order_until(register=False, spend=False)
    await PostgresOrders(database).set_stage(order["order_id"], "REJECTED")

    assert await differences(database) == [
        f"order ended and still holds money: {order['order_id']}"
    ]


async def test_money_spent_for_an_order_that_failed_is_found(
    database: Database, order_until: Until
) -> None:
    order = await order_until(register=False)
    await PostgresOrders(database).set_stage(order["order_id"], "FAILED")

    assert await differences(database) == [
        f"money is spent and the order is not committed: {order['order_id']}"
    ]


async def test_an_order_committed_without_money_is_found(
    database: Database, order_until: Until
) -> None:
    order = await order_until(reserve=False, spend=False)
    await PostgresOrders(database).set_stage(order["order_id"], "COMMITTED")

    assert await differences(database) == [
        f"order is committed and its money is not spent: {order['order_id']}"
    ]


async def test_an_order_in_the_register_that_was_rejected_is_found(
    database: Database, order_until: Until
) -> None:
    order = await order_until(spend=False)
    await PostgresLedger(database).release(order)
    await PostgresOrders(database).set_stage(order["order_id"], "REJECTED")

    assert await differences(database) == [
        f"the register has an order that is not committed: {order['order_id']}"
    ]


async def test_another_amount_in_the_register_is_found(
    database: Database, order_until: Until
) -> None:
    order = await order_until()
    await PostgresOrders(database).set_stage(order["order_id"], "COMMITTED")
    await database.fetch_all(b"UPDATE holdfast.register_orders SET amount = 1 RETURNING 1", {})

    assert await differences(database) == [
        f"the register differs from the money spent: {order['order_id']}"
    ]


async def test_the_register_is_left_alone_where_another_erp_has_the_orders(
    database: Database, order_until: Until
) -> None:
    order = await order_until()
    await PostgresOrders(database).set_stage(order["order_id"], "COMMITTED")
    await database.fetch_all(b"UPDATE holdfast.register_orders SET amount = 1 RETURNING 1", {})

    assert await differences(database, register=False) == []


async def test_the_scheduled_check_finds_the_books_right(migrated_database: str) -> None:
    assert await check_books(migrated_database) == []
