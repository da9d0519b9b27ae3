"""What a reviewer's form says: the ballot behind it, or the draft that is given back."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from fastapi import Request

from api.console.forms import Difference, FormError, differences, free_answer, parse
from engine.errors import InvalidDecisionError
from engine.gates.gate import UNANSWERED
from engine.reviews.ballots import Ballot
from engine.reviews.board import ReviewDetail
from engine.reviews.decision import Decision

EACH = "each"  # the button that decides every action for itself
# A decision of high risk is asked for twice, also from a page without script.
SURE = "sure"
CERTAIN_TYPES = ("approve", "edit", "answer", EACH)
MAX_FIELDS = 20_000  # an invoice of a thousand lines has some thousand fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a reviewer typed, given back when it could not be taken.

    Attributes:
        form: names and texts as they were posted.
        errors: what is wrong, by the name of the field.
        trouble: why it was not taken.
        editing: whether the form was open.
        sure: whether the second press is awaited now.
        changed: what the proposal has become since it was read.
        typed: what the reviewer had changed, when the form itself is gone.
    """

    form: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    trouble: str | None = None
    editing: bool = False
    sure: bool = False
    changed: Sequence[Difference] = ()
    typed: Sequence[Difference] = ()


async def read_form(request: Request) -> dict[str, str]:
    """Return the texts of a posted form."""
    posted = await request.form(max_fields=MAX_FIELDS)
    return {name: value for name, value in posted.items() if isinstance(value, str)}


def unsure(detail: ReviewDetail, form: Mapping[str, str]) -> bool:
    """Tell whether a decision of high risk came without its second press."""
    asked = detail.gate.risk == "high" and form.get("type") in CERTAIN_TYPES
    return asked and form.get(SURE) != "yes" and detail.gate.state in UNANSWERED


def ballot(detail: ReviewDetail, form: Mapping[str, str]) -> Ballot:
    """Read what a reviewer sent; internal words never become the agent's.

    Raises:
        FormError: a field cannot be read as its type.
        InvalidDecisionError: fields were changed, and the proposal approved.
    """
    kind = form.get("type", "")
    words = form.get("message", "").strip() or None
    internal = form.get("audience") == "internal"
    message = None if internal else words
    question = detail.question
    if kind == EACH or (kind == "edit" and len(question.actions) == 1):
        decisions = [
            _decision(detail, index, kind, message, form) for index in range(len(question.actions))
        ]
    elif kind == "answer":
        decisions = [Decision(type="answer", value=_answer(detail, form))]
    else:
        decisions = [Decision(type=kind, message=message)]  # type: ignore[arg-type]  # the engine checks it
    unchanged = form.get("fingerprint") == detail.gate.fingerprint
    if kind == "approve" and unchanged and typed(detail, form):
        problem = "fields were changed: send the changes, or set them back and approve"
        raise InvalidDecisionError([{"pointer": "/type", "message": problem}])
    version = form.get("version", "")
    return Ballot(
        decisions=decisions,
        version=int(version) if version.isdecimal() else None,
        fingerprint=form.get("fingerprint"),
        note=words if internal else None,
    )


def seen(detail: ReviewDetail) -> str:
    """Return the proposal as text that the form carries, to say later what has changed."""
    return json.dumps([action.args for action in detail.question.actions])


def since(detail: ReviewDetail, form: Mapping[str, str]) -> list[Difference]:
    """Return how the proposal differs from the one that a form was made from."""
    try:
        before = json.loads(form.get("seen", "[]"))
    except ValueError:
        return []
    found: list[Difference] = []
    for action, earlier in zip(detail.question.actions, before, strict=False):
        found += differences(action.args_schema, earlier, action.args)
    return found


def typed(detail: ReviewDetail, form: Mapping[str, str]) -> list[Difference]:
    """Return what a reviewer had changed in a form that cannot be shown any more."""
    found: list[Difference] = []
    for index, action in enumerate(detail.question.actions):
        posted = _fields_of(form, index)
        if posted:
            with suppress(FormError):
                changed = parse(action.args_schema, posted, action.args)
                found += differences(action.args_schema, action.args, changed)
    return found


def field_name(pointer: str) -> str:
    """Return the field's name behind the engine's pointer to a flaw."""
    parts = pointer.split("/")
    index = 0
    if parts[1:2] == ["decisions"] and len(parts) > 2 and parts[2].isdecimal():
        index, parts = int(parts[2]), ["", *parts[3:]]
    if parts[1:2] == ["args"]:
        return f"a{index}:{''.join(f'/{part}' for part in parts[2:])}"
    if parts[1:2] == ["message"]:
        return "message"
    return f"a{index}:{pointer.removeprefix('/value')}"


def _decision(
    detail: ReviewDetail, index: int, kind: str, message: str | None, form: Mapping[str, str]
) -> Decision:
    action = detail.question.actions[index]
    chosen = form.get(f"d{index}", "") if kind == EACH else kind
    own = form.get(f"m{index}", "").strip() or message
    if chosen != "edit":
        return Decision(type=chosen, message=own)  # type: ignore[arg-type]  # the engine checks it
    try:
        changed = parse(action.args_schema, _fields_of(form, index), action.args)
    except FormError as error:
        raise FormError(f"a{index}:{error.pointer}", error.message) from error
    return Decision(type="edit", args=changed, message=own)


def _answer(detail: ReviewDetail, form: Mapping[str, str]) -> object:
    posted = _fields_of(form, 0)
    schema = detail.question.answer_schema
    try:
        if schema is None:
            return free_answer(posted.get("", ""))
        return parse(schema, posted, detail.question.proposed)
    except FormError as error:
        raise FormError(f"a0:{error.pointer}", error.message) from error


def _fields_of(form: Mapping[str, str], index: int) -> dict[str, str]:
    """Return the fields of one action under their JSON pointers."""
    start = f"a{index}:"
    return {
        name.removeprefix(start): value for name, value in form.items() if name.startswith(start)
    }
