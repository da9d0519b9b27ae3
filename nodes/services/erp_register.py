"""Our own order register in Postgres: the system of record where no ERP is connected."""

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from nodes.services import ErpOrder
from nodes.services.database import Database, statement
from nodes.services.errors import EffectRefusedError
from state.purchase_order import Order


class RegisterErp:
    """Enters orders in the register. The reference is unique, so it is the key as well."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, order: Order, *, key: str) -> ErpOrder:
        """Enter an order once; see `Erp.create`."""
        values = {
            "reference": order["order_id"],
            "supplier_id": order["supplier_id"],
            "supplier_name": order["supplier_name"],
            "invoice_number": order["invoice_number"],
            "buyer_order": order["buyer_order"],
            "department": order["department"],
            "amount": order["amount"],
            "currency": order["currency"],
            "lines": Jsonb(order["lines"]),
        }
        row = await self._database.fetch_one(statement("insert_register_order"), values)
        if row is None:
            row = await self._read(order["order_id"])
        if row is None or row["state"] == "cancelled":
            raise EffectRefusedError(
                f"order {order['order_id']} was cancelled in the register", code="cancelled"
            )
        return _order(row)

    async def find(self, reference: str) -> ErpOrder | None:
        """Return the live order of a reference."""
        row = await self._read(reference)
        return None if row is None or row["state"] == "cancelled" else _order(row)

    async def cancel(self, reference: str, *, key: str) -> None:
        """Cancel an order, also one that has not come yet."""
        await self._database.fetch_all(statement("cancel_register_order"), {"reference": reference})

    async def _read(self, reference: str) -> DictRow | None:
        return await self._database.fetch_one(
            statement("get_register_order"), {"reference": reference}
        )


def _order(row: DictRow) -> ErpOrder:
    return {
        "erp_order_id": row["register_number"],
        "reference": row["reference"],
        "supplier_id": row["supplier_id"],
        "amount": row["amount"],
        "currency": row["currency"],
    }
