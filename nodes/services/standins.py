"""Stand-ins for the services: everything in memory, gone with the process.

LangGraph Studio runs the graphs on them where no database is named, and so do unit tests. Each
passes the conformance suite of the service that it stands in for.
"""

from collections.abc import Sequence
from typing import Any, Literal

from nodes.services import JSON, Claim, EffectRecord, EffectState, ErpOrder
from nodes.services.document_store import document_ref
from nodes.services.effects import digest
from nodes.services.errors import BudgetRefusedError, EffectKeyReusedError, EffectRefusedError
from state.budget import Budget, Supplier
from state.money import money_text
from state.purchase_order import DocumentRef, Order

SAMPLE_CURRENCIES = ("EUR", "USD", "GBP", "NOK", "SEK", "DKK", "CHF")
SAMPLE_DEPARTMENTS = (
    ("office", "Office and facilities", 5_000_000, 50_000, "paper office furniture chair desk"),
    ("it", "Information technology", 20_000_000, 200_000, "laptop computer server software"),
    ("operations", "Operations", 100_000_000, 500_000, "steel machine freight energy tool"),
)


class MemoryEffects:
    """Remembers effects in memory."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[str, EffectRecord]] = {}

    async def begin(self, key: str, *, name: str, request: JSON) -> EffectRecord:
        """Write down that an effect is about to be sent."""
        known = self._rows.get(key)
        if known is None:
            record = EffectRecord(
                state="sending", attempts=1, doubtful=False, result=None, error=None
            )
        elif known[0] != digest(request):
            raise EffectKeyReusedError(key)
        elif known[1].state in ("done", "refused"):
            record = known[1]
        else:
            record = EffectRecord(
                state="sending",
                attempts=known[1].attempts + 1,
                doubtful=known[1].doubtful or known[1].state == "sending",
                result=None,
                error=known[1].error,
            )
        self._rows[key] = (digest(request), record)
        return record

    async def record(
        self,
        key: str,
        *,
        attempts: int,
        state: EffectState,
        result: JSON | None = None,
        error: JSON | None = None,
    ) -> None:
        """Write down the outcome of an attempt."""
        request_hash, now = self._rows[key]
        current = now.state == "sending" and now.attempts == attempts
        if now.state != "done" and (state == "done" or current):
            record = EffectRecord(
                state=state,
                attempts=now.attempts,
                doubtful=now.doubtful,
                result=result,
                error=error,
            )
            self._rows[key] = (request_hash, record)

    async def get(self, key: str) -> EffectRecord | None:
        """Return what is known of an effect."""
        known = self._rows.get(key)
        return None if known is None else known[1]


class MemoryLedger:
    """Keeps budgets in memory; without `budgets`, those of a small company to try it with."""

    def __init__(self, budgets: Sequence[Budget] | None = None) -> None:
        given = sample_budgets() if budgets is None else budgets
        self._budgets: dict[tuple[str, str], Budget] = {
            (budget["department"], budget["currency"]): {**budget} for budget in given
        }
        self._held: dict[tuple[str, int], Order] = {}
        self._closed: dict[tuple[str, int], str] = {}

    async def budgets(self, currency: str | None = None) -> list[Budget]:
        """Return the budgets in one currency, or all of them."""
        found = [b for b in self._budgets.values() if currency in (None, b["currency"])]
        return [{**budget} for budget in sorted(found, key=lambda b: b["department"])]

    async def reserve(self, order: Order) -> None:
        """Hold an order's money."""
        name = (order["order_id"], order["revision"])
        if name in self._held or name in self._closed:
            return
        budget = self._budgets.get((order["department"], order["currency"]))
        if budget is None:
            raise BudgetRefusedError(
                f"{order['department']!r} has no budget in {order['currency']}",
                department=order["department"],
                currency=order["currency"],
            )
        earlier = [held for key, held in self._held.items() if key[0] == name[0]]
        freed = sum(
            held["amount"]
            for held in earlier
            if (held["department"], held["currency"]) == (order["department"], order["currency"])
        )
        if budget["available"] + freed < order["amount"]:
            raise BudgetRefusedError(
                f"{budget['name']} has {money_text(budget['available'], order['currency'])} left,"
                f" the order needs {money_text(order['amount'], order['currency'])}",
                department=order["department"],
                currency=order["currency"],
            )
        for held in earlier:
            await self.release(held)
        self._held[name] = order
        budget["available"] -= order["amount"]
        budget["reserved"] += order["amount"]

    async def commit(self, order: Order) -> None:
        """Spend the money that an order holds."""
        self._close(order, "committed")

    async def release(self, order: Order) -> None:
        """Give back the money that an order holds."""
        self._close(order, "available")

    async def check(self) -> list[str]:
        """Return every broken invariant of the books."""
        return [
            f"budget differs from its parts: {b['department']}/{b['currency']}"
            for b in self._budgets.values()
            if b["available"] + b["reserved"] + b["committed"] != b["limit"] or b["available"] < 0
        ]

    def _close(self, order: Order, to: Literal["available", "committed"]) -> None:
        held = self._held.pop((order["order_id"], order["revision"]), None)
        if held is not None:
            budget = self._budgets[held["department"], held["currency"]]
            budget["reserved"] -= held["amount"]
            budget[to] += held["amount"]
            self._closed[order["order_id"], order["revision"]] = to


