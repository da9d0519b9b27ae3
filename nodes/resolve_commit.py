"""Finds out what became of an order that the ERP did not confirm.

What is not known is never treated as a failure: the order is looked up, and what is not there is
barred from coming later before its money is given back.
"""

from typing import cast

from langgraph.errors import NodeError
from langgraph.types import Command

from nodes.commit_to_erp import adopt, commit_key
from nodes.services import JSON, Effects, Erp, ErpOrder, Ledger
from nodes.services.effects import effect
from nodes.services.faults import HandledErrors
from state.purchase_order import Failure, Move, PurchaseOrder, due, move, order_text


async def resolve_commit(
    state: PurchaseOrder, *, erp: Erp, effects: Effects, ledger: Ledger
) -> Move:
    """Return the order as committed, or as given up with its money on the way back.

    Raises:
        EffectError: the ERP does not say; `doubt_commit` asks a person.
    """
    order = due(state)
    confirm, give_up = ("confirm", "clear") if state["stage"] == "IN_DOUBT" else ("commit", "fail")
    known = await effects.get(commit_key(order))
    if known is not None and known.state == "done" and known.result is not None:
        entered = cast("ErpOrder", known.result)
        return await adopt(state, confirm, entered, effects=effects, ledger=ledger)
    if known is not None and (known.doubtful or known.state == "sending"):
        found = await erp.find(order["order_id"])
        if found is not None:
            done = dict(found)
            await effects.record(
                commit_key(order), attempts=known.attempts, state="done", result=done
            )
            return await adopt(state, confirm, found, effects=effects, ledger=ledger)
        await _bar(state, erp=erp, effects=effects)
    reason = (known.error if known else None) or {
        "code": "outcome_unknown",
        "message": "the ERP did not answer and does not have the order; it was cancelled there",
    }
    failure: Failure = {
        "code": str(reason["code"]),
        "message": f"{order['order_id']} was not ordered: {reason['message']}",
        "field": None,
        "expected": None,
    }
    return {
        **move(state, give_up),
        "error": failure,
        "summary": f"{order_text(order)}: {failure['message']}",
        "next": "release the budget",
    }


async def doubt_commit(
    state: PurchaseOrder, error: NodeError, *, handled: HandledErrors
) -> Command[str]:
    """Hand an order of which nobody knows whether the ERP has it to a person."""
    handled.keep(error.error)
    moved = move(state, "lose_sight") if state["stage"] == "RESERVED" else Move()
    update: Move = {
        **moved,
        "question": "doubt",
        "reasons": [{"code": "outcome_unknown", "message": str(error.error)}],
        "summary": f"{order_text(due(state))}: nobody knows whether the ERP has it",
        "next": "a person finds out",
    }
    return Command(update=update, goto="await_resolution")


async def _bar(state: PurchaseOrder, *, erp: Erp, effects: Effects) -> None:
    order = due(state)

    async def call() -> JSON:
        await erp.cancel(order["order_id"], key=f"{order['order_id']}:cancel")
        return {}

    await effect(
        effects,
        key=f"{order['order_id']}:cancel",
        name="cancel_in_erp",
        request={"reference": order["order_id"]},
        call=call,
    )
