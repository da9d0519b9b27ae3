"""From an invoice to a purchase order: the state that is stored, and the table that rules it.

Amounts are integers in minor units of the order's currency.
"""

from typing import Literal, NotRequired, cast

from typing_extensions import TypedDict

from state.invoice import Invoice
from state.machine import Actor, Edge, Machine, State
from state.money import money_text
from state.verify import Invariant

Stage = Literal[
    "DRAFT",
    "RESERVED",
    "COMMITTED",
    "COMPENSATING",
    "REJECTED",
    "FAILED",
    "IN_DOUBT",
    "ALREADY_ORDERED",
]

MAX_REPAIRS = 3
"""How often a refused proposal goes back to the Brain before a person is asked."""
MAX_VIOLATIONS = 5
"""Refusals kept in the state; older ones are in the checkpoints and the log."""

MAX_ITEM = 500
"""Characters of a line's text that an order carries."""
MAX_LINES = 10_000
"""Lines that an edit may have."""

_PROCESS: frozenset[Actor] = frozenset({"process"})
_PERSON: frozenset[Actor] = frozenset({"person"})
_TIMER: frozenset[Actor] = frozenset({"timer"})

PURCHASE_ORDER = Machine(
    name="the order",
    states=(
        State(name="DRAFT", waits=True),
        State(name="RESERVED", waits=True),
        State(name="COMPENSATING"),
        State(name="IN_DOUBT", waits=True),
        State(name="COMMITTED", final=True),
        State(name="REJECTED", final=True),
        State(name="FAILED", final=True),
        State(name="ALREADY_ORDERED", final=True),
    ),
    facts={
        "checked": False,  # the rules have passed the order as it stands now
        "approval_required": False,
        "approved": False,
        "held": False,  # its money is taken out of what the department can spend
        "sent": False,  # the ERP was asked, or is about to be
        "ordered": False,  # the ERP has it
        "declined": False,  # a person said no
    },
    edges=(
        Edge(event="find_first", source="DRAFT", target="ALREADY_ORDERED", by=_PROCESS),
        Edge(
            event="send_back",
            source="DRAFT",
            target="DRAFT",
            by=_PROCESS,
            requires={"checked": False},
            at_most=MAX_REPAIRS,
        ),
        Edge(
            event="accept",
            source="DRAFT",
            target="DRAFT",
            by=_PROCESS,
            requires={"checked": False},
            sets={"checked": True},
        ),
        Edge(
            event="accept_for_review",
            source="DRAFT",
            target="DRAFT",
            by=_PROCESS,
            requires={"checked": False},
            sets={"checked": True, "approval_required": True},
        ),
        Edge(
            event="amend",
            source="DRAFT",
            target="DRAFT",
            by=_PERSON,
            sets={"checked": False, "approved": True},
        ),
        Edge(
            event="reserve",
            source="DRAFT",
            target="RESERVED",
            by=frozenset({"brain", "process"}),
            requires={"checked": True},
            sets={"held": True},
            effect="reserve_budget",
        ),
        Edge(event="decline", source="DRAFT", target="REJECTED", by=_PERSON),
        Edge(event="fail", source="DRAFT", target="FAILED", by=_PROCESS),
        Edge(event="expire", source="DRAFT", target="FAILED", by=_TIMER),
        Edge(
            event="approve",
            source="RESERVED",
            target="RESERVED",
            by=_PERSON,
            requires={"sent": False, "checked": True},
            sets={"approved": True},
        ),
        Edge(
            event="amend",
            source="RESERVED",
            target="RESERVED",
            by=_PERSON,
            requires={"sent": False},
            sets={"checked": False, "approved": True},
        ),
        Edge(
            event="accept",
            source="RESERVED",
            target="RESERVED",
            by=_PROCESS,
            requires={"checked": False},
            sets={"checked": True},
            effect="reserve_budget",
        ),
        Edge(
            event="send_back",
            source="RESERVED",
            target="RESERVED",
            by=_PROCESS,
            requires={"checked": False},
            sets={"checked": True, "approved": False, "approval_required": True},
        ),
        Edge(
            event="send",
            source="RESERVED",
            target="RESERVED",
            by=_PROCESS,
            requires={"checked": True, "approval_required": False, "sent": False},
            sets={"sent": True},
            effect="commit_to_erp",
            destructive=True,
        ),
        Edge(
            event="send_approved",
            source="RESERVED",
            target="RESERVED",
            by=_PROCESS,
            requires={"checked": True, "approved": True, "sent": False},
            sets={"sent": True},
            effect="commit_to_erp",
            destructive=True,
        ),
        Edge(
            event="commit",
            source="RESERVED",
            target="COMMITTED",
            by=_PROCESS,
            requires={"held": True, "sent": True},
            sets={"ordered": True},
        ),
        Edge(
            event="lose_sight",
            source="RESERVED",
            target="IN_DOUBT",
            by=_PROCESS,
            requires={"sent": True},
        ),
        Edge(event="fail", source="RESERVED", target="COMPENSATING", by=_PROCESS),
        Edge(
            event="decline",
            source="RESERVED",
            target="COMPENSATING",
            by=_PERSON,
            requires={"sent": False},
            sets={"declined": True},
        ),
        Edge(
            event="expire",
            source="RESERVED",
            target="COMPENSATING",
            by=_TIMER,
            requires={"sent": False},
        ),
        Edge(
            event="confirm",
            source="IN_DOUBT",
            target="COMMITTED",
            by=frozenset({"process", "person"}),
            sets={"ordered": True},
        ),
        Edge(
            event="clear",
            source="IN_DOUBT",
            target="COMPENSATING",
            by=frozenset({"process", "person"}),
        ),
        Edge(event="expire", source="IN_DOUBT", target="IN_DOUBT", by=_TIMER),
        Edge(
            event="release_declined",
            source="COMPENSATING",
            target="REJECTED",
            by=_PROCESS,
            requires={"declined": True},
            sets={"held": False},
            effect="release_budget",
        ),
        Edge(
            event="release",
            source="COMPENSATING",
            target="FAILED",
            by=_PROCESS,
            requires={"declined": False},
            sets={"held": False},
            effect="release_budget",
        ),
    ),
)

