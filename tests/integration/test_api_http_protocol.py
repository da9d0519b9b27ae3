"""Raw connections against a real server: what stands before a request's body is bounded."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from api.http_protocol import MAX_HEAD_BYTES, BoundedHttpProtocol


class HastyProtocol(BoundedHttpProtocol):
    head_seconds = 0.05


async def _length(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
async def serve() -> AsyncIterator[Any]:
    """Return how to start a server with a protocol; gives the port."""
    servers: list[tuple[uvicorn.Server, asyncio.Task[None]]] = []

    async def start(protocol: type[BoundedHttpProtocol]) -> int:
        app = Starlette(routes=[Route("/", _length, methods=["POST"])])
        server = uvicorn.Server(
            uvicorn.Config(app, port=0, http=protocol, lifespan="off", log_level="critical")
        )
        started = asyncio.Event()
        startup = server.startup

        async def told(**options: Any) -> None:
            await startup(**options)
            started.set()

        server.startup = told  # type: ignore[method-assign]  # tells when the port is known
        servers.append((server, asyncio.create_task(server.serve())))
        await started.wait()
        port: int = server.servers[0].sockets[0].getsockname()[1]
        return port

    yield start
    for server, task in servers:
        server.should_exit = True
        await task


async def talk(port: int, *parts: bytes) -> bytes:
    """Send parts and return what comes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await reader.read()
    except ConnectionError:
        return b"reset"
    finally:
        writer.close()


HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    "endless", [b"X: " + b"a" * 2_000_000, b"X: a\r\n" * 400_000, b"a" * 2_000_000]
)
async def test_a_head_without_end_is_refused(serve: Any, endless: bytes) -> None:
    port = await serve(BoundedHttpProtocol)

    answer = await talk(port, HEAD, *[endless[i : i + 65_536] for i in range(0, 2_000_000, 65_536)])

    assert answer == b"reset" or answer.startswith(b"HTTP/1.1 400")


async def test_a_large_body_is_no_large_head(serve: Any) -> None:
    port = await serve(BoundedHttpProtocol)
    body = b"x" * (4 * MAX_HEAD_BYTES)

    answer = await talk(port, HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    assert answer.endswith(b"%d" % len(body))


@pytest.mark.parametrize("part", [b"", b"POST / HTTP/1.1\r\nHost: loc"])
async def test_a_head_that_does_not_come_is_not_waited_for(serve: Any, part: bytes) -> None:
    port = await serve(HastyProtocol)

    assert await talk(port, part) == b""
