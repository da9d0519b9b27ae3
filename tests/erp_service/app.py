"""A small ERP over HTTP, to try and to test with, with a switch for each way to misbehave.

    python -m tests.erp_service --port 8300
    curl -X PUT localhost:8300/switch -H 'content-type: application/json' \
        -d '{"mode": "commits-then-hangs", "times": 1}'

Modes: `ok`; `down` answers 503; `slow` takes `seconds`; `commits-then-hangs` enters the order and
then says nothing for `seconds`; `hangs` says nothing and enters nothing; `refuses` answers 422;
`breaks` answers 500; `blind` answers reads and cancellations with 500 as well.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Header, HTTPException, Response
from pydantic import BaseModel, Field

Mode = Literal["ok", "down", "slow", "commits-then-hangs", "hangs", "refuses", "breaks", "blind"]
HANG_SECONDS = 120.0


class Switch(BaseModel):
    """How the service behaves: `times` orders long, then well again; None for ever."""

    mode: Mode = "ok"
    times: int | None = Field(default=None, ge=1)
    seconds: float = Field(default=HANG_SECONDS, ge=0)


class NewOrder(BaseModel):
    """An order as it comes in; amounts in minor units."""

    reference: str
    supplier_id: str
    supplier_name: str
    invoice_number: str
    buyer_order: str | None = None
    department: str
    amount: int = Field(ge=1)
    currency: str
    lines: list[dict[str, Any]] = []


@dataclass
class Books:
    """What the ERP knows; `None` in `orders` bars a reference from ever coming alive."""

    orders: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    switch: Switch = field(default_factory=Switch)

    def enter(self, order: NewOrder, key: str) -> dict[str, Any]:
        known = self.keys.setdefault(key, order.reference)
        if known != order.reference:
            raise HTTPException(422, f"key {key!r} belongs to order {known}")
        if order.reference not in self.orders:
            number = f"ERP-{len(self.orders) + 1:05}"
            self.orders[order.reference] = {"erp_order_id": number, **order.model_dump()}
        entered = self.orders[order.reference]
        if entered is None:
            raise HTTPException(410, f"order {order.reference} was cancelled")
        return entered

    def take_mode(self) -> Mode:
        """Return the mode of this order, and count it."""
        mode = self.switch.mode
        if self.switch.times is not None:
            left = self.switch.times - 1
            self.switch = self.switch.model_copy(update={"times": left}) if left else Switch()
        return mode


def create_app() -> FastAPI:
    """Return the service with empty books, at `app.state.books`."""
    app = FastAPI(title="A small ERP")
    books = Books()
    app.state.books = books

    @app.get("/switch")
    async def read_switch() -> Switch:
        return books.switch

    @app.put("/switch")
    async def set_switch(switch: Switch) -> Switch:
        books.switch = switch
        return switch

    @app.get("/orders")
    async def list_orders() -> list[dict[str, Any]]:
        return [order for order in books.orders.values() if order is not None]

    @app.post("/orders", status_code=201)
    async def create(
        order: NewOrder, response: Response, idempotency_key: Annotated[str, Header()]
    ) -> dict[str, Any]:
        books.calls.append(f"create {order.reference}")
        seconds = books.switch.seconds
        mode = books.take_mode()
        if mode == "down":
            raise HTTPException(503, "closed for maintenance")
        if mode == "refuses":
            raise HTTPException(422, f"supplier {order.supplier_id} is blocked")
        if mode in ("breaks", "blind"):
            raise HTTPException(500, "something broke")
        if mode in ("slow", "hangs"):
            await asyncio.sleep(seconds)
        if mode == "hangs":
            raise HTTPException(500, "gave up")
        if order.reference in books.orders:
            response.status_code = 200
        entered = books.enter(order, idempotency_key)
        if mode == "commits-then-hangs":
            await asyncio.sleep(seconds)
            raise HTTPException(500, "gave up")
        return entered

    @app.get("/orders/{reference}")
    async def read(reference: str) -> dict[str, Any]:
        books.calls.append(f"find {reference}")
        if books.switch.mode == "blind":
            raise HTTPException(500, "something broke")
        order = books.orders.get(reference)
        if order is None:
            raise HTTPException(404, f"no order {reference}")
        return order

    @app.post("/orders/{reference}/cancel")
    async def cancel(reference: str, idempotency_key: Annotated[str, Header()]) -> dict[str, str]:
        books.calls.append(f"cancel {reference}")
        if books.switch.mode == "blind":
            raise HTTPException(500, "something broke")
        books.keys.setdefault(idempotency_key, reference)
        books.orders[reference] = None
        return {"state": "cancelled"}

    return app
