"""`holdfast reviews`: the console's decisions for people who stay in the terminal."""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from api.commands.output import console, rows, table
from api.commands.server import (
    DEFAULT_URL,
    CommandError,
    JsonOption,
    UrlOption,
    UserOption,
    call,
    command,
    explained,
    http,
)
from api.console.forms import Field, FormError, fields, parse

app = typer.Typer(no_args_is_help=True, help="List, read and decide what waits for a person.")

ReviewArgument = Annotated[
    str, typer.Argument(metavar="REVIEW", help="The review's id, or the start of it.")
]
MessageOption = Annotated[
    str | None, typer.Option("--message", "-m", help="What the agent is told.")
]
NoteOption = Annotated[
    str | None, typer.Option("--note", help="For colleagues only; kept in the audit log.")
]

OPTIONS = {"approve": "", "edit": " --set FIELD=VALUE", "reject": ' --reason "WHY"'}


@app.command("list")
def list_reviews(
    mine: Annotated[bool, typer.Option("--mine", help="Only those you are asked.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
    user: UserOption = None,
) -> None:
    """List what waits, the most urgent first.

    Examples:

      holdfast reviews list

      holdfast reviews list --mine --json
    """
    with explained(url), http(url, user) as client:
        page = call(client, "GET", "/reviews", params={"mine": mine, "limit": limit})
    if as_json:
        for review in page["reviews"]:
            typer.echo(json.dumps(review))
        return
    out = console()
    if not page["reviews"]:
        out.print("nothing waits for a review")
        return
    lines = [
        [
            review["id"],
            review["risk"],
            review["title"],
            review["why_now"],
            (review["due_at"] or review["expires_at"] or "")[:16].replace("T", " "),
        ]
        for review in page["reviews"]
    ]
    out.print(rows(table("review", "risk", "what", "why", "due"), lines))
    if page["total"] > len(lines):
        out.print(f"{page['total']} wait in all; --limit shows more")


@app.command()
def show(
    review: ReviewArgument,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
    user: UserOption = None,
) -> None:
    """Show what is asked, why, the evidence, and what each decision does.

    Examples:

      holdfast reviews show 3f2a9c
    """
    with explained(url), http(url, user) as client:
        shown = _find(client, review)
    if as_json:
        typer.echo(json.dumps(shown))
    else:
        _print(shown, url)


@app.command()
def approve(
    review: ReviewArgument,
    message: MessageOption = None,
    note: NoteOption = None,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
    user: UserOption = None,
) -> None:
    """Approve what is proposed, as it is proposed now.

    Examples:

      holdfast reviews approve 3f2a9c
    """
    with explained(url), http(url, user) as client:
        seen = _find(client, review)
        body = {"type": "approve", "message": message, "note": note}
        _report(_decide(client, seen, body), url, as_json=as_json)


@app.command()
def reject(
    review: ReviewArgument,
    message: Annotated[
        str, typer.Option("--message", "-m", "--reason", help="Why; the agent is told.")
    ],
    note: NoteOption = None,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
    user: UserOption = None,
) -> None:
    """Reject what is proposed, with a reason.

    Examples:

      holdfast reviews reject 3f2a9c --reason "wrong supplier"
    """
    with explained(url), http(url, user) as client:
        seen = _find(client, review)
        body = {"type": "reject", "message": message, "note": note}
        _report(_decide(client, seen, body), url, as_json=as_json)


@app.command()
def edit(
    review: ReviewArgument,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Change one field; may be repeated."),
    ] = None,
    args: Annotated[
        str | None, typer.Option("--args", help="All arguments as JSON, instead of --set.")
    ] = None,
    message: MessageOption = None,
    note: NoteOption = None,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
    user: UserOption = None,
) -> None:
    """Approve with changes. Nested fields are written with slashes: lines/0/quantity=3.

    Examples:

      holdfast reviews edit 3f2a9c --set amount=3999.00 --set department=it

      holdfast reviews edit 3f2a9c --args '{"amount": 399900, …}'
    """
    with explained(url), http(url, user) as client:
        seen = _find(client, review)
        if not seen["actions"]:
            raise CommandError(f"review {seen['id']} proposes nothing that could be edited")
        changed = _json(args) if args is not None else _changed(seen["actions"][0], changes or [])
        body = {"type": "edit", "args": changed, "message": message, "note": note}
        _report(_decide(client, seen, body), url, as_json=as_json)


def _find(client: Any, given: str) -> dict[str, Any]:
    """Return the review with this id, or the only open one whose id begins so."""
    response = client.get(f"/reviews/{given}")
    if response.is_success:
        return dict(response.json())
    page = call(client, "GET", "/reviews", params={"limit": 200, "snoozed": True})
    matches = [one["id"] for one in page["reviews"] if one["id"].startswith(given)]
    if len(matches) == 1:
        return dict(call(client, "GET", f"/reviews/{matches[0]}"))
    if matches:
        raise CommandError(f"review {given!r} could be {', '.join(matches)}; type more of the id")
    raise CommandError(f"review {given!r} not found; `holdfast reviews list` shows what waits")


def _decide(client: Any, seen: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    # Bound to what was shown: if the proposal changed meanwhile, the server refuses.
    given = {name: value for name, value in body.items() if value is not None}
    decided: dict[str, Any] = call(
        client,
        "POST",
        f"/reviews/{seen['id']}/decision",
        json={**given, "fingerprint": seen["fingerprint"]},
        headers={"If-Match": f'"{seen["version"]}"', "Idempotency-Key": str(uuid.uuid4())},
    )
    return decided


def _report(state: Mapping[str, Any], url: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(state))
        return
    decision = (state.get("decision") or {}).get("type") or "vote"
    if state["state"] == "scheduled":
        became = (
            f"{decision} takes effect at {state['effective_at'][11:19]} UTC;"
            " until then the console can undo it"
        )
    elif state["state"] == "decided":
        became = f"{decision}, decided by {state['decided_by']}"
    else:
        became = f"{decision} counted, {state['quorum']} votes are needed"
    out = console()
    out.print(escape(f"{state['title']}: {became}"), soft_wrap=True)
    follow = command(f"threads show {state['thread_id']}", url)
    out.print(f"follow it with: {escape(follow)}", soft_wrap=True)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise CommandError(f"--args must be JSON: {error}", code=2) from error


def _changed(action: Mapping[str, Any], changes: Sequence[str]) -> Any:
    """Apply `field=value` texts to the proposed arguments, each read as its schema's type."""
    if not changes:
        raise CommandError("nothing to change; name fields with --set field=value", code=2)
    schema, proposed = action["args_schema"], action["args"]
    shown = fields(schema, proposed)
    form = dict(_posted(shown))
    choices = dict(_choices(shown))
    for change in changes:
        name, equals, value = change.partition("=")
        pointer = f"/{name.strip().strip('/').replace('.', '/')}"
        if not equals:
            raise CommandError(f"--set {change!r}: write field=value", code=2)
        if pointer not in form:
            known = ", ".join(sorted(key.removeprefix("/") for key in form))
            raise CommandError(f"--set {name}: no such field; there are {known}", code=2)
        form[pointer] = _chosen(choices.get(pointer), name, value)
    try:
        return parse(schema, form, proposed)
    except FormError as error:
        raise CommandError(f"{error.pointer.removeprefix('/')} {error.message}", code=2) from error


def _choices(shown: Sequence[Field]) -> list[tuple[str, Mapping[str, str]]]:
    """Return the form values of the fields that offer a choice, by what a person reads."""
    found: list[tuple[str, Mapping[str, str]]] = []
    for one in shown:
        found += _choices(one.children)
        if one.options:
            found.append((one.pointer, dict(one.options)))
    return found


def _chosen(choices: Mapping[str, str] | None, name: str, value: str) -> str:
    if choices is None:
        return value
    if value not in choices:
        offered = ", ".join(text for text in choices if text)
        raise CommandError(f"{name} must be one of {offered}, got {value!r}", code=2)
    return choices[value]


def _posted(shown: Sequence[Field]) -> list[tuple[str, str]]:
    form: list[tuple[str, str]] = []
    for one in shown:
        if one.children:
            form += _posted(one.children)
        elif one.widget == "checkbox":
            form += [(one.pointer, "on")] if one.value else []
        else:
            form.append((one.pointer, str(one.value)))
    return form


def _print(shown: Mapping[str, Any], url: str) -> None:
    out = console()
    out.print(f"[bold]{escape(shown['title'])}[/bold]", soft_wrap=True)
    facts = [
        ("review", shown["id"]),
        ("thread", shown["thread_id"]),
        ("state", shown["state"]),
        ("risk", shown["risk"]),
        ("due", shown["due_at"] or shown["expires_at"] or "no deadline"),
        ("why", shown["why_now"]),
    ]
    for name, value in facts:
        if value:
            out.print(f"  {name:<8} {escape(value)}", soft_wrap=True)
    for action in shown["actions"]:
        out.print(f"\n[bold]{escape(action['name'])}[/bold]")
        for one in fields(action["args_schema"], action["args"]):
            _print_field(out, one)
    for title, lines in (
        ("evidence", [f"{fact['label']}: {fact['value']}" for fact in shown["evidence"]]),
        ("reasoning", shown["reasoning"].splitlines()),
        ("what it does", [f"{name}: {text}" for name, text in shown["effects"].items()]),
        ("said", [f"{one['author']}: {one['body']}" for one in shown["comments"]]),
    ):
        if lines:
            out.print(f"\n[bold]{title}[/bold]")
            for line in lines:
                out.print(f"  {escape(line)}", soft_wrap=True)
    if shown["refusal"]:
        out.print(f"\n{escape(shown['refusal'])}")
    elif shown["state"] in ("open", "claimed"):
        out.print("\ndecide with:")
        for one in shown["allowed"]:
            if one in OPTIONS:
                typed = command(f"reviews {one} {shown['id']}{OPTIONS[one]}", url)
                out.print(f"  {escape(typed)}", soft_wrap=True)


def _print_field(out: Console, one: Field) -> None:
    if one.widget == "table":
        out.print(f"  {escape(one.title)}:")
        for row in one.children:
            cells = " · ".join(_text(cell) for cell in row.children if cell.value != "")
            out.print(f"    {escape(cells)}", soft_wrap=True)
    elif one.children:
        for child in one.children:
            _print_field(out, child)
    else:
        out.print(f"  {escape(one.title)}: {escape(_text(one))}", soft_wrap=True)


def _text(one: Field) -> str:
    if one.widget == "select":
        return next((text for text, value in one.options if value == one.value), "")
    return str(one.value)
