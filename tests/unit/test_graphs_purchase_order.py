"""The purchase order on stand-ins: which way it goes, and what it leaves behind."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from nodes.services.standins import MemoryErp, MemoryLedger, MemoryNotifier
from tests.desk import SUPPLIER, Desk, MoodyErp, ScriptedBrain, mail, standin_services

LIMIT = 2_000_00
"""What the sample `it` department lets the agent order alone, minor units."""


@pytest.fixture
def make_desk() -> Callable[..., Desk]:
    return lambda **changes: Desk(services=standin_services(**changes), saver=InMemorySaver())


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()


def notices(desk: Desk, audience: str) -> list[Any]:
    notifier = desk.services.notifier
    assert isinstance(notifier, MemoryNotifier)
    return [notice for notice in notifier.notices.values() if notice["audience"] == audience]


def test_the_graph_can_be_drawn_with_every_node_on_a_way(desk: Desk) -> None:
    drawing = desk.graph.get_graph()

    # LangGraph draws error handlers apart.
    nodes = {name for name in drawing.nodes if not name.startswith("__error_handler__")}
    assert nodes - {edge.target for edge in drawing.edges} == {"__start__"}


class TestOnItsOwn:
    async def test_a_small_order_of_a_known_supplier_goes_through_on_its_own(
        self, desk: Desk
    ) -> None:
        await desk.knows_supplier()

        end = await desk.submit(mail())

        assert end["stage"] == "COMMITTED"
        assert await desk.visited() == [
            "read_document",
            "claim_invoice",
            "propose_order",
            "check_proposal",
            "reserve_budget",
            "commit_to_erp",
            "notify",
        ]

    async def test_its_money_is_spent(self, desk: Desk) -> None:
        await desk.knows_supplier()

        await desk.submit(mail(total=125))

        budget = await desk.budget()
        assert (budget["reserved"], budget["committed"]) == (0, 125_00)

    async def test_the_end_says_in_words_what_was_ordered(self, desk: Desk) -> None:
        await desk.knows_supplier()

        end = await desk.submit(mail())

        assert end["summary"] == "PO-1001, Acme AS, 125.00 EUR: ordered as R-000001"
        assert end["next"] is None
        assert end["order"] is not None
        assert end["order"]["erp_order_id"] == "R-000001"

    async def test_the_requester_is_told_once(self, desk: Desk) -> None:
        await desk.knows_supplier()

        await desk.submit(mail())

        assert [notice["title"] for notice in notices(desk, "requester")] == ["Committed"]

    async def test_the_supplier_is_known_after_its_first_order(self, desk: Desk) -> None:
        await desk.submit(mail())
        await desk.approve()

        end = await desk.thread("t2").submit(mail(number="78"))

        assert end["stage"] == "COMMITTED"


class TestDocuments:
    @pytest.mark.parametrize(
        "document",
        [
            mail(),
            {"text": mail(), "filename": "mail.txt"},
            {"content_base64": base64.b64encode(mail().encode()).decode(), "filename": "m.txt"},
        ],
        ids=["text", "inline text", "inline base64"],
    )
    async def test_a_document_comes_as_text_or_as_bytes(self, desk: Desk, document: Any) -> None:
        await desk.knows_supplier()

        assert (await desk.submit(document))["stage"] == "COMMITTED"

    async def test_a_kept_document_can_be_named_by_its_hash(self, desk: Desk) -> None:
        await desk.knows_supplier()
        kept = await desk.services.documents.put(
            mail().encode(), filename="mail.txt", media_type=None
        )

        assert (await desk.submit({"ref": kept["ref"]}))["stage"] == "COMMITTED"

    async def test_the_content_does_not_stay_in_the_state(self, desk: Desk) -> None:
        end = await desk.submit({"text": mail(), "filename": "mail.txt"})

        assert set(end["document"]) == {"ref", "filename", "media_type", "size"}

    async def test_a_name_is_kept_without_signs_that_no_database_takes(self, desk: Desk) -> None:
        end = await desk.submit({"text": mail(), "filename": "a\x00\ud800b\n.txt"})

        assert end["document"]["filename"] == "ab.txt"  # type: ignore[index]

    @pytest.mark.parametrize(
        ("document", "field"),
        [
            ({"filename": "a.xml"}, "document.content_base64"),
            ({"content_base64": "%%%"}, "document.content_base64"),
            ({"content_base64": 7}, "document.content_base64"),
            ({"ref": "f" * 64}, "document.ref"),
            (17, "document"),
            ("", "document"),
        ],
    )
    async def test_a_document_that_is_none_is_named_with_its_field(
        self, desk: Desk, document: Any, field: str
    ) -> None:
        end = await desk.submit(document)

        assert end["stage"] == "FAILED"
        assert end["error"] is not None
        assert end["error"]["field"] == field

    async def test_wrong_totals_are_named_with_what_was_expected(self, desk: Desk) -> None:
        end = await desk.submit(mail().replace("Total: 125.00", "Total: 126.00"))

        assert end["stage"] == "FAILED"
        assert end["error"] is not None
        assert end["error"]["code"] == "wrong_total"
        assert end["error"]["expected"] is not None

    async def test_a_document_that_cannot_be_read_claims_and_reserves_nothing(
        self, desk: Desk
    ) -> None:
        before = await desk.budget()

        await desk.submit("nothing that anybody could read")

        assert await desk.visited() == ["read_document", "notify"]
        assert await desk.budget() == before

    async def test_one_bad_document_after_another_is_told_of_on_the_same_thread(
        self, desk: Desk
    ) -> None:
        for document in ({}, {"content_base64": "!!!"}, {"content_base64": "!!!"}):
            end = await desk.submit(document)

        assert end["stage"] == "FAILED"
        assert len(notices(desk, "requester")) == 2

    async def test_a_thread_can_be_used_for_another_document(self, desk: Desk) -> None:
        await desk.knows_supplier()
        await desk.submit("nothing that anybody could read")

        end = await desk.submit(mail())

        assert (end["stage"], end["error"]) == ("COMMITTED", None)


class TestDuplicates:
    async def test_the_same_invoice_again_is_already_ordered(self, desk: Desk) -> None:
        await desk.knows_supplier()
        first = await desk.submit(mail())

        end = await desk.thread("t2").submit(mail())

        assert first["order"] is not None
        assert end["stage"] == "ALREADY_ORDERED"
        assert end["first"] == {
            "order_id": first["order"]["order_id"],
            "thread_id": "t1",
            "stage": "COMMITTED",
        }

    async def test_it_orders_and_reserves_nothing(self, make_desk: Callable[..., Desk]) -> None:
        desk = make_desk(erp=MoodyErp())
        await desk.knows_supplier()
        await desk.submit(mail())
        before = await desk.budget()

        await desk.thread("t2").submit(mail())

        assert await desk.budget() == before
        assert desk.services.erp.entered == 1

    async def test_one_that_is_still_being_reviewed_counts_as_well(self, desk: Desk) -> None:
        await desk.submit(mail())

        end = await desk.thread("t2").submit(mail())

        assert end["stage"] == "ALREADY_ORDERED"
        assert "already being ordered as PO-1001 in thread t1" in end["summary"]

    async def test_one_that_was_rejected_may_come_again(self, desk: Desk) -> None:
        await desk.submit(mail())
        await desk.answer({"type": "reject", "message": "not ours"})

        end = await desk.thread("t2").submit(mail())

        assert end["stage"] == "RESERVED"


class TestReview:
    @pytest.mark.parametrize(
        ("document", "known", "code"),
        [
            (mail(), False, "new_supplier"),
            (mail(total=2_005), True, "above_limit"),
            (mail(item="Something"), True, "concern"),
        ],
    )
    async def test_it_asks_when_the_rules_want_a_person(
        self, desk: Desk, document: str, known: bool, code: str
    ) -> None:
        if known:
            await desk.knows_supplier()

        waiting = await desk.submit(document)

        assert [reason["code"] for reason in waiting["reasons"]] == [code]
        assert (await desk.snapshot()).next == ("await_review",)

    async def test_the_limit_itself_goes_through(self, desk: Desk) -> None:
        await desk.knows_supplier()

        assert (await desk.submit(mail(total=LIMIT // 100)))["stage"] == "COMMITTED"

    async def test_the_question_says_what_why_and_what_then(self, desk: Desk) -> None:
        await desk.submit(mail())

        question = await desk.question()

        assert question is not None
        request = question["action_requests"][0]
        assert request["name"] == "create_purchase_order"
        assert request["args"]["amount"] == 125_00
        assert question["review_configs"][0]["allowed_decisions"] == ["approve", "edit", "reject"]
        review = question["review"]
        assert review["title"] == "Purchase order · Acme AS · 125.00 EUR"
        assert review["why_now"] == "Acme AS is a new supplier"
        assert set(review["effects"]) == {"approve", "edit", "reject"}
        assert ["Supplier", f"Acme AS ({SUPPLIER})"] in review["evidence"]
        assert review["expires_in_seconds"] == 72 * 3600
        assert review["on_expiry"] == "reject"

    async def test_nothing_is_ordered_while_it_waits(self, make_desk: Callable[..., Desk]) -> None:
        desk = make_desk(erp=MoodyErp())

        await desk.submit(mail())

        assert desk.services.erp.entered == 0
        assert (await desk.budget())["reserved"] == 125_00

    async def test_approved_it_is_ordered(self, desk: Desk) -> None:
        await desk.submit(mail())

        end = await desk.approve()

        assert end["stage"] == "COMMITTED"
        assert end["answer"] == {"type": "approve", "comment": None, "decided_by": "ana"}

    async def test_rejected_it_gives_its_budget_back(self, desk: Desk) -> None:
        before = await desk.budget()
        await desk.submit(mail())

        end = await desk.answer({"type": "reject", "message": "not ours", "decided_by": "ben"})

        assert end["stage"] == "REJECTED"
        assert "rejected by ben: not ours" in end["summary"]
        assert await desk.budget() == before
        assert end["error"] is None

    async def test_an_expired_question_fails_it_and_does_not_count_as_a_no(
        self, desk: Desk
    ) -> None:
        before = await desk.budget()
        await desk.submit(mail())

        end = await desk.answer({"type": "expired"})

        assert end["stage"] == "FAILED"
        assert end["error"] is not None
        assert end["error"]["code"] == "review_expired"
        assert await desk.budget() == before
        assert len(notices(desk, "operator")) == 1

    async def test_an_answer_of_another_shape_is_refused_and_the_question_stays(
        self, desk: Desk
    ) -> None:
        await desk.submit(mail())

        with pytest.raises(Exception, match="decisions"):
            await desk.answer({"type": "maybe"})

        assert (await desk.approve())["stage"] == "COMMITTED"

    async def test_the_decision_alone_is_understood_as_well(self, desk: Desk) -> None:
        from langgraph.types import Command

        await desk.submit(mail())
        (question,) = (await desk.snapshot()).interrupts

        await desk.graph.ainvoke(Command(resume={question.id: {"type": "approve"}}), desk.config)

        assert (await desk.snapshot()).values["stage"] == "COMMITTED"


class TestEdits:
    async def test_a_lower_amount_is_reserved_anew_and_ordered(self, desk: Desk) -> None:
        await desk.submit(mail())

        end = await desk.edit(amount=100_00)

        assert end["stage"] == "COMMITTED"
        assert (await desk.budget())["committed"] == 100_00
        assert (await desk.budget())["reserved"] == 0

    async def test_another_department_pays(self, desk: Desk) -> None:
        await desk.submit(mail())

        await desk.edit(department="office")

        assert (await desk.budget("office"))["committed"] == 125_00
        assert (await desk.budget("it"))["committed"] == 0

    async def test_other_lines_are_ordered(self, desk: Desk) -> None:
        await desk.submit(mail())
        line = {"item": "Half a stand", "quantity": "0.5", "amount": 50_00}

        end = await desk.edit(amount=75_00, lines=[line])

        assert end["order"] is not None
        assert end["order"]["lines"] == [line]

    async def test_the_erp_gets_the_changed_order(self, desk: Desk) -> None:
        await desk.submit(mail())

        await desk.edit(amount=100_00)

        entered = await desk.services.erp.find("PO-1001")
        assert entered is not None
        assert entered["amount"] == 100_00

    @pytest.mark.parametrize(
        ("args", "code"),
        [
            ({"amount": 125_01}, "amount_too_high"),
            ({"department": "moon"}, "unknown_department"),
            ({"currency": "USD"}, "wrong_currency"),
            ({"lines": [{"item": "x", "quantity": "1", "amount": 10_00}]}, "amount_too_high"),
        ],
    )
    async def test_a_change_that_the_rules_refuse_is_asked_about_again(
        self, desk: Desk, args: dict[str, Any], code: str
    ) -> None:
        await desk.submit(mail())

        waiting = await desk.edit(**args)

        assert waiting["stage"] == "RESERVED"
        assert [violation["code"] for violation in waiting["violations"]] == [code]
        assert "your change was refused" in (await desk.question() or {})["review"]["why_now"]

    async def test_after_a_refused_change_the_order_as_it_was_can_be_approved(
        self, desk: Desk
    ) -> None:
        await desk.submit(mail())
        await desk.edit(amount=999_00)

        end = await desk.approve()

        assert end["stage"] == "COMMITTED"
        assert (await desk.budget())["committed"] == 125_00

    async def test_after_a_refused_change_a_good_one_is_ordered(self, desk: Desk) -> None:
        await desk.submit(mail())
        await desk.edit(amount=999_00)

        end = await desk.edit(amount=100_00)

        assert (end["stage"], (await desk.budget())["committed"]) == ("COMMITTED", 100_00)

    async def test_a_change_that_the_budget_cannot_pay_is_asked_about_again(
        self, make_desk: Callable[..., Desk]
    ) -> None:
        ledger = MemoryLedger()
        desk = make_desk(ledger=ledger)
        await desk.submit(mail())
        ledger._budgets["office", "EUR"]["available"] = 5

        waiting = await desk.edit(department="office")

        assert waiting["reasons"][0]["code"] == "no_budget"
        assert (await desk.budget())["reserved"] == 125_00
        assert (await desk.approve())["stage"] == "COMMITTED"

    async def test_an_edit_that_carries_every_line_of_a_real_invoice_fits(
        self, desk: Desk, shared_invoices: Any
    ) -> None:
        # One of its lines is below zero; clients send back all arguments, not only changed ones.
        document = (shared_invoices / "peppol-base-example.xml").read_text()
        await desk.submit(document)
        question = await desk.question()
        assert question is not None

        end = await desk.edit(**question["action_requests"][0]["args"] | {"amount": 1_000_00})

        assert end["stage"] == "COMMITTED"


class TestCreditNotes:
    async def test_an_invoice_below_zero_goes_to_a_person_and_orders_nothing(
        self, desk: Desk, shared_invoices: Any
    ) -> None:
        document = (shared_invoices / "peppol-base-creditnote-correction.xml").read_text()

        await desk.submit(document)

        question = await desk.question()
        assert question is not None
        assert "takes money back and orders nothing" in question["review"]["why_now"]
        assert question["review_configs"][0]["allowed_decisions"] == ["approve", "reject"]

    @pytest.mark.parametrize("verdict", ["approve", "reject"])
    async def test_whatever_is_decided_nothing_is_ordered(
        self, make_desk: Callable[..., Desk], shared_invoices: Any, verdict: str
    ) -> None:
        desk = make_desk(erp=MoodyErp())
        before = await desk.services.ledger.budgets()
        document = (shared_invoices / "peppol-base-negative-inv-correction.xml").read_text()
        await desk.submit(document)

        end = await desk.answer({"type": verdict})

        assert end["stage"] == "REJECTED"
        assert desk.services.erp.entered == 0
        assert await desk.services.ledger.budgets() == before


class TestBrain:
    async def test_a_jump_is_refused_with_a_reason_for_a_machine_and_goes_back(
        self, make_desk: Callable[..., Desk]
    ) -> None:
        brain = ScriptedBrain({"stage": "COMMITTED"})
        desk = await make_desk(brain=brain).knows_supplier()

        end = await desk.submit(mail())

        assert brain.tasks[1].violations == [
            {
                "code": "illegal_transition",
                "field": "stage",
                "message": "the order cannot go from DRAFT to COMMITTED; allowed: RESERVED",
                "allowed": ["RESERVED"],
            }
        ]
        assert (end["stage"], end["repairs"]) == ("COMMITTED", 1)

    @pytest.mark.parametrize("stage", ["COMMITTED", "REJECTED", "FAILED", "IN_DOUBT", "DRAFT"])
    async def test_no_jump_reserves_or_orders_anything(
        self, make_desk: Callable[..., Desk], stage: str
    ) -> None:
        erp = MoodyErp()
        desk = make_desk(brain=ScriptedBrain(*[{"stage": stage}] * 9), erp=erp)
        before = await desk.services.ledger.budgets()
        await desk.knows_supplier()

        await desk.submit(mail())

        assert erp.entered == 0
        assert await desk.services.ledger.budgets() == before

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"amount": 1}, "wrong_amount"),
            ({"amount": -5}, "wrong_amount"),
            ({"currency": "USD"}, "wrong_currency"),
            ({"department": "moon"}, "unknown_department"),
        ],
    )
    async def test_a_proposal_against_the_rules_is_refused_and_named(
        self, make_desk: Callable[..., Desk], change: dict[str, Any], code: str
    ) -> None:
        brain = ScriptedBrain(change)
        desk = await make_desk(brain=brain).knows_supplier()

        end = await desk.submit(mail())

        assert brain.tasks[1].violations[0]["code"] == code
        assert end["stage"] == "COMMITTED"

    async def test_an_answer_that_is_no_proposal_goes_back_as_well(
        self, make_desk: Callable[..., Desk]
    ) -> None:
        brain = ScriptedBrain("prose", "refusal")
        desk = await make_desk(brain=brain).knows_supplier()

        end = await desk.submit(mail())

        assert [violation["code"] for violation in brain.tasks[2].violations] == [
            "prose",
            "refusal",
        ]
        assert (end["stage"], end["repairs"]) == ("COMMITTED", 2)

    async def test_after_three_repairs_a_person_is_asked(
        self, make_desk: Callable[..., Desk]
    ) -> None:
        brain = ScriptedBrain(*[{"amount": 1}] * 9)
        desk = await make_desk(brain=brain).knows_supplier()

        waiting = await desk.submit(mail())

        assert len(brain.tasks) == 4
        assert waiting["question"] == "proposal"
        question = await desk.question()
        assert question is not None
        assert question["review_configs"][0]["allowed_decisions"] == ["edit", "reject"]

    async def test_the_person_can_finish_what_the_brain_could_not(
        self, make_desk: Callable[..., Desk]
    ) -> None:
        desk = await make_desk(brain=ScriptedBrain(*["prose"] * 9)).knows_supplier()
        await desk.submit(mail())

        end = await desk.edit(department="it", amount=125_00)

        assert (end["stage"], (await desk.budget())["committed"]) == ("COMMITTED", 125_00)

    async def test_the_person_can_end_it(self, make_desk: Callable[..., Desk]) -> None:
        desk = make_desk(brain=ScriptedBrain(*["prose"] * 9))
        await desk.submit(mail())

        end = await desk.answer({"type": "reject"})

        assert end["stage"] == "REJECTED"

    async def test_the_state_keeps_the_last_five_refusals(
        self, make_desk: Callable[..., Desk]
    ) -> None:
        worst = {"amount": 1, "currency": "USD", "department": "moon"}
        desk = make_desk(brain=ScriptedBrain(*[worst] * 9))

        waiting = await desk.submit(mail())

        assert len(waiting["violations"]) == 5


class TestMoneyThatIsNotThere:
    async def test_without_budget_it_fails_and_moves_nothing(
        self, make_desk: Callable[..., Desk]
    ) -> None:
        desk = await make_desk().knows_supplier()
        before = await desk.services.ledger.budgets()

        end = await desk.submit(mail(total=300_000))

        assert end["stage"] == "FAILED"
        assert end["error"] is not None
        assert end["error"]["code"] == "no_budget"
        assert await desk.services.ledger.budgets() == before

    async def test_the_operator_is_told(self, desk: Desk) -> None:
        await desk.submit(mail(total=300_000))

        assert len(notices(desk, "operator")) == 1

    async def test_a_currency_that_no_department_has_goes_to_a_person(
        self, make_desk: Callable[..., Desk]
    ) -> None:
        desk = make_desk(ledger=MemoryLedger([]))

        waiting = await desk.submit(mail())

        assert waiting["question"] == "proposal"
        assert "a budget in EUR (none)" in waiting["reasons"][0]["message"]
        assert len(waiting["reasons"]) == 1


class TestErpFaults:
    async def desk(self, make_desk: Callable[..., Desk], erp: MemoryErp) -> Desk:
        return await make_desk(erp=erp).knows_supplier()

    async def test_a_refusal_gives_the_budget_back_and_tells_the_operator(
        self, make_desk: Callable[..., Desk]
    ) -> None:
        desk = await self.desk(make_desk, MoodyErp("refuses"))
        before = await desk.budget()

        end = await desk.submit(mail())

        assert end["stage"] == "FAILED"
        assert end["error"] is not None
        assert end["error"]["code"] == "blocked"
        assert await desk.budget() == before
        assert len(notices(desk, "operator")) == 1
        assert (await desk.visited())[-4:] == [
            "resolve_commit",
            "release_budget",
            "notify_operator",
            "notify",
        ]

    async def test_a_closed_erp_is_tried_three_times(self, make_desk: Callable[..., Desk]) -> None:
        erp = MoodyErp("down", "down")
        desk = await self.desk(make_desk, erp)

        end = await desk.submit(mail())

        assert (end["stage"], erp.entered) == ("COMMITTED", 1)

    async def test_an_erp_that_stays_closed_fails_it_with_its_money_back(
        self, make_desk: Callable[..., Desk]
    ) -> None:
        desk = await self.desk(make_desk, MoodyErp("down", "down", "down"))
        before = await desk.budget()

        end = await desk.submit(mail())

        assert end["stage"] == "FAILED"
        assert await desk.budget() == before

    async def test_a_lost_answer_is_looked_up_and_the_order_is_there_once(
        self, make_desk: Callable[..., Desk]
    ) -> None:
        erp = MoodyErp("lost")
        desk = await self.desk(make_desk, erp)

        end = await desk.submit(mail())

        assert (end["stage"], erp.entered) == ("COMMITTED", 1)

    async def test_silence_that_entered_nothing_is_asked_again(
        self, make_desk: Callable[..., Desk]
    ) -> None:
        erp = MoodyErp("silent", "silent")
        desk = await self.desk(make_desk, erp)

        end = await desk.submit(mail())

        assert (end["stage"], erp.entered) == ("COMMITTED", 1)

    async def test_lasting_silence_bars_the_order_before_its_money_goes_back(
        self, make_desk: Callable[..., Desk]
    ) -> None:
        erp = MoodyErp("silent", "silent", "silent")
        desk = await self.desk(make_desk, erp)

        end = await desk.submit(mail())

        assert end["stage"] == "FAILED"
        assert erp._orders == {"PO-1001": None}

    async def test_an_erp_that_tells_nothing_leaves_the_order_in_doubt_with_its_money(
        self, make_desk: Callable[..., Desk]
    ) -> None:
        desk = await self.desk(make_desk, MoodyErp("silent", "silent", "silent", blind=True))

        waiting = await desk.submit(mail())

        assert waiting["stage"] == "IN_DOUBT"
        assert (await desk.budget())["reserved"] == 125_00
        assert (await desk.snapshot()).next == ("await_resolution",)

    async def test_the_question_about_it_carries_the_evidence(
        self, make_desk: Callable[..., Desk]
    ) -> None:
        desk = await self.desk(make_desk, MoodyErp("silent", "silent", "silent", blind=True))
        await desk.submit(mail())

        question = await desk.question()

        assert question is not None
        assert ["Reference", "PO-1001"] in question["review"]["evidence"]
        assert ["Attempts", "3"] in question["review"]["evidence"]
        assert question["review"]["on_expiry"] == "escalate"


class TestDoubt:
    @pytest.fixture
    async def doubtful(self, make_desk: Callable[..., Desk]) -> Desk:
        desk = await make_desk(erp=MoodyErp("lost", blind=True)).knows_supplier()
        await desk.submit(mail())
        return desk

    async def test_a_second_look_that_finds_the_order_commits_it(self, doubtful: Desk) -> None:
        doubtful.services.erp.blind = False

        end = await doubtful.approve()

        assert (end["stage"], doubtful.services.erp.entered) == ("COMMITTED", 1)

    async def test_a_second_look_that_sees_nothing_asks_again(self, doubtful: Desk) -> None:
        waiting = await doubtful.approve()

        assert waiting["stage"] == "IN_DOUBT"
        assert (await doubtful.snapshot()).next == ("await_resolution",)

    async def test_a_person_who_found_it_commits_it(self, doubtful: Desk) -> None:
        args = {"erp_order_id": "SAP-9", "evidence": "seen in the order list"}
        edited = {"name": "resolve_order_in_doubt", "args": args}

        end = await doubtful.answer({"type": "edit", "edited_action": edited, "decided_by": "ana"})

        assert end["stage"] == "COMMITTED"
        assert end["order"] is not None
        assert end["order"]["erp_order_id"] == "SAP-9"
        assert (await doubtful.budget())["committed"] == 125_00

    async def test_a_person_who_did_not_find_it_gets_the_money_back(self, doubtful: Desk) -> None:
        end = await doubtful.answer({"type": "reject", "message": "called them, it is not there"})

        assert end["stage"] == "FAILED"
        assert (await doubtful.budget())["reserved"] == 0

    async def test_an_expired_question_keeps_the_money_and_asks_again(self, doubtful: Desk) -> None:
        waiting = await doubtful.answer({"type": "expired"})

        assert waiting["stage"] == "IN_DOUBT"
        assert (await doubtful.budget())["reserved"] == 125_00
        assert await doubtful.question() is not None

    async def test_a_question_after_a_handled_failure_is_never_swallowed(
        self, make_desk: Callable[..., Desk]
    ) -> None:
        # LangGraph takes an interrupt for handled when it lies where a handled error lay; one
        # round in three showed it before handled errors were kept.
        for round_ in range(25):
            desk = await make_desk(erp=MoodyErp("lost", blind=True)).knows_supplier()
            await desk.submit(mail())

            await desk.approve()

            assert await desk.question() is not None, round_
