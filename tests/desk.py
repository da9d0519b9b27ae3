"""A desk to try the purchase order on: its services, its graph, and the people who answer it."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Command, StateSnapshot

from graphs.purchase_order import wire
from nodes.services import Brain, ErpOrder, Task
from nodes.services.brain_rules import RuleBrain
from nodes.services.documents import StandardDocumentReader
from nodes.services.errors import (
    EffectNotAppliedError,
    EffectRefusedError,
    OutcomeUnknownError,
    UnusableAnswerError,
)
from nodes.services.opening import Services
from nodes.services.settings import ProcessSettings
from nodes.services.standins import (
    MemoryDocumentStore,
    MemoryEffects,
    MemoryErp,
    MemoryLedger,
    MemoryNotifier,
    MemoryOrders,
    MemorySuppliers,
)
from state.budget import Budget
from state.order_messages import Proposal
from state.purchase_order import Order, PurchaseOrder, Violation

SUPPLIER = "NO123456785MVA"


def mail(*, number: str = "77", total: int = 125, item: str = "Laptop stand") -> str:
    """Return an invoice of today as text; `total` is in euros and divisible by five."""
    net = total * 4 // 5
    return (
        f"Invoice {number}\nFrom: Acme AS\nVAT: {SUPPLIER}\n"
        f"Date: {datetime.now(UTC).date()}\nCurrency: EUR\n\n"
        f"1 x {item} {net}.00 = {net}.00\n"
        f"Net: {net}.00\nVAT 25%: {total - net}.00\nTotal: {total}.00\n"
    )


def standin_services(**changes: Any) -> Services:
    """Return services in memory, with nothing in them but the sample budgets."""
    services = Services(
        reader=StandardDocumentReader(),
        documents=MemoryDocumentStore(),
        orders=MemoryOrders(),
        suppliers=MemorySuppliers(),
        brain=RuleBrain(),
        ledger=MemoryLedger(),
        erp=MemoryErp(),
        effects=MemoryEffects(),
        notifier=MemoryNotifier(),
    )
    return replace(services, **changes)


@dataclass(kw_only=True)
class Desk:
    """One graph over one set of services, and one thread on it."""

    services: Services
    saver: BaseCheckpointSaver[Any]
    thread_id: str = "t1"
    settings: ProcessSettings = field(default_factory=ProcessSettings)

    def __post_init__(self) -> None:
        self.graph = wire(self.services, self.settings, pause_seconds=0).compile(
            checkpointer=self.saver
        )

    @property
    def config(self) -> dict[str, Any]:
        return {"configurable": {"thread_id": self.thread_id}}

    def thread(self, thread_id: str) -> "Desk":
        """Return the same desk at another thread."""
        return replace(self, thread_id=thread_id)

    async def knows_supplier(self) -> "Desk":
        await self.services.suppliers.learn(SUPPLIER, name="Acme AS", accounts=[])
        return self

    async def submit(self, document: Any) -> PurchaseOrder:
        return await self._run({"document": document})

    async def go_on(self) -> PurchaseOrder:
        """Carry on where a run broke off."""
        return await self._run(None)

    async def answer(self, decision: dict[str, Any]) -> PurchaseOrder:
        """Answer the one open question."""
        (question,) = (await self.snapshot()).interrupts
        return await self._run(Command(resume={question.id: {"decisions": [decision]}}))

    async def approve(self) -> PurchaseOrder:
        return await self.answer({"type": "approve", "decided_by": "ana"})

    async def edit(self, **args: Any) -> PurchaseOrder:
        edited = {"name": "create_purchase_order", "args": args}
        return await self.answer({"type": "edit", "edited_action": edited})

    async def question(self) -> dict[str, Any] | None:
        """Return the envelope of the open question."""
        interrupts = (await self.snapshot()).interrupts
        return interrupts[0].value if interrupts else None

    async def snapshot(self) -> StateSnapshot:
        return await self.graph.aget_state(self.config)

    async def visited(self) -> list[str]:
        """Return the nodes that ran, in order."""
        history = [step async for step in self.graph.aget_state_history(self.config)]
        return [
            task.name
            for step in reversed(history)
            for task in step.tasks
            if task.result and task.name != "__start__"
        ]

    async def budget(self, department: str = "it", currency: str = "EUR") -> Budget:
        budgets = await self.services.ledger.budgets(currency)
        return next(budget for budget in budgets if budget["department"] == department)

    async def _run(self, given: Any) -> PurchaseOrder:
        await self.graph.ainvoke(given, self.config, durability="sync")
        return (await self.snapshot()).values  # type: ignore[return-value]


class ScriptedBrain:
    """Proposes what the rules propose, with these fields changed; one entry per proposal.

    Attributes:
        tasks: what it was asked.
    """

    def __init__(self, *script: dict[str, Any] | str) -> None:
        self.script = list(script)
        self.tasks: list[Task] = []
        self._rules: Brain = RuleBrain()

    async def propose(self, task: Task) -> Proposal:
        self.tasks.append(task)
        changes = self.script.pop(0) if self.script else {}
        if isinstance(changes, str):
            violation: Violation = {
                "code": changes,
                "field": "answer",
                "message": f"the answer is {changes}",
                "allowed": [],
            }
            raise UnusableAnswerError([violation])
        return (await self._rules.propose(task)).model_copy(update=changes)


class MoodyErp(MemoryErp):
    """An ERP that misbehaves as it is told, one mood per call, and well again after that.

    It knows no idempotency keys: whoever sends an order twice has ordered twice.
    Moods: `refuses`, `down`, `lost` (entered, answer lost), `silent` (not entered, no answer).

    Attributes:
        entered: how often an order was entered.
        blind: whether it answers neither reads nor cancellations.
    """

    def __init__(self, *moods: str, blind: bool = False) -> None:
        super().__init__()
        self.moods = list(moods)
        self.blind = blind
        self.entered = 0

    async def create(self, order: Order, *, key: str) -> ErpOrder:
        mood = self.moods.pop(0) if self.moods else "well"
        if mood == "refuses":
            raise EffectRefusedError("supplier is blocked", code="blocked")
        if mood == "down":
            raise EffectNotAppliedError("closed")
        if mood == "silent":
            raise OutcomeUnknownError("no answer")
        self.entered += 1
        made = await super().create(order, key=key)
        if mood == "lost":
            raise OutcomeUnknownError("no answer")
        return made

    async def find(self, reference: str) -> ErpOrder | None:
        if self.blind:
            raise OutcomeUnknownError("no answer")
        return await super().find(reference)

    async def cancel(self, reference: str, *, key: str) -> None:
        if self.blind:
            raise OutcomeUnknownError("no answer")
        await super().cancel(reference, key=key)


class PowerCut(BaseException):
    """The process dies; no handler of the program may answer this."""


class Fuse:
    """Counts the calls to services and blows once, before or after one of them has worked."""

    def __init__(self, at: int | None = None, *, after: bool = False) -> None:
        self.at = at
        self.after = after
        self.calls: list[str] = []

    def protect(self, services: Services) -> Services:
        """Return the services with this fuse in front of each."""
        names = ("documents", "orders", "suppliers", "ledger", "erp", "effects", "notifier")
        guarded = {name: _Guarded(getattr(services, name), name, self) for name in names}
        return replace(services, **guarded)  # type: ignore[arg-type]


class _Guarded:
    def __init__(self, service: Any, name: str, fuse: Fuse) -> None:
        self._service = service
        self._name = name
        self._fuse = fuse

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._service, method)

        async def call(*positional: Any, **named: Any) -> Any:
            number = len(self._fuse.calls)
            self._fuse.calls.append(f"{self._name}.{method}")
            if number == self._fuse.at and not self._fuse.after:
                raise PowerCut
            result = await found(*positional, **named)
            if number == self._fuse.at:
                raise PowerCut
            return result

        return call
