"""The purchase order on Postgres and on an ERP behind HTTP."""

import base64
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from nodes.services.opening import open_services
from nodes.services.settings import ProcessSettings
from tests.desk import SUPPLIER, Desk, Fuse, PowerCut, mail
from tests.erp_service.app import Books, Switch, create_app

EMPTY = {"reserved": 0, "committed": 0}


@dataclass(kw_only=True)
class Office:
    """A database, an ERP, and desks to sit down at; standing up and coming back is a restart."""

    url: str
    erp_url: str | None
    books: Books
    stack: AsyncExitStack

    async def desk(
        self, *, fuse: Fuse | None = None, thread_id: str = "t1", **changes: Any
    ) -> Desk:
        values: dict[str, Any] = {"database_url": self.url, "brain": "rules", **changes}
        if self.erp_url is not None:
            values |= {"erp": "http", "erp_url": self.erp_url, "erp_timeout_seconds": 0.3}
        settings = ProcessSettings(**values)
        services = await self.stack.enter_async_context(open_services(settings))
        saver = await self.stack.enter_async_context(AsyncPostgresSaver.from_conn_string(self.url))
        if fuse is not None:
            services = fuse.protect(services)
        return Desk(services=services, saver=saver, settings=settings, thread_id=thread_id)


@pytest.fixture
async def office(migrated_database: str, serve_app: Callable[[Any], str]) -> AsyncIterator[Office]:
    app = create_app()
    async with AsyncExitStack() as stack:
        yield Office(
            url=migrated_database,
            erp_url=serve_app(app),
            books=app.state.books,
            stack=stack,
        )


@pytest.fixture
def register_office(office: Office) -> Office:
    """Return an office whose orders go to the register in the database."""
    office.erp_url = None
    return office


async def balances(desk: Desk) -> dict[str, int]:
    budget = await desk.budget()
    return {name: budget[name] for name in ("reserved", "committed")}  # type: ignore[literal-required]


async def test_an_order_goes_to_the_register_on_its_own(register_office: Office) -> None:
    desk = await (await register_office.desk()).knows_supplier()

    end = await desk.submit(mail())

    assert end["stage"] == "COMMITTED"
    assert await balances(desk) == {"reserved": 0, "committed": 125_00}
    assert await desk.services.ledger.check() == []


async def test_a_question_survives_a_restart_of_everything(office: Office) -> None:
    await (await office.desk()).submit(mail())

    end = await (await office.desk()).approve()

    assert end["stage"] == "COMMITTED"
    assert list(office.books.orders) == ["PO-1001"]


async def test_a_rejected_order_leaves_the_books_as_they_were(office: Office) -> None:
    desk = await office.desk()
    before = await desk.services.ledger.budgets()
    await desk.submit(mail())

    end = await desk.answer({"type": "reject", "message": "no"})

    assert end["stage"] == "REJECTED"
    assert await desk.services.ledger.budgets() == before
    assert await desk.services.ledger.check() == []


async def test_an_edit_moves_the_reservation_in_the_ledger(office: Office) -> None:
    desk = await office.desk()
    await desk.submit(mail())

    await desk.edit(amount=100_00, department="office")

    assert await balances(desk) == EMPTY
    assert (await desk.budget("office"))["committed"] == 100_00
    assert await desk.services.ledger.check() == []


async def test_of_two_threads_with_one_invoice_one_orders(office: Office) -> None:
    one = await (await office.desk(thread_id="t1")).knows_supplier()
    two = await office.desk(thread_id="t2")

    ends = [await one.submit(mail()), await two.submit(mail())]

    assert [end["stage"] for end in ends] == ["COMMITTED", "ALREADY_ORDERED"]
    assert list(office.books.orders) == ["PO-1001"]


