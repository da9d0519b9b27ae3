"""The model Brain over real HTTP, against a server that answers from a script."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import SecretStr

from nodes.services import Brain, Task
from nodes.services.brain_openai import OpenAiBrain
from nodes.services.documents import read
from nodes.services.errors import BrainUnavailableError, UnusableAnswerError
from nodes.services.opening import open_brain
from nodes.services.settings import ProcessSettings
from nodes.services.standins import sample_budgets
from state.invoice import Invoice
from state.order_messages import Proposal
from tests.desk import Desk, mail, standin_services
from tests.dev_llm.app import Reply, create_app, fails, hangs, proposes, says, says_html

MAIL = b"""Invoice 77
From: Acme AS
VAT: NO123456785MVA
Date: 2026-10-01
Currency: EUR

2 x Laptop stand 50.00 = 100.00
Net: 100.00
VAT 25%: 25.00
Total: 125.00
"""

Asker = Callable[..., AbstractAsyncContextManager[tuple[OpenAiBrain, list[dict[str, Any]]]]]


def settings(url: str, **changes: Any) -> ProcessSettings:
    values = {
        "HOLDFAST_OPENAI_BASE_URL": f"{url}/v1",
        "HOLDFAST_OPENAI_API_KEY": SecretStr("test"),
        "openai_model": "dev",
        "openai_timeout_seconds": 5.0,
        "openai_max_retries": 0,
        **changes,
    }
    return ProcessSettings(**values)


@pytest.fixture
def asker(serve_app: Callable[[Any], str], monkeypatch: pytest.MonkeyPatch) -> Asker:
    # What another tool has set in the environment must not redirect the requests.
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("LANGSMITH_GATEWAY", "true")

    @asynccontextmanager
    async def open_asker(
        *replies: Reply, **changes: Any
    ) -> AsyncIterator[tuple[OpenAiBrain, list[dict[str, Any]]]]:
        app = create_app(replies)
        brain = OpenAiBrain(settings(serve_app(app), **changes))
        try:
            yield brain, app.state.script.requests
        finally:
            await brain.close()

    return open_asker


@pytest.fixture(scope="module")
def invoice() -> Invoice:
    return read(MAIL, filename="mail.txt")


@pytest.fixture
def task(invoice: Invoice) -> Task:
    return Task(
        invoice=invoice,
        stage="DRAFT",
        allowed=["RESERVED"],
        budgets=[b for b in sample_budgets() if b["currency"] == "EUR"],
        violations=[],
        previous=None,
    )


async def refused(brain: Brain, task: Task) -> dict[str, str]:
    with pytest.raises(UnusableAnswerError) as error:
        await brain.propose(task)
    return dict(error.value.violations[0])  # type: ignore[arg-type]


async def test_a_good_answer_becomes_a_proposal(asker: Asker, task: Task) -> None:
    async with asker(proposes(department="it")) as (brain, _):
        proposal = await brain.propose(task)

    assert proposal == Proposal(
        stage="RESERVED",
        department="it",
        amount=125_00,
        currency="EUR",
        concerns=[],
        rationale="the first department",
    )


async def test_the_schema_goes_out_in_the_form_that_strict_modes_take(
    asker: Asker, task: Task
) -> None:
    async with asker(proposes()) as (brain, requests):
        await brain.propose(task)

    wanted = requests[0]["response_format"]
    assert wanted["type"] == "json_schema"
    assert wanted["json_schema"]["strict"] is True
    schema = wanted["json_schema"]["schema"]
    assert schema["additionalProperties"] is False
    assert sorted(schema["required"]) == sorted(schema["properties"])
    assert "maxLength" not in json.dumps(schema)


async def test_what_changes_stands_after_what_stays(asker: Asker, task: Task) -> None:
    async with asker(proposes()) as (brain, requests):
        await brain.propose(task)
        await brain.propose(task)

    first, second = (request["messages"] for request in requests)
    assert [message["role"] for message in first] == ["system", "user"]
    assert first[0] == second[0]
    assert "stateDiagram-v2" in first[0]["content"]


async def test_the_reasons_of_a_refusal_are_told_to_the_model(asker: Asker, task: Task) -> None:
    violation = {"code": "wrong_amount", "field": "amount", "message": "no", "allowed": ["1"]}
    again = Task(
        invoice=task.invoice,
        stage=task.stage,
        allowed=task.allowed,
        budgets=task.budgets,
        violations=[violation],  # type: ignore[list-item]
        previous={"amount": 2},
    )
    async with asker(proposes()) as (brain, requests):
        await brain.propose(again)

    asked = json.loads(requests[0]["messages"][-1]["content"])
    assert asked["why you were refused"] == [violation]
    assert asked["your refused proposal"] == {"amount": 2}


async def test_a_wrong_type_is_refused_and_named(asker: Asker, task: Task) -> None:
    async with asker(proposes(amount="125.00")) as (brain, _):
        violation = await refused(brain, task)

    assert (violation["code"], violation["field"]) == ("int_type", "amount")


async def test_an_extra_field_is_refused_and_named(asker: Asker, task: Task) -> None:
    async with asker(proposes(approved=True)) as (brain, _):
        violation = await refused(brain, task)

    assert (violation["code"], violation["field"]) == ("extra_forbidden", "approved")


async def test_an_illegal_transition_is_a_proposal_all_the_same(asker: Asker, task: Task) -> None:
    async with asker(proposes(stage="COMMITTED")) as (brain, _):
        proposal = await brain.propose(task)

    assert proposal.stage == "COMMITTED"


async def test_prose_is_refused(asker: Asker, task: Task) -> None:
    async with asker(says("Sure! I would let IT pay for this one.")) as (brain, _):
        violation = await refused(brain, task)

    assert violation["code"] == "json_invalid"


async def test_half_a_json_object_is_refused(asker: Asker, task: Task) -> None:
    async with asker(says('{"stage":"RESERVED","department":"it","amount":12500')) as (brain, _):
        violation = await refused(brain, task)

    assert violation["code"] == "json_invalid"


async def test_a_truncated_answer_is_refused(asker: Asker, task: Task) -> None:
    async with asker(says('{"stage":"RESERVED"', finish="length")) as (brain, _):
        violation = await refused(brain, task)

    assert violation["code"] == "unfinished"
    assert "length" in violation["message"]


async def test_a_filtered_answer_is_refused(asker: Asker, task: Task) -> None:
    async with asker(says("", finish="content_filter")) as (brain, _):
        violation = await refused(brain, task)

    assert violation["code"] == "unfinished"


async def test_a_refusal_is_told_apart_from_a_broken_answer(asker: Asker, task: Task) -> None:
    async with asker(says(None, refusal="I cannot help with invoices.")) as (brain, _):
        violation = await refused(brain, task)

    assert violation["code"] == "refusal"


async def test_an_empty_answer_is_refused(asker: Asker, task: Task) -> None:
    async with asker(says(None)) as (brain, _):
        violation = await refused(brain, task)

    assert violation["code"] == "json_invalid"


async def test_a_text_that_no_database_takes_is_made_plain(asker: Asker, task: Task) -> None:
    async with asker(proposes(rationale="a\x00b", concerns=["x\x1b[2J"])) as (brain, _):
        proposal = await brain.propose(task)

    assert (proposal.rationale, proposal.concerns) == ("a b", ["x [2J"])


@pytest.mark.parametrize("header", [{"retry-after-ms": "10"}, {"retry-after": "1"}])
async def test_after_429_the_wait_that_was_asked_for_is_kept_and_the_call_repeated(
    asker: Asker, task: Task, header: dict[str, str]
) -> None:
    limited = fails(429, headers=header)
    async with asker(limited, proposes(), openai_max_retries=1) as (brain, requests):
        await brain.propose(task)

    assert len(requests) == 2


async def test_after_429_with_a_wait_of_an_hour_nobody_waits(asker: Asker, task: Task) -> None:
    limited = fails(429, headers={"retry-after": "3600"})
    async with asker(limited, openai_max_retries=2) as (brain, requests):
        with pytest.raises(BrainUnavailableError, match="429"):
            await brain.propose(task)

    assert len(requests) == 1


async def test_500_is_repeated_as_often_as_set_and_no_more(asker: Asker, task: Task) -> None:
    async with asker(fails(500), openai_max_retries=1) as (brain, requests):
        with pytest.raises(BrainUnavailableError, match="500"):
            await brain.propose(task)

    assert len(requests) == 2


async def test_a_wrong_key_is_not_tried_twice(asker: Asker, task: Task) -> None:
    async with asker(fails(401), openai_max_retries=2) as (brain, requests):
        with pytest.raises(BrainUnavailableError, match="401"):
            await brain.propose(task)

    assert len(requests) == 1


async def test_a_server_that_says_nothing_is_given_up_on(asker: Asker, task: Task) -> None:
    async with asker(hangs(), openai_timeout_seconds=0.2) as (brain, _):
        with pytest.raises(BrainUnavailableError, match="Timeout"):
            await brain.propose(task)


async def test_a_page_instead_of_an_answer_counts_as_no_answer(asker: Asker, task: Task) -> None:
    async with asker(says_html()) as (brain, _):
        with pytest.raises(BrainUnavailableError):
            await brain.propose(task)


async def test_a_server_that_is_not_there_counts_as_no_answer(task: Task) -> None:
    brain = OpenAiBrain(settings("http://127.0.0.1:9"))

    with pytest.raises(BrainUnavailableError):
        await brain.propose(task)

    await brain.close()


async def test_without_the_model_the_rules_propose_and_a_person_is_told(task: Task) -> None:
    async with open_brain(settings("http://127.0.0.1:9")) as brain:
        proposal = await brain.propose(task)

    assert proposal.department == "it"
    assert "the model did not answer" in proposal.concerns[-1]


class TestInTheGraph:
    """The model's answers go through the rules like anybody's."""

    async def desk(self, brain: Brain) -> Desk:
        services = standin_services(brain=brain)
        return await Desk(services=services, saver=InMemorySaver()).knows_supplier()

    async def test_bad_answers_of_every_kind_are_repaired(self, asker: Asker) -> None:
        replies = [
            proposes(department="it", stage="COMMITTED"),
            says("I would rather chat."),
            proposes(department="it", amount=1),
            proposes(department="it"),
        ]
        async with asker(*replies) as (brain, requests):
            end = await (await self.desk(brain)).submit(mail())

        told = json.loads(requests[-1]["messages"][-1]["content"])["why you were refused"]
        assert [violation["code"] for violation in told] == [
            "illegal_transition",
            "json_invalid",
            "wrong_amount",
        ]
        assert (end["stage"], end["repairs"]) == ("COMMITTED", 3)

    async def test_a_stubborn_model_is_asked_four_times_and_then_a_person(
        self, asker: Asker
    ) -> None:
        async with asker(proposes(stage="COMMITTED")) as (brain, requests):
            desk = await self.desk(brain)
            waiting = await desk.submit(mail())

        assert len(requests) == 4
        assert (waiting["stage"], waiting["question"]) == ("DRAFT", "proposal")

    async def test_without_the_model_the_rules_propose_and_a_person_decides(self) -> None:
        async with open_brain(settings("http://127.0.0.1:9")) as brain:
            waiting = await (await self.desk(brain)).submit(mail())

        assert waiting["stage"] == "RESERVED"
        assert "the model did not answer" in waiting["reasons"][0]["message"]