INVARIANTS = (
    Invariant(
        name="no order is committed whose money was not reserved",
        holds=lambda state, facts: (
            state != "COMMITTED" or (facts.get("held", False) and facts.get("sent", False))
        ),
    ),
    Invariant(
        name="an order that ended without being committed holds no money",
        holds=lambda state, facts: (
            state not in ("REJECTED", "FAILED", "ALREADY_ORDERED") or not facts.get("held", False)
        ),
    ),
    Invariant(
        name="an order in doubt keeps its money",
        holds=lambda state, facts: state != "IN_DOUBT" or facts.get("held", False),
    ),
    Invariant(
        name="only a committed order is with the ERP",
        holds=lambda state, facts: not facts.get("ordered", False) or state == "COMMITTED",
    ),
)


class InlineDocument(TypedDict):
    """A document that travels inside the request: text, or bytes as base64."""

    filename: NotRequired[str]
    media_type: NotRequired[str]
    content_base64: NotRequired[str]
    text: NotRequired[str]
    ref: NotRequired[str]
    """SHA-256 of a document stored earlier, instead of its content."""


class DocumentRef(TypedDict):
    """A stored document; its content never stays in the state."""

    ref: str
    """SHA-256 of the content, hexadecimal."""
    filename: str
    media_type: str | None
    size: int
    """Bytes."""


class Violation(TypedDict):
    """Why a proposal was refused, for a machine and for a person."""

    code: str
    field: str
    message: str
    allowed: list[str]
    """What could stand in the field; empty where there is no list."""


class Reason(TypedDict):
    """Why a person is asked."""

    code: str
    message: str