class TestErpFaults:
    """The fault matrix of a call to the ERP, over real HTTP."""

    @pytest.mark.parametrize(
        ("switch", "stage", "orders"),
        [
            (Switch(mode="down", times=2), "COMMITTED", 1),
            (Switch(mode="down"), "FAILED", 0),
            (Switch(mode="refuses"), "FAILED", 0),
            (Switch(mode="breaks", times=1), "COMMITTED", 1),
            (Switch(mode="breaks"), "FAILED", 0),
            (Switch(mode="commits-then-hangs", times=1), "COMMITTED", 1),
            (Switch(mode="commits-then-hangs"), "COMMITTED", 1),
            (Switch(mode="hangs", times=1), "COMMITTED", 1),
            (Switch(mode="hangs"), "FAILED", 0),
            (Switch(mode="slow", seconds=0.05), "COMMITTED", 1),
            (Switch(mode="blind"), "IN_DOUBT", 0),
        ],
        ids=lambda value: f"{value.mode}-{value.times}" if isinstance(value, Switch) else None,
    )
    async def test_the_end_the_erp_and_the_ledger_agree(
        self, office: Office, switch: Switch, stage: str, orders: int
    ) -> None:
        desk = await (await office.desk()).knows_supplier()
        office.books.switch = switch

        end = await desk.submit(mail())

        live = [entered for entered in office.books.orders.values() if entered is not None]
        expected = {
            "COMMITTED": {"reserved": 0, "committed": 125_00},
            "FAILED": EMPTY,
            "IN_DOUBT": {"reserved": 125_00, "committed": 0},
        }
        assert (end["stage"], len(live)) == (stage, orders)
        assert await balances(desk) == expected[stage]
        assert await desk.services.ledger.check() == []

    async def test_an_erp_that_is_not_there_fails_the_order_with_its_money_back(
        self, office: Office
    ) -> None:
        office.erp_url = "http://127.0.0.1:9"
        desk = await (await office.desk()).knows_supplier()

        end = await desk.submit(mail())

        assert end["stage"] == "FAILED"
        assert await balances(desk) == EMPTY

    async def test_a_late_request_finds_its_order_barred(self, office: Office) -> None:
        desk = await (await office.desk()).knows_supplier()
        office.books.switch = Switch(mode="hangs")
        end = await desk.submit(mail())
        office.books.switch = Switch()
        assert end["order"] is not None

        with pytest.raises(Exception, match="cancelled"):
            await desk.services.erp.create(end["order"], key="PO-1001:order")

    async def test_the_question_in_doubt_is_resolved_by_a_second_look(self, office: Office) -> None:
        desk = await (await office.desk()).knows_supplier()
        office.books.switch = Switch(mode="blind")
        await desk.submit(mail())
        office.books.switch = Switch()

        end = await (await office.desk()).approve()

        assert end["stage"] == "FAILED"
        assert await balances(desk) == EMPTY


class TestPowerCuts:
    async def test_an_order_is_entered_and_paid_once_wherever_the_power_goes(
        self, office: Office
    ) -> None:
        whole = Fuse()
        desk = await (await office.desk()).knows_supplier()
        await (await office.desk(fuse=whole)).submit(mail(number="0"))

        for number, name in enumerate(whole.calls):
            thread_id = f"cut-{number}"
            fuse = Fuse(number, after=True)
            with pytest.raises(PowerCut):
                await (await office.desk(fuse=fuse, thread_id=thread_id)).submit(
                    mail(number=thread_id)
                )
            end = await (await office.desk(thread_id=thread_id)).go_on()

            assert end["stage"] == "COMMITTED", name

        assert len(office.books.orders) == 1 + len(whole.calls)
        assert len({str(order) for order in office.books.orders.values()}) == 1 + len(whole.calls)
        assert await balances(desk) == {
            "reserved": 0,
            "committed": (1 + len(whole.calls)) * 125_00,
        }
        assert await desk.services.ledger.check() == []

    async def test_a_cut_between_a_failure_and_its_handling_is_carried_on(
        self, office: Office
    ) -> None:
        desk = await (await office.desk()).knows_supplier()
        office.books.switch = Switch(mode="refuses")
        fuse = Fuse()
        await (await office.desk(fuse=fuse)).submit(mail(number="0"))
        resolving = fuse.calls.index("effects.get")

        cut = Fuse(resolving)
        with pytest.raises(PowerCut):
            await (await office.desk(fuse=cut, thread_id="t2")).submit(mail())
        end = await (await office.desk(thread_id="t2")).go_on()

        assert end["stage"] == "FAILED"
        assert await balances(desk) == EMPTY


@pytest.fixture
def peppol(shared_invoices: Path) -> dict[str, str]:
    """Return the Peppol examples, in the order of their names."""
    files = sorted(shared_invoices.glob("peppol-*.xml"))
    return {file.stem.removeprefix("peppol-"): file.read_text("utf-8") for file in files}


