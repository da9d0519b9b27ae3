"""What a department may spend in one currency. Amounts are integers in minor units."""

from typing_extensions import TypedDict


class Budget(TypedDict):
    """A department's budget in one currency: `limit = available + reserved + committed`."""

    department: str
    """Code, for example `it`."""
    name: str
    currency: str
    limit: int
    available: int
    reserved: int
    committed: int
    agent_limit: int
    """The largest order that goes through without a person."""
    keywords: list[str]
    """Words of a document that speak for this department, lower case."""


class Supplier(TypedDict):
    """What is known of a supplier from orders that were committed."""

    supplier_id: str
    name: str
    accounts: list[str]
    """Bank accounts that its invoices have named."""
