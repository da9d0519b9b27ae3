from typing import Any

import pytest

from nodes.services import Task
from nodes.services.brain_rules import RuleBrain
from nodes.services.documents import read
from nodes.services.standins import sample_budgets
from state.invoice import Invoice
from state.order_messages import Proposal
from tests.desk import mail

BUDGETS = [budget for budget in sample_budgets() if budget["currency"] == "EUR"]


def invoice(**changes: Any) -> Invoice:
    return {**read(mail().encode(), filename="mail.txt"), **changes}


async def propose(
    document: Invoice, brain: RuleBrain | None = None, budgets: Any = BUDGETS
) -> Proposal:
    task = Task(
        invoice=document,
        stage="DRAFT",
        allowed=["RESERVED"],
        budgets=budgets,
        violations=[],
        previous=None,
    )
    return await (brain or RuleBrain()).propose(task)


def with_item(item: str) -> Invoice:
    document = invoice()
    return {**document, "lines": [{**document["lines"][0], "item": item}]}


async def test_the_figures_are_the_invoices_own() -> None:
    proposal = await propose(invoice())

    assert (proposal.amount, proposal.currency, proposal.stage) == (125_00, "EUR", "RESERVED")


@pytest.mark.parametrize(
    ("item", "department"),
    [
        ("Laptop stand", "it"),
        ("LAPTOPS, refurbished", "it"),
        ("Office chairs", "office"),
        ("Steel profile 40x40", "operations"),
    ],
)
async def test_the_words_of_the_lines_choose_the_department(item: str, department: str) -> None:
    assert (await propose(with_item(item))).department == department


async def test_a_code_of_the_buyer_says_more_than_words() -> None:
    document = invoice()
    document["references"] = {**document["references"], "accounting_cost": "Office"}

    assert (await propose(document)).department == "office"


async def test_a_code_inside_a_reference_counts() -> None:
    document = invoice()
    document["references"] = {**document["references"], "project": "2026/operations/7"}

    assert (await propose(document)).department == "operations"


async def test_the_reason_is_said_in_words() -> None:
    assert "'laptop' speaks for Information technology" in (await propose(invoice())).rationale


async def test_a_document_that_speaks_for_none_is_a_guess_and_says_so() -> None:
    proposal = await propose(with_item("Something"), RuleBrain(default_department="office"))

    assert proposal.department == "office"
    assert proposal.concerns == ["nothing in the document names a department; office is a guess"]


async def test_the_same_document_gives_the_same_proposal() -> None:
    assert await propose(invoice()) == await propose(invoice())


async def test_without_any_budget_it_still_proposes_for_the_rules_to_refuse() -> None:
    proposal = await propose(invoice(), budgets=[])

    assert proposal.department == "none"
