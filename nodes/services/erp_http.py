"""An ERP behind JSON over HTTP.

    POST {base}/orders                        Idempotency-Key: …   201 or 200 with the order
    GET  {base}/orders/{reference}                                 200 with the order, 404 without
    POST {base}/orders/{reference}/cancel     Idempotency-Key: …   200; no order may come later

An answer that says that nothing happened (408, 425, 429, 503, no connection) is told apart from
one that says no (other 4xx) and from one that says nothing (timeout, broken connection, other 5xx).
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from nodes.services import ErpOrder
from nodes.services.errors import (
    EffectNotAppliedError,
    EffectRefusedError,
    OutcomeUnknownError,
)
from state.purchase_order import Order

NOT_APPLIED = frozenset({408, 425, 429, 503})
IN_FLIGHT = 409
"""Another attempt with the same key is at work: its outcome is not known yet."""
MAX_MESSAGE = 300


class HttpErp:
    """Enters orders in an ERP over HTTP.

    Args:
        client: with the base URL, the timeout and the credentials of the ERP; the caller closes it.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def create(self, order: Order, *, key: str) -> ErpOrder:
        """Enter an order; see `Erp.create`."""
        body = {
            "reference": order["order_id"],
            "supplier_id": order["supplier_id"],
            "supplier_name": order["supplier_name"],
            "invoice_number": order["invoice_number"],
            "buyer_order": order["buyer_order"],
            "department": order["department"],
            "amount": order["amount"],
            "currency": order["currency"],
            "lines": order["lines"],
        }
        response = await self._send("POST", "orders", key=key, json=body)
        return _order(response, order["order_id"])

    async def find(self, reference: str) -> ErpOrder | None:
        """Return the live order of a reference; see `Erp.find`."""
        try:
            response = await self._send("GET", f"orders/{quote(reference, safe='')}")
        except EffectRefusedError as error:
            if error.code == "http_404":
                return None
            # Somebody who may not look has not learned anything.
            raise OutcomeUnknownError(f"the ERP does not say: {error}") from error
        return _order(response, reference)

    async def cancel(self, reference: str, *, key: str) -> None:
        """Make sure that a reference has no live order; see `Erp.cancel`."""
        await self._send("POST", f"orders/{quote(reference, safe='')}/cancel", key=key, json={})

    async def _send(
        self,
        method: str,
        path: str,
        *,
        key: str | None = None,
        json: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        try:
            response = await self._client.request(method, path, headers=headers, json=json)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise EffectNotAppliedError(f"the ERP cannot be reached: {error}") from error
        except httpx.TransportError as error:
            kind = type(error).__name__
            raise OutcomeUnknownError(f"the ERP did not answer ({kind})") from error
        if response.is_success:
            return response
        message = f"the ERP answered {response.status_code}: {_said(response)}"
        if response.status_code in NOT_APPLIED:
            raise EffectNotAppliedError(message)
        if response.is_client_error and response.status_code != IN_FLIGHT:
            raise EffectRefusedError(message, code=f"http_{response.status_code}")
        raise OutcomeUnknownError(message)


def _order(response: httpx.Response, reference: str) -> ErpOrder:
    try:
        body = response.json()
        order: ErpOrder = {
            "erp_order_id": str(body["erp_order_id"]),
            "reference": str(body["reference"]),
            "supplier_id": str(body["supplier_id"]),
            "amount": int(body["amount"]),
            "currency": str(body["currency"]),
        }
    except (ValueError, KeyError, TypeError) as error:
        raise OutcomeUnknownError(f"the ERP's answer cannot be read: {error!r}") from error
    if order["reference"] != reference:
        raise OutcomeUnknownError(
            f"the ERP answered about {order['reference']!r}, asked was {reference!r}"
        )
    return order


def _said(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return response.text[:MAX_MESSAGE]
    said = body.get("message", body.get("detail", body)) if isinstance(body, dict) else body
    return str(said)[:MAX_MESSAGE]
