"""`holdfast submit`: one thread per document, followed live until it waits or ends."""

import base64
import json
import mimetypes
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from langgraph_sdk.client import SyncLangGraphClient
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from api.commands.output import console as make_console
from api.commands.server import (
    DEFAULT_URL,
    CommandError,
    JsonOption,
    UrlOption,
    command,
    explained,
    sdk,
)

# Base64 makes four characters of three bytes.
BASE64_GROWTH = 4 / 3
PARALLEL_DOCUMENTS = 4
MEDIA_TYPES = {".eml": "message/rfc822", ".xml": "application/xml", ".pdf": "application/pdf"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Where one document got to.

    Attributes:
        file: the file's name as given.
        status: `waiting` at a review, `done` at an end state, or `failed`.
        reviews: ids of the reviews it waits for.
        stage: the process's own stage, for example `COMMITTED`.
        summary: the process's own sentence about the result.
        error: what went wrong, when it did.
    """

    file: str
    thread_id: str | None = None
    status: str
    stage: str | None = None
    reviews: tuple[str, ...] = ()
    summary: str | None = None
    error: str | None = None


def submit(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Invoices: XML, PDF, e-mail or text.")
    ],
    graph: Annotated[
        str | None, typer.Option("--graph", help="Graph that takes the document.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait through the reviews until the end.")
    ] = False,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Start one thread per document and show how far it gets.

    Ends at the review that the document waits for (its id is printed) or at its end state.

    Examples:

      holdfast submit invoice.xml

      holdfast submit --wait mail.eml

      holdfast submit --json inbox/*.pdf
    """
    console = make_console(stderr=as_json)
    with explained(url):
        client = sdk(url)
        chosen = graph or _default_graph(client)
        limit = _largest_document(client)
    if len(files) == 1:
        outcomes = [_follow_one(url, files[0], chosen, limit, wait=wait, console=console)]
    else:
        outcomes = list(_follow_many(url, files, chosen, limit, wait=wait, console=console))
    for outcome in outcomes:
        if as_json:
            typer.echo(json.dumps(asdict(outcome)))
        else:
            _print(console, outcome, url)
    if any(outcome.status == "failed" for outcome in outcomes):
        raise typer.Exit(1)


def _default_graph(client: SyncLangGraphClient) -> str:
    chosen = client.http.get("/info").get("submit_graph_id")
    if chosen is None:
        raise CommandError("this server names no graph for documents; choose one with --graph")
    return str(chosen)


def _largest_document(client: SyncLangGraphClient) -> int:
    largest_body = int(client.http.get("/info").get("max_body_bytes", 1_048_576))
    return int(largest_body / BASE64_GROWTH) - 1024


def _document(path: Path, limit: int) -> dict[str, str]:
    try:
        size = path.stat().st_size
        if size > limit:
            raise CommandError(
                f"a document may have {limit:,} bytes, this one has {size:,};"
                " raise HOLDFAST_MAX_BODY_BYTES on the server to take it"
            )
        content = path.read_bytes()
    except OSError as error:
        raise CommandError(f"{error.strerror}") from error
    guessed = MEDIA_TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0]
    return {
        "filename": path.name,
        "media_type": guessed or "text/plain",
        "content_base64": base64.b64encode(content).decode(),
    }


def _follow_one(
    url: str,
    path: Path,
    graph: str,
    limit: int,
    *,
    wait: bool,
    console: Console,
) -> Outcome:
    try:
        with explained(url):
            return _run(url, path, graph, limit, wait=wait, console=console)
    except CommandError as error:
        return Outcome(file=str(path), status="failed", error=str(error))


