"""Server-sent events as the Agent Server's clients expect them: CRLF, heartbeats, no end event."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

HEARTBEAT = b": heartbeat\r\n\r\n"
KEEP_ALIVE = b"\n"  # whitespace before a JSON document
# The JavaScript SDK gives a connection up after three missed ones.
HEARTBEAT_SECONDS = 5.0
# A document that is ready by then needs no stream, which costs several writes to the socket.
EARLY_SECONDS = 1.0
STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

# Work that must outlive the request whose end started it.
_aftermath: set[asyncio.Task[Any]] = set()


def frame(event: str, data: str, event_id: str | int | None = None) -> bytes:
    """Return one event as bytes; `data` is JSON without line breaks, the id comes after it."""
    tail = "" if event_id is None else f"id: {event_id}\r\n"
    return f"event: {event}\r\ndata: {data}\r\n{tail}\r\n".encode("utf-8", "replace")


def event_stream(
    frames: AsyncIterator[bytes],
    *,
    headers: Mapping[str, str] | None = None,
    on_disconnect: Callable[[], Awaitable[Any]] | None = None,
) -> StreamingResponse:
    """Return frames as a response that stays alive; `on_disconnect` runs if the client leaves."""
    return StreamingResponse(
        keep_alive(frames, HEARTBEAT, on_disconnect),
        media_type="text/event-stream",
        headers={**STREAM_HEADERS, **(headers or {})},
    )


class LateJson(Response):
    """A JSON document that takes its time; line feeds go ahead of one that takes long."""

    media_type = "application/json"

    def __init__(
        self,
        document: Awaitable[bytes],
        *,
        headers: Mapping[str, str] | None = None,
        on_disconnect: Callable[[], Awaitable[Any]] | None = None,
    ) -> None:
        """Answer with what `document` returns; `on_disconnect` runs if the client leaves."""
        super().__init__(headers=headers)
        self._document = document
        self._extra = headers
        self._on_disconnect = on_disconnect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        document = asyncio.ensure_future(self._document)
        try:
            early, _ = await asyncio.wait({document}, timeout=EARLY_SECONDS)
        except asyncio.CancelledError:
            document.cancel()
            raise
        response: Response = (
            Response(document.result(), media_type=self.media_type, headers=self._extra)
            if early
            else StreamingResponse(
                keep_alive(_once(document), KEEP_ALIVE, self._on_disconnect),
                media_type=self.media_type,
                headers=self._extra,
            )
        )
        await response(scope, receive, send)


async def _once(document: Awaitable[bytes]) -> AsyncIterator[bytes]:
    yield await document


async def keep_alive(
    chunks: AsyncIterator[bytes],
    filler: bytes,
    on_disconnect: Callable[[], Awaitable[Any]] | None = None,
    *,
    seconds: float = HEARTBEAT_SECONDS,
) -> AsyncIterator[bytes]:
    """Yield the chunks, and the filler whenever `seconds` pass without one."""
    following: asyncio.Future[bytes] | None = None
    complete = False
    try:
        while True:
            following = following or asyncio.ensure_future(anext(chunks))
            done, _ = await asyncio.wait({following}, timeout=seconds)
            if not done:
                yield filler
                continue
            try:
                chunk = following.result()
            except StopAsyncIteration:
                complete = True
                return
            following = None
            yield chunk
    finally:
        if following is not None and not following.done():
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
        if not complete and on_disconnect is not None:
            run_after(on_disconnect())


def run_after(work: Awaitable[Any]) -> None:
    """Run `work` in the background; the request that asked for it may be gone."""

    async def to_the_end() -> None:
        await work

    task = asyncio.create_task(to_the_end())
    _aftermath.add(task)
    task.add_done_callback(_aftermath.discard)
