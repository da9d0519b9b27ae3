"""Loading budgets, by function and by command, into a real ledger."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nodes.services.budgets_cli import app
from nodes.services.database import Database
from nodes.services.ledger import BudgetFileError, BudgetLine, PostgresLedger, read_budget_file
from state.budget import Budget
from state.purchase_order import Order

HEADER = "department,name,currency,limit,agent_limit,keywords\n"


def line(**changes: object) -> BudgetLine:
    values = {
        "department": "lab",
        "name": "Laboratory",
        "currency": "EUR",
        "limit": 1_000_00,
        "agent_limit": 100_00,
        "keywords": ["glass"],
    }
    return BudgetLine(**{**values, **changes})


@pytest.fixture
async def ledger(migrated_database: str) -> AsyncIterator[PostgresLedger]:
    database = Database(migrated_database)
    yield PostgresLedger(database)
    await database.close()


@pytest.fixture
def budget_file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "budgets.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


async def lab(ledger: PostgresLedger) -> Budget:
    return next(b for b in await ledger.budgets("EUR") if b["department"] == "lab")


async def test_a_new_budget_is_made_with_its_limit(ledger: PostgresLedger) -> None:
    await ledger.set_limits([line()])

    made = await lab(ledger)
    assert (made["limit"], made["available"]) == (1_000_00, 1_000_00)
    assert (made["agent_limit"], made["keywords"]) == (100_00, ["glass"])


async def test_loading_twice_changes_nothing(ledger: PostgresLedger) -> None:
    await ledger.set_limits([line()])
    await ledger.set_limits([line()])

    assert (await lab(ledger))["limit"] == 1_000_00
    assert await ledger.check() == []


async def test_a_changed_limit_keeps_what_is_reserved(ledger: PostgresLedger) -> None:
    await ledger.set_limits([line()])
    await ledger.reserve(_order(300_00))

    await ledger.set_limits([line(limit=500_00)])

    changed = await lab(ledger)
    assert (changed["limit"], changed["available"], changed["reserved"]) == (
        500_00,
        200_00,
        300_00,
    )
    assert await ledger.check() == []


async def test_a_limit_below_what_is_reserved_is_refused_and_nothing_of_the_file_loaded(
    ledger: PostgresLedger,
) -> None:
    await ledger.set_limits([line()])
    await ledger.reserve(_order(300_00))

    with pytest.raises(BudgetFileError, match=r"at least 300\.00 EUR"):
        await ledger.set_limits([line(department="new"), line(limit=299_99)])

    assert all(b["department"] != "new" for b in await ledger.budgets())


async def test_the_sample_budgets_are_right_from_the_start(ledger: PostgresLedger) -> None:
    budgets = await ledger.budgets()

    assert {b["currency"] for b in budgets} >= {"EUR", "NOK", "SEK", "GBP", "USD"}
    assert await ledger.check() == []


def test_a_file_of_budgets_is_read_in_main_units(budget_file: Callable[[str], Path]) -> None:
    path = budget_file(HEADER + "lab,Laboratory,EUR,1000.00,100,glass Acid\n")

    assert read_budget_file(path) == [line(keywords=["glass", "acid"])]


def test_the_currency_decides_about_the_decimals(budget_file: Callable[[str], Path]) -> None:
    path = budget_file(HEADER + "lab,,JPY,1000,5,\n")

    assert read_budget_file(path)[0].limit == 1000


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "line 1 must name the columns department"),
        ("department,name\n", "currency, limit, agent_limit not found"),
        (HEADER, "names no budget"),
        (HEADER + "lab,L,EUR,ten,1,\n", "line 2: limit must be an amount .* got 'ten'"),
        (HEADER + "lab,L,EUR,NaN,1,\n", "line 2: limit must be an amount"),
        (HEADER + "lab,L,EUR,1.001,1,\n", "line 2: limit must be an amount with at most 2"),
        (HEADER + "lab,L,EUR,-1,1,\n", "line 2: limit must be zero or more"),
        (HEADER + "lab,L,EUR,1e30,1,\n", "line 2: limit must be zero or more"),
        (HEADER + "lab,L,XXX,1,1,\n", "line 2: currency must be a currency of ISO 4217"),
        (HEADER + ",L,EUR,1,1,\n", "line 2: department must be a code"),
        (HEADER + "lab,L,EUR,1,1,\nlab,L,EUR,2,1,\n", "names lab in EUR twice"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_named_with_line_and_column(
    budget_file: Callable[[str], Path], text: str, fault: str
) -> None:
    with pytest.raises(BudgetFileError, match=fault):
        read_budget_file(budget_file(text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BudgetFileError, match=r"nothing\.csv cannot be read"):
        read_budget_file(tmp_path / "nothing.csv")


class TestCommand:
    def test_load_then_list_shows_the_budget(
        self, migrated_database: str, budget_file: Callable[[str], Path]
    ) -> None:
        path = budget_file(HEADER + "lab,Laboratory,EUR,1000.00,100,\n")
        runner = CliRunner()

        loaded = runner.invoke(app, ["load", str(path), "--database-url", migrated_database])
        listed = runner.invoke(app, ["list", "--database-url", migrated_database])

        assert loaded.output == "1 budgets loaded\n"
        assert "lab           EUR          1000.00" in listed.output

    def test_check_proves_the_books(self, migrated_database: str) -> None:
        checked = CliRunner().invoke(app, ["check", "--database-url", migrated_database])

        assert (checked.exit_code, checked.output) == (0, "the books are right\n")

    def test_a_wrong_file_is_one_sentence_and_code_2(
        self, migrated_database: str, budget_file: Callable[[str], Path]
    ) -> None:
        path = budget_file(HEADER + "lab,L,EUR,ten,1,\n")

        refused = CliRunner().invoke(app, ["load", str(path), "--database-url", migrated_database])

        assert refused.exit_code == 2

    def test_without_a_database_it_says_how_to_name_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("HOLDFAST_DATABASE_URL", raising=False)

        refused = CliRunner().invoke(app, ["list"])

        assert refused.exit_code == 2


def _order(amount: int) -> Order:
    return {
        "order_id": "PO-1",
        "revision": 1,
        "supplier_id": "NO1",
        "supplier_name": "Acme",
        "invoice_number": "F-1",
        "department": "lab",
        "amount": amount,
        "currency": "EUR",
        "lines": [],
        "buyer_order": None,
        "erp_order_id": None,
    }
