import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from api.bodies import StrictBodies


async def _length(request: Request) -> JSONResponse:
    return JSONResponse(len(await request.body()))


def guarded(**limits: Any) -> StrictBodies:
    app = Starlette(routes=[Route("/", _length, methods=["GET", "POST"])])
    return StrictBodies(app, **{"max_bytes": 1_000, "max_depth": 64, **limits})


async def send(method: str, body: bytes, content_type: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=guarded())
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.request(
            method, "/", content=body, headers={"Content-Type": content_type}
        )


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON", "TEXT/PLAIN", "application/X+Json"]
)
async def test_json_is_read_strictly_however_its_type_is_spelt(content_type: str) -> None:
    response = await send("POST", b'{"a": NaN}', content_type)

    assert response.status_code == 422


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_method_may_carry_more_than_the_limit(method: str) -> None:
    response = await send(method, b"x" * 1_001, "application/octet-stream")

    assert response.status_code == 413


async def test_a_body_that_stops_coming_is_not_waited_for() -> None:
    parts = [{"type": "http.request", "body": b"{", "more_body": True}]
    sent: list[Any] = []

    async def receive() -> Any:
        return parts.pop() if parts else await asyncio.Future()

    async def answer(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    await guarded(read_seconds=0.01)(scope, receive, answer)

    assert sent[0]["status"] == 408
