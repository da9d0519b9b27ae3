"""An OpenAI-compatible server that says what a script tells it to, and remembers what it was asked.

It is no model and pretends to be none: it is for tests of what a client does with each answer.
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

Reply = Callable[[dict[str, Any]], Response | None]
"""Makes the answer to a request; None says nothing for ever."""


@dataclass
class Script:
    """What will be said, in order; the last reply is repeated.

    Attributes:
        requests: the bodies that came in.
    """

    replies: list[Reply]
    requests: list[dict[str, Any]] = field(default_factory=list)

    def next(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


def create_app(replies: Iterable[Reply]) -> FastAPI:
    """Return the server; its `Script` is at `app.state.script`."""
    app = FastAPI()
    script = Script(replies=list(replies))
    app.state.script = script

    @app.post("/v1/chat/completions")
    async def complete(request: Request) -> Response:
        body = await request.json()
        script.requests.append(body)
        reply = script.next()(body)
        if reply is None:
            await asyncio.Event().wait()
            raise AssertionError
        return reply

    return app


def says(content: str | None, *, finish: str = "stop", refusal: str | None = None) -> Reply:
    """Answer with this content."""

    def reply(body: dict[str, Any]) -> Response:
        message = {"role": "assistant", "content": content, "refusal": refusal}
        choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
        usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
        return JSONResponse(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1_700_000_000,
                "model": body["model"],
                "choices": [choice],
                "usage": usage,
            }
        )

    return reply


def proposes(**fields: Any) -> Reply:
    """Answer with a proposal: the right one for the asked invoice, but for these fields."""

    def reply(body: dict[str, Any]) -> Response:
        asked = json.loads(body["messages"][-1]["content"])
        right = {
            "stage": "RESERVED",
            "department": asked["departments"][0]["department"],
            "amount": asked["invoice"]["payable"],
            "currency": asked["invoice"]["currency"],
            "concerns": [],
            "rationale": "the first department",
        }
        made = says(json.dumps({**right, **fields}))(body)
        assert made is not None
        return made

    return reply


def fails(status: int, *, headers: dict[str, str] | None = None) -> Reply:
    """Answer with an error of the API."""
    content = {"error": {"message": f"status {status}", "type": "error", "code": None}}
    return lambda body: JSONResponse(content, status, headers)


def says_html() -> Reply:
    """Answer 200 with a page, as a proxy in the way does."""
    return lambda body: HTMLResponse("<html><body>Welcome</body></html>")


def hangs() -> Reply:
    """Say nothing."""
    return lambda body: None
