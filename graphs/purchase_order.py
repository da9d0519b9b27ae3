"""From an invoice to a purchase order.

    read_document ── claim_invoice ── propose_order ⇄ check_proposal ── reserve_budget
         │                 │                                │             │       │
         │ unreadable      ├ already ordered                │ refused     │ ask   │ go
         ▼                 ▼                                ▼             ▼       ▼
       notify            notify        check_amendment ⇄ await_review ────┼─ commit_to_erp ─ notify
                                                            │             │       │ unconfirmed
                           credit note: straight to it      │ no          │       ▼
                                                            ▼         no money  resolve_commit
               notify ── notify_operator ── release_budget ◀┴─────────────┴───────┤
                                                                                  ▼ nobody knows
                                                                           await_resolution

Which way it goes, no more: the work is in `nodes/`, the rules are in `state/`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Literal, cast

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import RetryPolicy

from nodes.await_resolution import await_resolution
from nodes.await_review import await_review
from nodes.check_amendment import check_amendment
from nodes.check_proposal import check_proposal
from nodes.claim_invoice import claim_invoice
from nodes.commit_to_erp import commit_to_erp, lose_commit
from nodes.notify import notify
from nodes.notify_operator import notify_operator
from nodes.propose_order import propose_order
from nodes.read_document import read_document
from nodes.release_budget import release_budget
from nodes.reserve_budget import reserve_budget
from nodes.resolve_commit import doubt_commit, resolve_commit
from nodes.services.faults import HandledErrors, is_transient
from nodes.services.opening import Services, open_services
from nodes.services.settings import ProcessSettings
from state.purchase_order import PurchaseOrder, PurchaseOrderInput

Graph = CompiledStateGraph[PurchaseOrder, None, PurchaseOrderInput, PurchaseOrder]

ATTEMPTS = 3
PAUSE_SECONDS = 0.5
READ_SECONDS = 60.0
"""Longest time to read a document; a bomb that the reader missed ends here."""
DATABASE_SECONDS = 30.0
"""Longest time of a node that asks only our own database."""
ERP_CALLS = 3
"""Calls to the ERP that one attempt of a node may make."""


@asynccontextmanager
async def purchase_order() -> AsyncIterator[Graph]:
    """Yield the graph on the services that the environment names."""
    settings = ProcessSettings()
    async with open_services(settings) as services:
        yield wire(services, settings).compile()


def wire(
    services: Services,
    settings: ProcessSettings,
    *,
    pause_seconds: float = PAUSE_SECONDS,
) -> StateGraph[PurchaseOrder, None, PurchaseOrderInput, PurchaseOrder]:
    """Return the graph on these services.

    Args:
        services: what the nodes touch.
        settings: limits of time.
        pause_seconds: before the first of the repeats of a node; the next waits twice as long.
    """
    s = services
    retry = RetryPolicy(
        initial_interval=pause_seconds,
        max_attempts=ATTEMPTS,
        retry_on=is_transient,
        jitter=pause_seconds > 0,
    )
    handled = HandledErrors()
    erp_seconds = ERP_CALLS * settings.erp_timeout_seconds + DATABASE_SECONDS

    graph = StateGraph(PurchaseOrder, input_schema=PurchaseOrderInput)
    graph.set_node_defaults(retry_policy=retry, timeout=DATABASE_SECONDS)
    graph.add_node(
        "read_document",
        partial(read_document, reader=s.reader, documents=s.documents),
        timeout=READ_SECONDS,
    )
    graph.add_node("claim_invoice", partial(claim_invoice, orders=s.orders))
    graph.add_node(
        "propose_order",
        partial(propose_order, brain=s.brain, ledger=s.ledger),
        timeout=settings.brain_seconds + DATABASE_SECONDS,
    )
    graph.add_node(
        "check_proposal", partial(check_proposal, ledger=s.ledger, suppliers=s.suppliers)
    )
    graph.add_node("reserve_budget", partial(reserve_budget, ledger=s.ledger, effects=s.effects))
    graph.add_node(
        "await_review",
        partial(await_review, ledger=s.ledger, patience=timedelta(hours=settings.review_hours)),
    )
    graph.add_node("check_amendment", partial(check_amendment, ledger=s.ledger))
    graph.add_node(
        "commit_to_erp",
        partial(commit_to_erp, erp=s.erp, effects=s.effects, ledger=s.ledger),
        timeout=erp_seconds,
        # LangGraph's types know no handler that is told the error, its documentation does.
        error_handler=cast("Any", partial(lose_commit, handled=handled)),
        destinations=("resolve_commit",),
    )
    graph.add_node(
        "resolve_commit",
        partial(resolve_commit, erp=s.erp, effects=s.effects, ledger=s.ledger),
        timeout=erp_seconds,
        error_handler=cast("Any", partial(doubt_commit, handled=handled)),
        destinations=("await_resolution",),
    )
    graph.add_node(
        "await_resolution", partial(await_resolution, effects=s.effects, ledger=s.ledger)
    )
    graph.add_node("release_budget", partial(release_budget, ledger=s.ledger, effects=s.effects))
    graph.add_node(
        "notify_operator", partial(notify_operator, notifier=s.notifier, effects=s.effects)
    )
    graph.add_node(
        "notify",
        partial(
            notify,
            notifier=s.notifier,
            effects=s.effects,
            orders=s.orders,
            suppliers=s.suppliers,
        ),
    )

    graph.add_edge(START, "read_document")
    graph.add_conditional_edges("read_document", after_reading)
    graph.add_conditional_edges("claim_invoice", after_claim)
    graph.add_edge("propose_order", "check_proposal")
    graph.add_conditional_edges("check_proposal", after_check)
    graph.add_conditional_edges("reserve_budget", after_reservation)
    graph.add_conditional_edges("await_review", after_review)
    graph.add_conditional_edges("check_amendment", after_amendment)
    graph.add_edge("commit_to_erp", "notify")
    graph.add_conditional_edges("resolve_commit", after_resolving)
    graph.add_conditional_edges("await_resolution", after_resolution)
    graph.add_conditional_edges("release_budget", after_release)
    graph.add_edge("notify_operator", "notify")
    graph.add_edge("notify", END)
    return graph


def after_reading(state: PurchaseOrder) -> Literal["claim_invoice", "notify"]:
    """Go on with an invoice; what could not be read ends here."""
    return "claim_invoice" if state["stage"] == "DRAFT" else "notify"


def after_claim(state: PurchaseOrder) -> Literal["propose_order", "await_review", "notify"]:
    """Propose an order; a credit note goes to a person, what was ordered before ends here."""
    if state["stage"] == "ALREADY_ORDERED":
        return "notify"
    return "propose_order" if state["question"] is None else "await_review"


def after_check(
    state: PurchaseOrder,
) -> Literal["reserve_budget", "propose_order", "await_review"]:
    """Reserve what the rules accept; what they refuse goes back, at last to a person."""
    if state["facts"]["checked"]:
        return "reserve_budget"
    return "propose_order" if state["question"] is None else "await_review"


def after_reservation(
    state: PurchaseOrder,
) -> Literal["commit_to_erp", "await_review", "notify_operator"]:
    """Order what needs no approval or has it; ask for the rest."""
    if state["stage"] == "FAILED":
        return "notify_operator"
    facts = state["facts"]
    if facts["approval_required"] and not facts["approved"]:
        return "await_review"
    return "commit_to_erp"


def after_review(
    state: PurchaseOrder,
) -> Literal["commit_to_erp", "check_amendment", "release_budget", "notify"]:
    """Follow the decision."""
    match state["stage"]:
        case "COMPENSATING":
            return "release_budget"
        case "REJECTED" | "FAILED":
            return "notify"
        case _:
            return "commit_to_erp" if state["facts"]["checked"] else "check_amendment"


def after_amendment(state: PurchaseOrder) -> Literal["reserve_budget", "await_review"]:
    """Reserve what the rules accept; ask again about the rest."""
    return "await_review" if state["violations"] else "reserve_budget"


def after_resolving(state: PurchaseOrder) -> Literal["notify", "release_budget"]:
    """Follow what the ERP said; where it said nothing, the error handler asks a person."""
    return "notify" if state["stage"] == "COMMITTED" else "release_budget"


def after_resolution(
    state: PurchaseOrder,
) -> Literal["notify", "release_budget", "resolve_commit", "await_resolution"]:
    """Follow what a person found out; a question that nobody answered is put again."""
    match state["stage"]:
        case "COMMITTED":
            return "notify"
        case "COMPENSATING":
            return "release_budget"
        case _:
            answer = state["answer"]
            expired = answer is not None and answer["type"] == "expired"
            return "await_resolution" if expired else "resolve_commit"


def after_release(state: PurchaseOrder) -> Literal["notify", "notify_operator"]:
    """A person's no is no failure; everything else the operator must know."""
    return "notify" if state["stage"] == "REJECTED" else "notify_operator"
