"""Request bodies: bounded, strict JSON, whatever content type the client calls it by."""

import asyncio
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import answer, problem
from engine.errors import InvalidValueError
from engine.values import decode_json

JSON = b"application/json"
# Studio and old JavaScript clients send JSON as text to spare themselves a preflight.
JSON_BY_ANOTHER_NAME = frozenset({"", "text/plain"})
FORM = "application/x-www-form-urlencoded"
# How long the next part of a body may take to come.
READ_SECONDS = 30.0


class BodyTooLargeError(Exception):
    """The body is larger than the server reads."""


class BodyTooSlowError(Exception):
    """The next part of the body does not come."""


class StrictBodies:
    """Reads each body once, within a size, and lets only sound JSON through to the routes.

    Refused are NaN and infinities, numbers beyond 64 bits, keys given twice, half surrogate pairs
    and nesting beyond `max_depth`; the answer is a 422 with a pointer. Forms pass as they are,
    within the same size. Whoever stops in the middle of a body for `read_seconds` is not waited
    for.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int,
        max_depth: int,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self.app = app
        self.read_seconds = read_seconds
        self.max_bytes = max_bytes
        self.max_depth = max_depth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            messages, body = await self._read(Headers(scope=scope), receive)
        except BodyTooLargeError:
            detail = f"the body must be at most {self.max_bytes} bytes"
            refusal = problem(413, "body-too-large", detail, {"max_bytes": self.max_bytes})
            await refusal(scope, receive, send)
            return
        except BodyTooSlowError:
            detail = f"the rest of the body did not come within {self.read_seconds:g} s"
            await problem(408, "body-too-slow", detail)(scope, receive, send)
            return
        content_type = Headers(scope=scope).get("content-type", "").partition(";")[0]
        content_type = content_type.strip().lower()
        if body and _is_json(content_type, body):
            try:
                decode_json(body, max_depth=self.max_depth)
            except InvalidValueError as error:
                await answer(error)(scope, receive, send)
                return
            scope["headers"] = _as_json(scope["headers"])  # in place: others read the scope later
        await self.app(scope, _replay(messages, receive), send)

    async def _read(self, headers: Headers, receive: Receive) -> tuple[list[Message], bytes]:
        announced = headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > self.max_bytes:
            raise BodyTooLargeError
        messages: list[Message] = []
        body = bytearray()
        while True:
            try:
                async with asyncio.timeout(self.read_seconds):
                    message = await receive()
            except TimeoutError as error:
                raise BodyTooSlowError from error
            messages.append(message)
            if message["type"] != "http.request":
                return messages, bytes(body)
            body += message.get("body", b"")
            if len(body) > self.max_bytes:
                raise BodyTooLargeError
            if not message.get("more_body", False):
                return messages, bytes(body)


def _is_json(content_type: str, body: bytes) -> bool:
    if content_type == FORM:
        # What `curl -d` calls JSON when it is not told; a form has no bare bracket.
        return body.lstrip()[:1] in (b"{", b"[")
    return content_type.endswith("json") or content_type in JSON_BY_ANOTHER_NAME


def _as_json(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    others = [(name, value) for name, value in headers if name.lower() != b"content-type"]
    return [*others, (b"content-type", JSON)]


def _replay(messages: list[Message], receive: Receive) -> Receive:
    """Return a `receive` that gives what was read, then waits for the client's leaving."""
    waiting = iter(messages)

    async def replayed() -> Message:
        for message in waiting:
            return message
        return await receive()

    return replayed
