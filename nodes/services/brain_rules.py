"""The Brain that needs no model: it reads the invoice's own words and picks the department."""

import re
from collections.abc import Iterable, Iterator, Sequence

from nodes.services import Task
from state.budget import Budget
from state.invoice import Invoice
from state.order_messages import Proposal

# A code that the buyer gave (cost centre, project) says more than a word in a line's text.
WEIGHT_OF_REFERENCE = 10
WEIGHT_OF_WORD = 1
SHORTEST_STEM = 4
"""Letters from which a keyword also speaks for its inflections (`chair` for `chairs`)."""


class RuleBrain:
    """Proposes the department that the document's references and words speak for.

    Args:
        default_department: for a document that speaks for none; by default the one with the
            largest part of its budget left.
    """

    def __init__(self, *, default_department: str | None = None) -> None:
        self._default = default_department

    async def propose(self, task: Task) -> Proposal:
        """Return the proposal; the same document always gives the same one."""
        invoice = task.invoice
        department, rationale, concerns = self._choose(invoice, task.budgets)
        return Proposal(
            stage="RESERVED",
            department=department,
            amount=invoice["totals"]["payable"],
            currency=invoice["currency"],
            concerns=concerns,
            rationale=rationale,
        )

    def _choose(self, invoice: Invoice, budgets: Sequence[Budget]) -> tuple[str, str, list[str]]:
        if not budgets:
            return "none", f"no department has a budget in {invoice['currency']}", []
        scores = {budget["department"]: (_score(budget, invoice), budget) for budget in budgets}
        best = max(scores, key=lambda name: scores[name][0][0])
        (score, words), budget = scores[best]
        if score > 0:
            verb = "speaks" if len(words) == 1 else "speak"
            return best, f"{', '.join(words[:5])} {verb} for {budget['name']}", []
        names = [b["department"] for b in budgets]
        fallback = (
            self._default
            if self._default in names
            else max(budgets, key=lambda b: b["available"] / max(b["limit"], 1))["department"]
        )
        concern = f"nothing in the document names a department; {fallback} is a guess"
        return fallback, "the default department", [concern]


def _score(budget: Budget, invoice: Invoice) -> tuple[int, list[str]]:
    score = 0
    found: list[str] = []
    codes = {budget["department"].lower(), budget["name"].lower()}
    for reference in _references(invoice):
        words = set(_words(reference))
        if reference.lower() in codes or budget["department"].lower() in words:
            score += WEIGHT_OF_REFERENCE
            found.append(repr(reference))
    words = set(_words(" ".join(_texts(invoice))))
    for keyword in budget["keywords"]:
        if _speaks(keyword, words):
            score += WEIGHT_OF_WORD
            found.append(repr(keyword))
    return score, found


def _references(invoice: Invoice) -> Iterator[str]:
    references = invoice["references"]
    named: Iterable[str | None] = (
        references["accounting_cost"],
        references["buyer"],
        references["project"],
        references["order"],
        *(line["accounting_cost"] for line in invoice["lines"]),
    )
    return (reference for reference in named if reference)


def _texts(invoice: Invoice) -> Iterator[str]:
    for line in invoice["lines"]:
        yield from (text for text in (line["item"], line["description"]) if text)
    yield from invoice["notes"]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _speaks(keyword: str, words: set[str]) -> bool:
    if keyword in words:
        return True
    return len(keyword) >= SHORTEST_STEM and any(word.startswith(keyword) for word in words)