def _follow_many(
    url: str,
    files: Sequence[Path],
    graph: str,
    limit: int,
    *,
    wait: bool,
    console: Console,
) -> Iterator[Outcome]:
    quiet = make_console(quiet=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with (
        Progress(*columns, console=console, transient=True) as progress,
        ThreadPoolExecutor(PARALLEL_DOCUMENTS) as pool,
    ):
        task = progress.add_task("documents", total=len(files))
        futures = {
            pool.submit(_follow_one, url, path, graph, limit, wait=wait, console=quiet): position
            for position, path in enumerate(files)
        }
        outcomes: dict[int, Outcome] = {}
        for future in as_completed(futures):
            outcomes[futures[future]] = future.result()
            progress.advance(task)
    yield from (outcomes[position] for position in sorted(outcomes))


def _run(
    url: str,
    path: Path,
    graph: str,
    limit: int,
    *,
    wait: bool,
    console: Console,
) -> Outcome:
    client = sdk(url)
    document = _document(path, limit)
    console.print(f"[bold]{path.name}[/bold]")
    thread = client.threads.create(metadata={"document": path.name}, graph_id=graph)
    thread_id = thread["thread_id"]
    parts = client.runs.stream(
        thread_id,
        graph,
        input={"document": document},
        stream_mode=["updates"],
        stream_resumable=True,
    )
    try:
        failure = _show_progress(parts, console)
    except httpx.HTTPStatusError:
        # The run was refused: nothing will ever happen on its thread.
        client.threads.delete(thread_id)
        raise
    outcome = _outcome(client, path, thread_id, failure)
    while wait and outcome.status == "waiting":
        _print(console, outcome, url)
        _wait_for_next_run(client, thread_id, console)
        outcome = _outcome(client, path, thread_id, None)
    return outcome


def _show_progress(parts: Iterator[Any], console: Console) -> str | None:
    for part in parts:
        if part.event == "error":
            return f"{part.data.get('error')}: {part.data.get('message')}"
        if part.event != "updates" or not isinstance(part.data, dict):
            continue
        for node, update in part.data.items():
            if node != "__interrupt__":
                remark = escape(_remark(update))
                console.print(f"  [green]✓[/green] {node:<18} {remark}", soft_wrap=True)
    return None


def _remark(update: Any) -> str:
    if not isinstance(update, dict):
        return ""
    return str(update.get("remark") or update.get("summary") or update.get("stage") or "")


def _wait_for_next_run(client: SyncLangGraphClient, thread_id: str, console: Console) -> None:
    state = client.threads.get(thread_id)
    for part in client.threads.join_stream(thread_id, stream_mode=["run_modes", "lifecycle"]):
        if part.event == "updates":
            _show_progress(iter([part]), console)
        state = client.threads.get(thread_id)
        if part.event == "metadata" and state["status"] not in ("busy", "interrupted"):
            return
        if state["status"] in ("idle", "error"):
            return


def _outcome(
    client: SyncLangGraphClient, path: Path, thread_id: str, failure: str | None
) -> Outcome:
    thread: Any = client.threads.get(thread_id)
    values = thread.get("values") or {}
    reviews = tuple(
        interrupt["id"]
        for pending in (thread.get("interrupts") or {}).values()
        for interrupt in pending
    )
    error = failure or values.get("error")
    if isinstance(error, dict):
        error = error.get("message") or json.dumps(error)
    status = "failed" if error else "waiting" if reviews else "done"
    return Outcome(
        file=str(path),
        thread_id=thread_id,
        status=status,
        stage=values.get("stage"),
        reviews=reviews if status == "waiting" else (),
        summary=values.get("summary"),
        error=error,
    )


def _print(console: Console, outcome: Outcome, url: str) -> None:
    name = Path(outcome.file).name
    if outcome.status == "failed":
        console.print(f"[red]✗[/red] {name}: {escape(str(outcome.error))}", soft_wrap=True)
    elif outcome.status == "waiting":
        summary = escape(outcome.summary or "waits for a review")
        console.print(f"[yellow]⏸[/yellow] {name}: {summary}", soft_wrap=True)
        for review in outcome.reviews:
            console.print(f"  review {review}")
            console.print(
                f"  decide with: {command(f'reviews show {review}', url)}", soft_wrap=True
            )
    else:
        stage = f"{outcome.stage}: " if outcome.stage else ""
        summary = escape(outcome.summary or "done")
        console.print(f"[green]✓[/green] {name}: {stage}{summary}", soft_wrap=True)
    if outcome.thread_id:
        console.print(f"  thread {outcome.thread_id}")