class OrderLine(TypedDict):
    """One line of an order; `amount` is net."""

    item: str
    quantity: str
    amount: int


class Order(TypedDict):
    """What is, or would be, ordered."""

    order_id: str
    revision: int
    """Which version of the order: each has a reservation of its own."""
    supplier_id: str
    supplier_name: str
    invoice_number: str
    department: str
    amount: int
    """What is to be paid, tax included."""
    currency: str
    lines: list[OrderLine]
    buyer_order: str | None
    erp_order_id: str | None


class First(TypedDict):
    """The order that an invoice was taken for first."""

    order_id: str
    thread_id: str
    stage: str


class Failure(TypedDict):
    """Why a process ended as failed."""

    code: str
    message: str
    field: str | None
    expected: str | None


class Answer(TypedDict):
    """What a person answered, as kept in the state."""

    type: str
    comment: str | None
    decided_by: str | None


Question = Literal["order", "proposal", "credit_note", "doubt"]
"""What a person is asked about: an order, a proposal that the rules refuse, a credit note, or an
order of which nobody knows whether the ERP has it."""


class ProposalFields(TypedDict):
    """A proposal as the state keeps it; see `Proposal`."""

    stage: str
    department: str
    amount: int
    currency: str
    concerns: list[str]
    rationale: str


class PurchaseOrderInput(TypedDict):
    """What a thread is started with: a document, or its text (XML, e-mail or plain)."""

    document: InlineDocument | str


class PurchaseOrder(TypedDict, total=False):
    """The state of one purchase order, JSON shapes only."""

    document: DocumentRef | InlineDocument | str
    stage: Stage
    facts: dict[str, bool]
    summary: str
    """Where it stands, for a person."""
    next: str | None
    """What happens next, for a person; None at the end."""
    invoice: Invoice | None
    invoice_id: str | None
    """What makes this invoice the same one as another: see `state.invoice.identity`."""
    order: Order | None
    held: Order | None
    """The version of the order that the reserved money is for."""
    first: First | None
    """The order of the same invoice that came before."""
    proposal: ProposalFields | None
    violations: list[Violation]
    repairs: int
    """How often the Brain has been sent back."""
    reasons: list[Reason]
    question: Question | None
    answer: Answer | None
    error: Failure | None


Move = PurchaseOrder
"""What a node returns: the fields that it changed."""


def beginning() -> Move:
    """Return the fields of a process that begins; whatever the thread held before is gone."""
    return {
        "stage": "DRAFT",
        "facts": dict(PURCHASE_ORDER.facts),
        "next": None,
        "invoice": None,
        "invoice_id": None,
        "order": None,
        "held": None,
        "first": None,
        "proposal": None,
        "violations": [],
        "repairs": 0,
        "reasons": [],
        "question": None,
        "answer": None,
        "error": None,
    }


def move(state: PurchaseOrder, event: str, *, by: Actor = "process") -> Move:
    """Return the stage and the facts after an event; the only way to a new stage.

    Raises:
        state.errors.IllegalMoveError: the table does not permit it.
    """
    stage, facts = PURCHASE_ORDER.step(state["stage"], event, state["facts"], by)
    return {"stage": cast("Stage", stage), "facts": facts}


def order_text(order: Order) -> str:
    """Return an order in a few words: `PO-1, Acme, 12.50 EUR`."""
    money = money_text(order["amount"], order["currency"])
    return f"{order['order_id']}, {order['supplier_name']}, {money}"


def due(state: PurchaseOrder) -> Order:
    """Return the order of a state that must have one.

    Raises:
        ValueError: it has none; the wiring is wrong.
    """
    order = state.get("order")
    if order is None:
        raise ValueError("the state holds no order yet")
    return order


def read_invoice(state: PurchaseOrder) -> Invoice:
    """Return the invoice of a state that must have one.

    Raises:
        ValueError: it has none; the wiring is wrong.
    """
    invoice = state.get("invoice")
    if invoice is None:
        raise ValueError("the state holds no invoice yet")
    return invoice
