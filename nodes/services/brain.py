"""What every Brain that is a model shares: the prompt, and the reading of its answer."""

import json
import logging
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import ValidationError

from nodes.services import JSON, Brain, Task
from nodes.services.errors import BrainUnavailableError, UnusableAnswerError
from state.invoice import Invoice
from state.order_messages import Proposal
from state.purchase_order import PURCHASE_ORDER, Violation

log = logging.getLogger(__name__)

MAX_LINES = 60
"""Lines of the invoice that are shown; the department does not hang on the sixty-first."""
MAX_TEXT = 200
"""Characters of one text of the invoice that are shown."""
# Keywords of JSON Schema that strict modes refuse; the answer is checked against them here.
_UNSUPPORTED = frozenset(
    {"minLength", "maxLength", "minItems", "maxItems", "pattern", "title", "default"}
)


class FallbackBrain:
    """Asks one Brain, and another when the first cannot be reached; a person is told."""

    def __init__(self, first: Brain, second: Brain) -> None:
        self._first = first
        self._second = second

    async def propose(self, task: Task) -> Proposal:
        """Return the first Brain's proposal, or the second's with a concern that says so."""
        try:
            return await self._first.propose(task)
        except BrainUnavailableError as error:
            log.warning("brain_unavailable", extra={"reason": str(error)})
            proposal = await self._second.propose(task)
            concern = f"the model did not answer ({error}); this proposal is the rules'"
            return proposal.model_copy(update={"concerns": [*proposal.concerns, concern][-8:]})


@cache
def system_prompt() -> str:
    """Return what stays the same in every call, so that providers can cache it."""
    text = (files("nodes") / "prompts" / "propose_order.md").read_text(encoding="utf-8")
    return text.replace("{machine}", PURCHASE_ORDER.mermaid().strip())


def question(task: Task) -> str:
    """Return what changes from call to call: the document, the choices, the refusals so far."""
    asked: JSON = {
        "stage": task.stage,
        "stages you may propose": list(task.allowed),
        "departments": [
            {
                "department": budget["department"],
                "name": budget["name"],
                "keywords": budget["keywords"],
                "available": budget["available"],
            }
            for budget in task.budgets
        ],
        "invoice": _shown(task.invoice),
    }
    if task.previous is not None:
        asked["your refused proposal"] = task.previous
    if task.violations:
        asked["why you were refused"] = list(task.violations)
    return json.dumps(asked, ensure_ascii=False, indent=1)


def read_proposal(text: str) -> Proposal:
    """Return the proposal that an answer is.

    Raises:
        UnusableAnswerError: it is something else; it says what, in words for the model.
    """
    try:
        return Proposal.model_validate_json(text)
    except ValidationError as error:
        raise UnusableAnswerError(
            [
                _violation(
                    code=str(flaw["type"]),
                    field=".".join(str(part) for part in flaw["loc"]) or "answer",
                    message=str(flaw["msg"]),
                )
                for flaw in error.errors(include_url=False, include_context=False)[:5]
            ]
        ) from error


def unusable(code: str, message: str) -> UnusableAnswerError:
    """Return the error for an answer that is no proposal as a whole."""
    return UnusableAnswerError([_violation(code=code, field="answer", message=message)])


def answer_format() -> JSON:
    """Return the `response_format` that asks for a proposal, in the form that strict modes take."""
    schema = _strict(Proposal.model_json_schema())
    return {
        "type": "json_schema",
        "json_schema": {"name": "proposal", "strict": True, "schema": schema},
    }


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key not in _UNSUPPORTED}
    if isinstance(kept.get("properties"), dict):
        fields = kept["properties"]
        kept["properties"] = {name: _strict(field) for name, field in fields.items()}
        kept |= {"required": list(fields), "additionalProperties": False}
        return kept
    return {key: _strict(value) for key, value in kept.items()}


def _shown(invoice: Invoice) -> JSON:
    return {
        "number": invoice["number"],
        "supplier": invoice["supplier_name"][:MAX_TEXT],
        "issue_date": invoice["issue_date"],
        "due_date": invoice["due_date"],
        "currency": invoice["currency"],
        "payable": invoice["totals"]["payable"],
        "tax": invoice["totals"]["tax_total"],
        "references": {name: value for name, value in invoice["references"].items() if value},
        "lines": [
            {
                "item": line["item"][:MAX_TEXT],
                "description": (line["description"] or "")[:MAX_TEXT],
                "accounting_cost": line["accounting_cost"],
                "quantity": line["quantity"],
                "amount": line["amount"],
            }
            for line in invoice["lines"][:MAX_LINES]
        ],
        "notes": [note[:MAX_TEXT] for note in invoice["notes"][:5]],
        "warnings": invoice["warnings"],
    }


def _violation(*, code: str, field: str, message: str) -> Violation:
    return {"code": code, "field": field, "message": message, "allowed": []}
