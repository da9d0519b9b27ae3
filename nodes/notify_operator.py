"""Tells the operator that an order failed after its work had begun."""

from langchain_core.runnables import RunnableConfig

from nodes.notify import notice_key
from nodes.services import JSON, Effects, Notifier
from nodes.services.effects import effect
from state.purchase_order import Move, PurchaseOrder, due


async def notify_operator(
    state: PurchaseOrder, config: RunnableConfig, *, notifier: Notifier, effects: Effects
) -> Move:
    """Leave a notice with what went wrong and where the money is."""
    order = due(state)
    thread_id = str(config["configurable"]["thread_id"])
    key = notice_key(state, thread_id, "operator")

    async def call() -> JSON:
        await notifier.notify(
            key,
            audience="operator",
            thread_id=thread_id,
            order_id=order["order_id"],
            title=f"{order['order_id']} failed",
            body=state["summary"],
        )
        return {}

    await effect(
        effects, key=key, name="notify_operator", request={"body": state["summary"]}, call=call
    )
    return {"next": "tell the requester"}
