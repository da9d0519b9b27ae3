"""The outside world of the nodes: one file per neighbour.

May import `state` and the libraries that speak to the neighbours. Every neighbour is a Protocol
here and has a service that is real and a stand-in (`standins.py`) for drawing boards without a
database; one conformance suite runs on both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from typing_extensions import TypedDict

from state.budget import Budget, Supplier
from state.invoice import Invoice
from state.order_messages import Proposal
from state.purchase_order import DocumentRef, First, Order, Violation

JSON = dict[str, Any]
EffectState = Literal["sending", "not_applied", "done", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectRecord:
    """What is known of an effect.

    Attributes:
        state: `sending` until an outcome is written down; `not_applied` may be sent again.
        attempts: how often it was sent, this time included.
        doubtful: an earlier attempt ended without a known outcome.
        result: of a `done` effect.
        error: of a `refused` or `not_applied` one, `{"code", "message"}`.
    """

    state: EffectState
    attempts: int
    doubtful: bool
    result: JSON | None
    error: JSON | None


class Effects(Protocol):
    """Remembers what was asked of the outside world and what came of it; see `effects.effect`."""

    async def begin(self, key: str, *, name: str, request: JSON) -> EffectRecord:
        """Write down that an effect is about to be sent, durably, and return what is known of it.

        Raises:
            EffectKeyReusedError: the key belongs to another request.
        """
        ...

    async def record(
        self,
        key: str,
        *,
        attempts: int,
        state: EffectState,
        result: JSON | None = None,
        error: JSON | None = None,
    ) -> None:
        """Write down the outcome of an attempt; `done` is final and wins over everything."""
        ...

    async def get(self, key: str) -> EffectRecord | None:
        """Return what is known of an effect, or None when it was never begun."""
        ...


class Ledger(Protocol):
    """The budget ledger. Each movement happens once per order and revision."""

    async def budgets(self, currency: str | None = None) -> list[Budget]:
        """Return the budgets in one currency, or all of them."""
        ...

    async def reserve(self, order: Order) -> None:
        """Hold an order's money; what an earlier revision held is given back in the same moment.

        Raises:
            BudgetRefusedError: the department has too little, or no budget in the currency.
        """
        ...

    async def commit(self, order: Order) -> None:
        """Spend the money that an order holds."""
        ...

    async def release(self, order: Order) -> None:
        """Give back the money that an order holds; nothing happens when it holds none."""
        ...

    async def check(self) -> list[str]:
        """Return every broken invariant of the books; an empty list is the proof."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who has an invoice.

    Attributes:
        order_id: of the order that it became, or may become.
        revision: the revision that a new reservation of that order has.
        first: the earlier order, or None when the invoice is the caller's.
    """

    order_id: str
    revision: int
    first: First | None


class Orders(Protocol):
    """Which thread has which invoice: one order per invoice, whoever asks at the same time."""

    async def claim(self, invoice_id: str, *, thread_id: str) -> Claim:
        """Take an invoice, or learn who has it. Repeating it for the same thread is harmless."""
        ...

    async def set_stage(self, order_id: str, stage: str) -> None:
        """Say how far an order is; `REJECTED` and `FAILED` free its invoice."""
        ...


class Suppliers(Protocol):
    """Who has supplied before."""

    async def get(self, supplier_id: str) -> Supplier | None:
        """Return a known supplier."""
        ...

    async def learn(self, supplier_id: str, *, name: str, accounts: Sequence[str]) -> None:
        """Remember a supplier and the bank accounts that its invoices name."""
        ...


class DocumentStore(Protocol):
    """Keeps documents by the hash of their content, so that the state need not."""

    async def put(self, content: bytes, *, filename: str, media_type: str | None) -> DocumentRef:
        """Keep a document; keeping it again changes nothing."""
        ...

    async def get(self, ref: str) -> tuple[DocumentRef, bytes] | None:
        """Return a kept document and its content."""
        ...


class ErpOrder(TypedDict):
    """An order as the ERP has it."""

    erp_order_id: str
    reference: str
    supplier_id: str
    amount: int
    currency: str


class Erp(Protocol):
    """The system of record for orders. Our `order_id` is its reference, and its key."""

    async def create(self, order: Order, *, key: str) -> ErpOrder:
        """Enter an order; the same key enters it once.

        Raises:
            EffectRefusedError: the ERP says no, for good.
            EffectNotAppliedError: it was not asked, or could not take it; it may be asked again.
            OutcomeUnknownError: nobody knows whether it has the order.
        """
        ...

    async def find(self, reference: str) -> ErpOrder | None:
        """Return the live order of a reference.

        Raises:
            EffectNotAppliedError: the ERP cannot say.
            OutcomeUnknownError: the ERP cannot say.
        """
        ...

    async def cancel(self, reference: str, *, key: str) -> None:
        """Make sure that a reference has no live order, now and later.

        Raises:
            EffectRefusedError: the order cannot be taken back.
            EffectNotAppliedError: it was not asked.
            OutcomeUnknownError: nobody knows.
        """
        ...


class Notifier(Protocol):
    """Leaves notices for people."""

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
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a Brain is asked.

    Attributes:
        invoice: the document.
        stage: where the order is.
        allowed: the stages that a proposal may name.
        budgets: the departments that can pay in the invoice's currency.
        violations: why earlier proposals were refused, oldest first.
        previous: the proposal that was refused last, if it could be read.
    """

    invoice: Invoice
    stage: str
    allowed: Sequence[str]
    budgets: Sequence[Budget]
    violations: Sequence[Violation]
    previous: JSON | None


class Brain(Protocol):
    """Proposes; it decides nothing."""

    async def propose(self, task: Task) -> Proposal:
        """Return a proposal.

        Raises:
            UnusableAnswerError: the answer is no proposal; it says what was wrong with it.
            BrainUnavailableError: there was no answer.
        """
        ...
