"""What every service promises, asked of the stand-in and of the real one alike."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from nodes.services import JSON, DocumentStore, Effects, Erp, Ledger, Orders, Suppliers
from nodes.services.database import Database
from nodes.services.document_store import PostgresDocumentStore
from nodes.services.effects import PostgresEffects, effect
from nodes.services.erp_http import HttpErp
from nodes.services.erp_register import RegisterErp
from nodes.services.errors import (
    BudgetRefusedError,
    EffectKeyReusedError,
    EffectNotAppliedError,
    EffectRefusedError,
    OutcomeUnknownError,
)
from nodes.services.ledger import PostgresLedger
from nodes.services.orders import PostgresOrders
from nodes.services.standins import (
    MemoryDocumentStore,
    MemoryEffects,
    MemoryErp,
    MemoryLedger,
    MemoryOrders,
    MemorySuppliers,
)
from nodes.services.suppliers import PostgresSuppliers
from state.budget import Budget
from state.purchase_order import Order
from tests.erp_service.app import create_app


def order(**changes: Any) -> Order:
    whole: Order = {
        "order_id": "PO-1",
        "revision": 1,
        "supplier_id": "NO1",
        "supplier_name": "Acme",
        "invoice_number": "F-1",
        "department": "it",
        "amount": 125_00,
        "currency": "EUR",
        "lines": [{"item": "Cable", "quantity": "1", "amount": 100_00}],
        "buyer_order": None,
        "erp_order_id": None,
    }
    return {**whole, **changes}  # type: ignore[typeddict-item]


async def budget(ledger: Ledger, department: str = "it", currency: str = "EUR") -> Budget:
    return next(b for b in await ledger.budgets(currency) if b["department"] == department)


@pytest.fixture
async def database(migrated_database: str) -> AsyncIterator[Database]:
    opened = Database(migrated_database)
    yield opened
    await opened.close()


@pytest.fixture(params=["stand-in", "postgres"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    if request.param == "stand-in":
        return MemoryLedger()
    return PostgresLedger(request.getfixturevalue("database"))


@pytest.fixture(params=["stand-in", "postgres"])
def effects(request: pytest.FixtureRequest) -> Effects:
    if request.param == "stand-in":
        return MemoryEffects()
    return PostgresEffects(request.getfixturevalue("database"))


@pytest.fixture(params=["stand-in", "postgres"])
def orders(request: pytest.FixtureRequest) -> Orders:
    if request.param == "stand-in":
        return MemoryOrders()
    return PostgresOrders(request.getfixturevalue("database"))


@pytest.fixture(params=["stand-in", "postgres"])
def documents(request: pytest.FixtureRequest) -> DocumentStore:
    if request.param == "stand-in":
        return MemoryDocumentStore()
    return PostgresDocumentStore(request.getfixturevalue("database"))


@pytest.fixture(params=["stand-in", "postgres"])
def suppliers(request: pytest.FixtureRequest) -> Suppliers:
    if request.param == "stand-in":
        return MemorySuppliers()
    return PostgresSuppliers(request.getfixturevalue("database"))


@pytest.fixture(params=["stand-in", "register", "http"])
async def erp(
    request: pytest.FixtureRequest, serve_app: Callable[[Any], str], database: Database
) -> AsyncIterator[Erp]:
    if request.param == "stand-in":
        yield MemoryErp()
    elif request.param == "register":
        yield RegisterErp(database)
    else:
        async with httpx.AsyncClient(base_url=f"{serve_app(create_app())}/", timeout=5) as client:
            yield HttpErp(client)


class TestLedger:
    async def test_a_reservation_moves_money_from_available_to_reserved(
        self, ledger: Ledger
    ) -> None:
        before = await budget(ledger)

        await ledger.reserve(order())

        after = await budget(ledger)
        assert after["available"] == before["available"] - 125_00
        assert after["reserved"] == before["reserved"] + 125_00

    async def test_a_repeated_reservation_moves_money_once(self, ledger: Ledger) -> None:
        await ledger.reserve(order())
        await ledger.reserve(order())

        assert (await budget(ledger))["reserved"] == 125_00

    async def test_a_commit_spends_what_was_reserved(self, ledger: Ledger) -> None:
        await ledger.reserve(order())

        await ledger.commit(order())
        await ledger.commit(order())

        after = await budget(ledger)
        assert (after["reserved"], after["committed"]) == (0, 125_00)

    async def test_a_release_gives_back_what_was_reserved_once(self, ledger: Ledger) -> None:
        before = await budget(ledger)
        await ledger.reserve(order())

        await ledger.release(order())
        await ledger.release(order())

        assert await budget(ledger) == before

    async def test_a_release_after_the_commit_gives_nothing_back(self, ledger: Ledger) -> None:
        await ledger.reserve(order())
        await ledger.commit(order())

        await ledger.release(order())

        assert (await budget(ledger))["committed"] == 125_00

    async def test_a_released_order_is_not_reserved_again_by_a_late_repeat(
        self, ledger: Ledger
    ) -> None:
        await ledger.reserve(order())
        await ledger.release(order())

        await ledger.reserve(order())

        assert (await budget(ledger))["reserved"] == 0

    async def test_more_than_there_is_is_refused_and_moves_nothing(self, ledger: Ledger) -> None:
        before = await budget(ledger)

        with pytest.raises(BudgetRefusedError, match="the order needs"):
            await ledger.reserve(order(amount=before["available"] + 1))

        assert await budget(ledger) == before

    async def test_the_last_cent_can_be_reserved(self, ledger: Ledger) -> None:
        before = await budget(ledger)

        await ledger.reserve(order(amount=before["available"]))

        assert (await budget(ledger))["available"] == 0

    async def test_a_currency_without_a_budget_is_refused(self, ledger: Ledger) -> None:
        with pytest.raises(BudgetRefusedError, match="'it' has no budget in JPY"):
            await ledger.reserve(order(currency="JPY"))

    async def test_a_new_revision_takes_the_place_of_the_old_one(self, ledger: Ledger) -> None:
        await ledger.reserve(order())

        await ledger.reserve(order(revision=2, amount=80_00, department="office"))

        assert (await budget(ledger))["reserved"] == 0
        assert (await budget(ledger, "office"))["reserved"] == 80_00

    async def test_a_new_revision_may_need_the_money_that_the_old_one_holds(
        self, ledger: Ledger
    ) -> None:
        everything = (await budget(ledger))["available"]
        await ledger.reserve(order(amount=everything))

        await ledger.reserve(order(revision=2, amount=everything - 1))

        assert (await budget(ledger))["available"] == 1

    async def test_a_refused_revision_leaves_the_old_one_held(self, ledger: Ledger) -> None:
        await ledger.reserve(order())
        limit = (await budget(ledger))["limit"]

        with pytest.raises(BudgetRefusedError):
            await ledger.reserve(order(revision=2, amount=limit + 1))

        assert (await budget(ledger))["reserved"] == 125_00

    async def test_the_books_are_right_after_every_kind_of_movement(self, ledger: Ledger) -> None:
        await ledger.reserve(order())
        await ledger.reserve(order(revision=2, amount=80_00))
        await ledger.commit(order(revision=2))
        await ledger.reserve(order(order_id="PO-2"))
        await ledger.release(order(order_id="PO-2"))

        assert await ledger.check() == []

    async def test_orders_that_come_at_once_never_take_more_than_there_is(
        self, ledger: Ledger
    ) -> None:
        each = (await budget(ledger))["available"] // 3

        taken = await asyncio.gather(
            *(ledger.reserve(order(order_id=f"PO-{n}", amount=each)) for n in range(8)),
            return_exceptions=True,
        )

        assert sum(isinstance(outcome, BudgetRefusedError) for outcome in taken) == 5
        assert await ledger.check() == []


class TestOrders:
    async def test_the_first_to_claim_an_invoice_has_it(self, orders: Orders) -> None:
        claim = await orders.claim("NO1/F-1", thread_id="a")

        assert claim.first is None

    async def test_a_repeated_claim_of_the_same_thread_gets_the_same_order(
        self, orders: Orders
    ) -> None:
        first = await orders.claim("NO1/F-1", thread_id="a")

        again = await orders.claim("NO1/F-1", thread_id="a")

        assert (again.order_id, again.first) == (first.order_id, None)

    async def test_another_thread_learns_who_has_the_invoice(self, orders: Orders) -> None:
        claim = await orders.claim("NO1/F-1", thread_id="a")

        late = await orders.claim("NO1/F-1", thread_id="b")

        assert late.first == {"order_id": claim.order_id, "thread_id": "a", "stage": "DRAFT"}

    async def test_a_committed_invoice_is_never_free_again(self, orders: Orders) -> None:
        claim = await orders.claim("NO1/F-1", thread_id="a")
        await orders.set_stage(claim.order_id, "COMMITTED")
        await orders.set_stage(claim.order_id, "FAILED")

        again = await orders.claim("NO1/F-1", thread_id="a")

        assert again.first is not None
        assert again.first["stage"] == "COMMITTED"

    @pytest.mark.parametrize("stage", ["REJECTED", "FAILED"])
    async def test_an_order_that_came_to_nothing_frees_its_invoice(
        self, orders: Orders, stage: str
    ) -> None:
        claim = await orders.claim("NO1/F-1", thread_id="a")
        await orders.set_stage(claim.order_id, stage)

        again = await orders.claim("NO1/F-1", thread_id="b")

        assert again.first is None
        assert again.order_id != claim.order_id

    async def test_of_many_that_claim_at_once_one_has_it(self, orders: Orders) -> None:
        claims = await asyncio.gather(
            *(orders.claim("NO1/F-1", thread_id=f"t{n}") for n in range(10))
        )

        assert sum(claim.first is None for claim in claims) == 1
        assert len({claim.order_id for claim in claims}) == 1


class TestErp:
    async def test_an_order_can_be_found_by_its_reference(self, erp: Erp) -> None:
        entered = await erp.create(order(), key="PO-1:order")

        assert await erp.find("PO-1") == entered

    async def test_the_same_key_enters_an_order_once(self, erp: Erp) -> None:
        first = await erp.create(order(), key="PO-1:order")

        assert await erp.create(order(), key="PO-1:order") == first

    async def test_an_order_that_was_never_entered_is_not_found(self, erp: Erp) -> None:
        assert await erp.find("PO-404") is None

    async def test_a_cancelled_order_is_not_found(self, erp: Erp) -> None:
        await erp.create(order(), key="PO-1:order")

        await erp.cancel("PO-1", key="PO-1:cancel")

        assert await erp.find("PO-1") is None

    async def test_an_order_that_comes_after_its_cancellation_is_refused(self, erp: Erp) -> None:
        await erp.cancel("PO-1", key="PO-1:cancel")

        with pytest.raises(EffectRefusedError, match="cancelled"):
            await erp.create(order(), key="PO-1:order")

    async def test_what_comes_back_is_what_was_ordered(self, erp: Erp) -> None:
        entered = await erp.create(order(), key="PO-1:order")

        assert (entered["amount"], entered["currency"]) == (125_00, "EUR")
        assert (entered["supplier_id"], entered["reference"]) == ("NO1", "PO-1")


class Neighbour:
    """Something outside that counts how often it was asked."""

    def __init__(self, *outcomes: JSON | Exception, found: JSON | None = None) -> None:
        self.outcomes = list(outcomes)
        self.found = found
        self.calls = 0
        self.look_ups = 0

    async def call(self) -> JSON:
        self.calls += 1
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def look_up(self) -> JSON | None:
        self.look_ups += 1
        return self.found


async def ask(effects: Effects, neighbour: Neighbour, key: str = "k", **request: Any) -> JSON:
    return await effect(
        effects,
        key=key,
        name="ask",
        request=request,
        call=neighbour.call,
        look_up=neighbour.look_up,
    )


class TestEffects:
    async def test_a_done_effect_is_not_done_again(self, effects: Effects) -> None:
        neighbour = Neighbour({"id": 1}, {"id": 2})
        await ask(effects, neighbour)

        assert await ask(effects, neighbour) == {"id": 1}
        assert neighbour.calls == 1

    async def test_keys_keep_effects_apart(self, effects: Effects) -> None:
        neighbour = Neighbour({"id": 1}, {"id": 2})
        await ask(effects, neighbour, key="a")

        assert await ask(effects, neighbour, key="b") == {"id": 2}

    async def test_a_key_used_for_another_request_is_refused(self, effects: Effects) -> None:
        neighbour = Neighbour({"id": 1}, {"id": 2})
        await ask(effects, neighbour, amount=1)

        with pytest.raises(EffectKeyReusedError, match="'k'"):
            await ask(effects, neighbour, amount=2)

    async def test_the_first_attempt_looks_nothing_up(self, effects: Effects) -> None:
        neighbour = Neighbour({"id": 1})

        await ask(effects, neighbour)

        assert neighbour.look_ups == 0

    async def test_after_a_lost_answer_the_result_is_looked_up_and_taken(
        self, effects: Effects
    ) -> None:
        neighbour = Neighbour(OutcomeUnknownError("timeout"), {"id": 2}, found={"id": 1})
        with pytest.raises(OutcomeUnknownError):
            await ask(effects, neighbour)

        assert await ask(effects, neighbour) == {"id": 1}
        assert neighbour.calls == 1

    async def test_after_a_lost_answer_that_is_not_found_it_is_sent_again(
        self, effects: Effects
    ) -> None:
        neighbour = Neighbour(OutcomeUnknownError("timeout"), {"id": 2})
        with pytest.raises(OutcomeUnknownError):
            await ask(effects, neighbour)

        assert await ask(effects, neighbour) == {"id": 2}
        assert neighbour.look_ups == 1

    async def test_a_process_that_died_after_sending_counts_as_a_lost_answer(
        self, effects: Effects
    ) -> None:
        neighbour = Neighbour(found={"id": 1})
        await effects.begin("k", name="ask", request={})

        assert await ask(effects, neighbour) == {"id": 1}

    async def test_what_was_not_applied_is_sent_again_without_a_look(
        self, effects: Effects
    ) -> None:
        neighbour = Neighbour(EffectNotAppliedError("503"), {"id": 2})
        with pytest.raises(EffectNotAppliedError):
            await ask(effects, neighbour)

        assert await ask(effects, neighbour) == {"id": 2}
        assert neighbour.look_ups == 0

    async def test_doubt_stays_when_a_later_attempt_was_not_applied(self, effects: Effects) -> None:
        neighbour = Neighbour(
            OutcomeUnknownError("timeout"), EffectNotAppliedError("503"), found=None
        )
        for error in (OutcomeUnknownError, EffectNotAppliedError):
            with pytest.raises(error):
                await ask(effects, neighbour)

        known = await effects.get("k")
        assert known is not None
        assert (known.state, known.doubtful) == ("not_applied", True)

    async def test_a_refusal_is_remembered_and_nobody_is_asked_again(
        self, effects: Effects
    ) -> None:
        neighbour = Neighbour(EffectRefusedError("blocked", code="b1"), {"id": 2})
        with pytest.raises(EffectRefusedError):
            await ask(effects, neighbour)

        with pytest.raises(EffectRefusedError, match="blocked") as refused:
            await ask(effects, neighbour)

        assert refused.value.code == "b1"
        assert neighbour.calls == 1

    async def test_a_refusal_after_a_lost_answer_leaves_the_outcome_unknown(
        self, effects: Effects
    ) -> None:
        neighbour = Neighbour(OutcomeUnknownError("timeout"), EffectRefusedError("no"))
        with pytest.raises(OutcomeUnknownError):
            await ask(effects, neighbour)

        with pytest.raises(OutcomeUnknownError, match="an attempt that got lost"):
            await ask(effects, neighbour)

    async def test_a_late_refusal_does_not_undo_what_is_done(self, effects: Effects) -> None:
        await effects.begin("k", name="ask", request={})
        await effects.begin("k", name="ask", request={})
        await effects.record("k", attempts=2, state="done", result={"id": 1})

        await effects.record("k", attempts=1, state="refused", error={})

        known = await effects.get("k")
        assert known is not None
        assert known.state == "done"

    async def test_a_slow_attempt_cannot_speak_for_a_newer_one(self, effects: Effects) -> None:
        await effects.begin("k", name="ask", request={})
        await effects.begin("k", name="ask", request={})

        await effects.record("k", attempts=1, state="not_applied", error={})

        known = await effects.get("k")
        assert known is not None
        assert known.state == "sending"

    async def test_an_effect_that_nobody_began_is_unknown(self, effects: Effects) -> None:
        assert await effects.get(uuid.uuid4().hex) is None


class TestDocumentStore:
    async def test_a_kept_document_comes_back_by_the_hash_of_its_content(
        self, documents: DocumentStore
    ) -> None:
        kept = await documents.put(b"\x00abc", filename="a.xml", media_type=None)
        await documents.put(b"\x00abc", filename="b.xml", media_type=None)

        assert await documents.get(kept["ref"]) == (kept, b"\x00abc")

    async def test_a_document_that_was_never_kept_is_not_found(
        self, documents: DocumentStore
    ) -> None:
        assert await documents.get("0" * 64) is None


class TestSuppliers:
    async def test_a_supplier_is_new_until_it_is_learned(self, suppliers: Suppliers) -> None:
        assert await suppliers.get("NO1") is None

    async def test_a_supplier_keeps_every_account_that_it_was_paid_to(
        self, suppliers: Suppliers
    ) -> None:
        await suppliers.learn("NO1", name="Acme", accounts=["B"])
        await suppliers.learn("NO1", name="Acme", accounts=["A", "B"])

        known = await suppliers.get("NO1")

        assert known == {"supplier_id": "NO1", "name": "Acme", "accounts": ["A", "B"]}
