"""Who has supplied before, in Postgres."""

from collections.abc import Sequence
from typing import cast

from nodes.services.database import Database, statement
from state.budget import Supplier


class PostgresSuppliers:
    """Keeps suppliers in Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, supplier_id: str) -> Supplier | None:
        """Return a known supplier."""
        row = await self._database.fetch_one(
            statement("get_supplier"), {"supplier_id": supplier_id}
        )
        return cast("Supplier | None", row)

    async def learn(self, supplier_id: str, *, name: str, accounts: Sequence[str]) -> None:
        """Remember a supplier and the bank accounts that its invoices name."""
        values = {"supplier_id": supplier_id, "name": name, "accounts": sorted(set(accounts))}
        await self._database.fetch_all(statement("learn_supplier"), values)
