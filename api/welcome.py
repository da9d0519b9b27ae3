"""What a starting server says: where it is, what waits, and what to type next."""

import asyncio
import base64
import mimetypes
import sys
import uuid
from pathlib import Path
from typing import Any

import httpx
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langsmith.utils import tracing_is_enabled

from api.commands.server import command
from api.settings import Settings
from api.startup import data_directory
from engine.project import Project

SHOWN_REVIEWS = 5


async def welcome(settings: Settings, project: Project, address: str) -> None:
    """Submit the sample documents on a first start, then print where everything is.

    A project with an authentication of its own gets the addresses only.
    """
    client = get_client(url=address)
    lines = headline(settings, address)
    if project.auth is not None:  # the server itself cannot sign in
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        return
    try:
        samples = project.holdfast.samples if settings.samples else []
        if samples and await client.threads.count() == 0:
            names = await asyncio.gather(
                *(_submit(client, entry.graph_id, project.locate(entry.file)) for entry in samples)
            )
            lines += ["", f"{len(names)} sample documents were submitted: {', '.join(names)}"]
        lines += ["", *await _waiting(address, can_submit=project.holdfast.submit is not None)]
    except httpx.HTTPError as error:
        lines += ["", f"the sample documents could not be submitted: {error}"]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def headline(settings: Settings, address: str) -> list[str]:
    """Return where everything is, and where the data goes."""
    lines = [
        f"Holdfast serves {address}  (Ctrl-C stops it)",
        "",
        f"  reviews   {address}/console",
        f"  API       {address}/docs",
    ]
    if settings.database_url is None:
        lines.append(f"  data      {data_directory(settings)}")
    if tracing_is_enabled():
        lines.append(
            "  tracing   runs and their documents go to LangSmith (LANGSMITH_TRACING is set)"
        )
    return lines


async def _submit(client: LangGraphClient, graph_id: str, file: Path) -> str:
    # The same id on every try: a start that was cut off submits no sample twice.
    thread_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"holdfast:sample:{file.name}"))
    await client.threads.create(
        thread_id=thread_id,
        if_exists="do_nothing",
        graph_id=graph_id,
        metadata={"document": file.name, "sample": True},
    )
    await client.runs.wait(
        thread_id,
        graph_id,
        input={"document": _document(file)},
        headers={"Idempotency-Key": thread_id},
        raise_error=False,
    )
    return file.name


def _document(path: Path) -> dict[str, str]:
    return {
        "filename": path.name,
        "media_type": mimetypes.guess_type(path.name)[0] or "text/plain",
        "content_base64": base64.b64encode(path.read_bytes()).decode(),
    }


async def _waiting(address: str, *, can_submit: bool) -> list[str]:
    async with httpx.AsyncClient(base_url=address) as http:
        response = await http.get("/reviews", params={"limit": SHOWN_REVIEWS})
        response.raise_for_status()
        body: Any = response.json()
    reviews = body["reviews"]
    submit = command("submit YOUR-INVOICE.xml", address)
    if not reviews:
        hint = f"; try: {submit}" if can_submit else ""
        return [f"nothing waits for a review{hint}"]
    lines = ["waiting for a review:"]
    lines += [f"  {review['id']}  {review['title']}" for review in reviews]
    first = reviews[0]["id"]
    lines += [
        "",
        "next, in another terminal:",
        f"  {command(f'reviews show {first}', address)}",
        f"  {command(f'reviews approve {first}', address)}",
    ]
    return [*lines, f"  {submit}"] if can_submit else lines