async def test_the_peppol_examples_go_their_ways(office: Office, peppol: dict[str, str]) -> None:
    ends: dict[str, str] = {}
    for name, text in peppol.items():
        desk = await office.desk(thread_id=name)
        end = await desk.submit({"filename": f"{name}.xml", "text": text})
        question = await desk.question()
        ends[name] = question["action_requests"][0]["name"] if question else end["stage"]

    # Several of the examples bear one supplier and one number: for a buyer they are one invoice.
    assert ends == {
        "Allowance-example": "create_purchase_order",
        "Norwegian-example-1": "create_purchase_order",
        "Vat-category-S": "ALREADY_ORDERED",
        "base-creditnote-correction": "note_credit",
        "base-example": "ALREADY_ORDERED",
        "base-negative-inv-correction": "note_credit",
        "sales-order-example": "ALREADY_ORDERED",
        "vat-category-E": "create_purchase_order",
        "vat-category-O": "create_purchase_order",
        "vat-category-Z": "ALREADY_ORDERED",
    }


async def test_a_new_supplier_of_many_lines_keeps_the_state_small(office: Office) -> None:
    desk = await office.desk()
    content = mail().encode() + b"\n" * 200_000

    await desk.submit({"content_base64": base64.b64encode(content).decode()})

    snapshot = await desk.snapshot()
    assert len(str(snapshot.values)) < 20_000


class TestDatabaseRules:
    """What the database refuses by itself, whoever asks."""

    @pytest.fixture
    def rows(self, migrated_database: str) -> AsyncIterator[psycopg.Connection[Any]]:
        with psycopg.connect(migrated_database, autocommit=True) as connection:
            yield connection  # type: ignore[misc]

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE holdfast.ledger_postings SET amount = amount + 1",
            "DELETE FROM holdfast.ledger_entries",
            "TRUNCATE holdfast.ledger_postings",
        ],
    )
    def test_the_journal_can_only_grow(self, rows: psycopg.Connection[Any], statement: str) -> None:
        with pytest.raises(psycopg.Error, match="append-only"):
            rows.execute(statement)  # type: ignore[arg-type]

    def test_an_entry_that_does_not_balance_is_refused(self, rows: psycopg.Connection[Any]) -> None:
        with pytest.raises(psycopg.Error, match="does not balance"), rows.transaction():
            rows.execute(
                "WITH entry AS (INSERT INTO holdfast.ledger_entries (key, kind)"
                " VALUES ('x', 'grant') RETURNING entry_id)"
                " INSERT INTO holdfast.ledger_postings"
                " (entry_id, department, currency, account, amount)"
                " SELECT entry_id, 'it', 'EUR', 'available', 5 FROM entry"
            )

    def test_a_budget_below_zero_is_refused(self, rows: psycopg.Connection[Any]) -> None:
        with pytest.raises(psycopg.errors.CheckViolation):
            rows.execute("UPDATE holdfast.budgets SET available = -1, reserved = limit_amount + 1")

    def test_money_that_appears_from_nowhere_is_refused(
        self, rows: psycopg.Connection[Any]
    ) -> None:
        with pytest.raises(psycopg.errors.CheckViolation):
            rows.execute("UPDATE holdfast.budgets SET available = available + 1")

    def test_two_live_reservations_of_one_order_are_refused(
        self, rows: psycopg.Connection[Any]
    ) -> None:
        insert = (
            "INSERT INTO holdfast.reservations (order_id, revision, department, currency, amount)"
            " VALUES ('PO-1', {}, 'it', 'EUR', 5)"
        )
        rows.execute(insert.format(1))  # type: ignore[arg-type]

        with pytest.raises(psycopg.errors.UniqueViolation):
            rows.execute(insert.format(2))  # type: ignore[arg-type]

    def test_two_live_orders_of_one_invoice_are_refused(
        self, rows: psycopg.Connection[Any]
    ) -> None:
        insert = f"INSERT INTO holdfast.orders (invoice_id, thread_id) VALUES ('{SUPPLIER}/1', %s)"
        rows.execute(insert, ("a",))  # type: ignore[arg-type]

        with pytest.raises(psycopg.errors.UniqueViolation):
            rows.execute(insert, (uuid.uuid4().hex,))  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("damage", "rule"),
        [
            (
                "UPDATE holdfast.budgets SET available = available - 5, reserved = reserved + 5"
                " WHERE department = 'it' AND currency = 'EUR'",
                "budget differs from its journal",
            ),
            (
                "INSERT INTO holdfast.reservations (order_id, revision, department, currency,"
                " amount) VALUES ('PO-1', 1, 'it', 'EUR', 5)",
                "reservation was not moved once each way",
            ),
        ],
    )
    async def test_the_check_of_the_books_finds_what_was_planted(
        self, office: Office, rows: psycopg.Connection[Any], damage: str, rule: str
    ) -> None:
        rows.execute(damage)  # type: ignore[arg-type]

        broken = await (await office.desk()).services.ledger.check()

        assert any(found.startswith(rule) for found in broken)
