"""Whether ledger, orders and register agree with each other; they are never corrected here."""

from nodes.services.database import Database, statement
from nodes.services.ledger import PostgresLedger
from nodes.services.settings import ProcessSettings

SETTLE_SECONDS = 900.0
"""How long an order may be under way between two of its books: the ERP's repeats take less."""


async def find_differences(
    database: Database, *, register: bool, settle_seconds: float = SETTLE_SECONDS
) -> list[str]:
    """Return a sentence for each thing that is wrong; an empty list proves the books right.

    Args:
        database: where the books are.
        register: whether orders are entered in our own register, which is one of the books then.
        settle_seconds: how long a difference may stand while an order is under way.
    """
    values = {"register": register, "settle_seconds": settle_seconds}
    rows = await database.fetch_all(statement("check_orders"), values)
    differences = [f"{row['rule']}: {row['subject']}" for row in rows]
    return [*await PostgresLedger(database).check(), *differences]


async def check_books(database_url: str) -> list[str]:
    """Return what is wrong with the books of a database; for the server's scheduled checks."""
    database = Database(database_url)
    try:
        return await find_differences(database, register=ProcessSettings().erp == "register")
    finally:
        await database.close()