class MemoryOrders:
    """Keeps claims in memory."""

    def __init__(self) -> None:
        self._claims: dict[str, dict[str, Any]] = {}
        self._numbers = 1000

    async def claim(self, invoice_id: str, *, thread_id: str) -> Claim:
        """Take an invoice, or learn who has it."""
        row = self._claims.get(invoice_id)
        if row is None or row["stage"] in ("REJECTED", "FAILED"):
            self._numbers += 1
            row = {
                "order_id": f"PO-{self._numbers}",
                "thread_id": thread_id,
                "stage": "DRAFT",
                "revision": 0,
            }
            self._claims[invoice_id] = row
        if row["thread_id"] != thread_id or row["stage"] == "COMMITTED":
            return Claim(
                order_id=row["order_id"],
                revision=row["revision"] + 1,
                first={
                    "order_id": row["order_id"],
                    "thread_id": row["thread_id"],
                    "stage": row["stage"],
                },
            )
        row["revision"] += 1
        return Claim(order_id=row["order_id"], revision=row["revision"], first=None)

    async def set_stage(self, order_id: str, stage: str) -> None:
        """Say how far an order is."""
        for row in self._claims.values():
            if row["order_id"] == order_id and row["stage"] not in (
                "COMMITTED",
                "REJECTED",
                "FAILED",
            ):
                row["stage"] = stage


class MemorySuppliers:
    """Keeps suppliers in memory."""

    def __init__(self) -> None:
        self._suppliers: dict[str, Supplier] = {}

    async def get(self, supplier_id: str) -> Supplier | None:
        """Return a known supplier."""
        return self._suppliers.get(supplier_id)

    async def learn(self, supplier_id: str, *, name: str, accounts: Sequence[str]) -> None:
        """Remember a supplier and the bank accounts that its invoices name."""
        known = self._suppliers.get(supplier_id)
        before = known["accounts"] if known else []
        self._suppliers[supplier_id] = {
            "supplier_id": supplier_id,
            "name": known["name"] if known else name,
            "accounts": sorted({*before, *accounts}),
        }


class MemoryDocumentStore:
    """Keeps documents in memory."""

    def __init__(self) -> None:
        self._documents: dict[str, tuple[DocumentRef, bytes]] = {}

    async def put(self, content: bytes, *, filename: str, media_type: str | None) -> DocumentRef:
        """Keep a document."""
        kept = document_ref(content, filename=filename, media_type=media_type)
        self._documents.setdefault(kept["ref"], (kept, content))
        return kept

    async def get(self, ref: str) -> tuple[DocumentRef, bytes] | None:
        """Return a kept document and its content."""
        return self._documents.get(ref)


class MemoryErp:
    """An order register in memory."""

    def __init__(self) -> None:
        self._orders: dict[str, ErpOrder | None] = {}

    async def create(self, order: Order, *, key: str) -> ErpOrder:
        """Enter an order once."""
        reference = order["order_id"]
        if reference not in self._orders:
            self._orders[reference] = {
                "erp_order_id": f"R-{len(self._orders) + 1:06}",
                "reference": reference,
                "supplier_id": order["supplier_id"],
                "amount": order["amount"],
                "currency": order["currency"],
            }
        entered = self._orders[reference]
        if entered is None:
            raise EffectRefusedError(
                f"order {reference} was cancelled in the register", code="cancelled"
            )
        return entered

    async def find(self, reference: str) -> ErpOrder | None:
        """Return the live order of a reference."""
        return self._orders.get(reference)

    async def cancel(self, reference: str, *, key: str) -> None:
        """Cancel an order, also one that has not come yet."""
        self._orders[reference] = None


class MemoryNotifier:
    """Keeps notices in memory.

    Attributes:
        notices: what was left, by key.
    """

    def __init__(self) -> None:
        self.notices: dict[str, JSON] = {}

    async def notify(
        self,
        key: str,
        *,
        audience: Literal["requester", "operator"],
        thread_id: str,
        order_id: str | None,
        title: str,
        body: str,
    ) -> None:
        """Leave a notice, once per key."""
        notice = {
            "audience": audience,
            "thread_id": thread_id,
            "order_id": order_id,
            "title": title,
            "body": body,
        }
        self.notices.setdefault(key, notice)


def sample_budgets() -> list[Budget]:
    """Return the budgets of a small company."""
    return [
        {
            "department": department,
            "name": name,
            "currency": currency,
            "limit": limit,
            "available": limit,
            "reserved": 0,
            "committed": 0,
            "agent_limit": agent_limit,
            "keywords": keywords.split(),
        }
        for department, name, limit, agent_limit, keywords in SAMPLE_DEPARTMENTS
        for currency in SAMPLE_CURRENCIES
    ]
