"""`holdfast threads`: what each thread is about, where it stands and how it got there."""

import json
import uuid
from typing import Annotated, Any

import typer
from rich.markup import escape

from api.commands.output import console, rows, table
from api.commands.server import (
    DEFAULT_URL,
    CommandError,
    JsonOption,
    UrlOption,
    explained,
    sdk,
)

app = typer.Typer(no_args_is_help=True, help="List threads and show one.")


@app.command("list")
def list_threads(
    status: Annotated[
        str | None, typer.Option(help="Only idle, busy, interrupted or error.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """List threads, newest first.

    Examples:

      holdfast threads list

      holdfast threads list --status interrupted
    """
    with explained(url):
        found: list[Any] = list(
            sdk(url).threads.search(
                status=status,  # type: ignore[arg-type]  # the server checks it and says what fits
                limit=limit,
                sort_by="created_at",
                sort_order="desc",
            )
        )
    if as_json:
        for thread in found:
            typer.echo(json.dumps(thread))
        return
    if not found:
        console().print("no threads yet")
        return
    console().print(rows(table("thread", "status", "stage", "about", "updated"), _lines(found)))


def _lines(found: list[Any]) -> list[list[str]]:
    lines = []
    for thread in found:
        values = thread.get("values") or {}
        lines.append(
            [
                thread["thread_id"],
                thread["status"],
                str(values.get("stage") or ""),
                str(values.get("summary") or thread["metadata"].get("document") or ""),
                str(thread["updated_at"])[:19].replace("T", " "),
            ]
        )
    return lines


@app.command()
def show(
    thread_id: Annotated[str, typer.Argument(help="The thread's id.")],
    history: Annotated[int, typer.Option(min=0, max=1000, help="Steps of history shown.")] = 20,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Show a thread: its stage, what comes next, its reviews and its history.

    Examples:

      holdfast threads show 5d0c9f6e-1a4b-4f0e-9b7c-3f1c2d4e5f60
    """
    try:
        uuid.UUID(thread_id)
    except ValueError:
        raise CommandError(
            f"a thread's id is a UUID, got {thread_id!r}; `holdfast threads list` shows them"
        ) from None
    with explained(url):
        client = sdk(url)
        thread: Any = client.threads.get(thread_id)
        state: Any = client.threads.get_state(thread_id)
        steps: list[Any] = (
            list(client.threads.get_history(thread_id, limit=history)) if history else []
        )
    if as_json:
        typer.echo(json.dumps({"thread": thread, "state": state, "history": steps}))
        return
    _print(thread, state, steps)


def _print(thread: Any, state: Any, steps: list[Any]) -> None:
    out = console()
    values = state.get("values") or {}
    facts = {
        "thread": thread["thread_id"],
        "graph": thread["metadata"].get("graph_id"),
        "status": thread["status"],
        "stage": values.get("stage"),
        "summary": values.get("summary"),
        "next": ", ".join(state.get("next") or ()) or "nothing, the thread has ended",
        "reviews": ", ".join(
            interrupt["id"]
            for pending in (thread.get("interrupts") or {}).values()
            for interrupt in pending
        ),
    }
    for name, value in facts.items():
        if value:
            out.print(f"[bold]{name:<8}[/bold] {escape(str(value))}", soft_wrap=True)
    lines = (
        [
            [
                str(step["metadata"].get("step", "")),
                str(step.get("created_at") or "")[11:19],
                ", ".join(earlier["next"]) if earlier else str(step["metadata"].get("source", "")),
                str((step.get("values") or {}).get("stage") or ""),
                ", ".join(step.get("next") or ()),
            ]
            for earlier, step in zip([*steps[1:], None], steps, strict=True)
        ]
        if steps
        else []
    )
    if lines:
        out.print(rows(table("step", "at", "ran", "stage", "then"), lines))
