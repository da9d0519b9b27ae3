"""The way to a server: the official SDK, and one place that says failures in sentences."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient

USUAL_PORT = "2024"
# A port in the environment moves `holdfast serve` and the commands that talk to it alike.
DEFAULT_URL = f"http://127.0.0.1:{os.environ.get('HOLDFAST_PORT') or USUAL_PORT}"
# A run may stay at one node for as long as a model takes; the server sends heartbeats meanwhile.
TIMEOUT_SECONDS = (5.0, 300.0, 300.0, 5.0)  # connect, read, write, wait for a connection

UrlOption = Annotated[
    str,
    typer.Option("--url", envvar="HOLDFAST_URL", help="Address of the server."),
]
UserOption = Annotated[
    str | None,
    typer.Option("--user", envvar="HOLDFAST_USER", help="Your name, as the audit log keeps it."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line.")]


class CommandError(Exception):
    """What went wrong, said in one sentence; the command ends with exit code `code`."""

    def __init__(self, message: str, *, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def command(words: str, url: str) -> str:
    """Return a command line to type in the folder of this call, for the server at `url`."""
    program, here = Path(sys.argv[0]).absolute(), Path.cwd()
    typed = str(program.relative_to(here)) if program.is_relative_to(here) else "holdfast"
    elsewhere = "" if url == f"http://127.0.0.1:{USUAL_PORT}" else f" --url {url}"
    return f"{typed} {words}{elsewhere}"


def credentials() -> dict[str, str]:
    """Return the headers that sign a caller in at a server with `auth`.

    From the environment alone: what a command line says, everybody on the machine can read.
    """
    headers = {}
    if token := os.environ.get("HOLDFAST_TOKEN"):
        headers["authorization"] = f"Bearer {token}"
    if key := os.environ.get("HOLDFAST_API_KEY"):
        headers["x-api-key"] = key
    return headers


def sdk(url: str) -> SyncLangGraphClient:
    """Return the official client of the server at `url`."""
    # Its own way to a key would also take the one of another server out of LANGGRAPH_API_KEY.
    headers = credentials()
    return get_sync_client(
        url=url,
        api_key=headers.pop("x-api-key", None),
        headers=headers,
        timeout=TIMEOUT_SECONDS,
    )


@contextmanager
def http(url: str, user: str | None = None) -> Iterator[httpx.Client]:
    """Yield a plain HTTP client for what the official SDK does not know (reviews)."""
    headers = {"x-holdfast-user": user or os.environ.get("USER") or "local", **credentials()}
    with httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS) as client:
        yield client


def call(client: httpx.Client, method: str, path: str, **arguments: Any) -> Any:
    """Send one request and return the decoded answer.

    Raises:
        CommandError: the server refused; the sentence is the server's own.
    """
    response = client.request(method, path, **arguments)
    if response.is_success:
        return response.json() if response.content else None
    raise CommandError(_refusal(response))


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn what the network and the SDK raise into a `CommandError`."""
    try:
        yield
    except httpx.ConnectError as error:
        raise CommandError(
            f"no server answers at {url}; start one with `make run` (or `holdfast serve`),"
            " or name another with --url",
            code=2,
        ) from error
    except httpx.HTTPStatusError as error:
        raise CommandError(_refusal(error.response)) from error
    except httpx.TransportError as error:
        raise CommandError(f"the connection to {url} broke: {error}", code=2) from error


def _refusal(response: httpx.Response) -> str:
    try:
        body = response.json()
    except (ValueError, httpx.ResponseNotRead):
        return f"the server answered {response.status_code} {response.reason_phrase}"
    sentence = str(body.get("detail", body)) if isinstance(body, dict) else str(body)
    for error in (body.get("errors") or []) if isinstance(body, dict) else []:
        if error.get("message", "") not in sentence:
            sentence += f"\n  {error.get('pointer', '')}: {error['message']}"
    return sentence
