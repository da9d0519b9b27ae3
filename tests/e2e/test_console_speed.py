"""The pace of a hundred decisions a day: by keyboard, none of them wrong, and with long queues."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from playwright.sync_api import expect

from tests.reviewing import ORDER, order, settled, title_of

pytestmark = pytest.mark.browser

ASKED_AT_ONCE = 8
NEXT = """async title => {
    const began = performance.now();
    const shown = () => document.querySelector("#review-title")?.innerText;
    while (shown() === title) await new Promise(requestAnimationFrame);
    return performance.now() - began;
}"""


@pytest.fixture
def ask_mixed(desk: Any) -> Callable[[int], list[tuple[str, str, str]]]:
    """Return a maker of mixed reviews: thread, title and the right decision of each."""

    def make(count: int) -> list[tuple[str, str, str]]:
        asked = []
        for number in range(count):
            amount = 50_000 + number * 1_000
            right = "reject" if number % 7 == 3 else "edit" if number % 10 == 4 else "approve"
            facts = {
                "reject": ("Supplier check", "blocked since May"),
                "edit": ("Invoice says", f"{(amount - 500) / 100:.2f}"),
                "approve": ("Supplier check", "known for six years"),
            }
            question = order(
                f"Mixed {number:03}",
                args={**ORDER, "amount": amount},
                risk=("low", "normal", "high")[number % 3],
                evidence=[facts[right]],
                due_in=timedelta(minutes=10 + number),
            )
            asked.append((question, f"Mixed {number:03}", right))
        with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            threads = pool.map(desk.ask, [question for question, _, _ in asked])
            return [
                (thread, title, right)
                for thread, (_, title, right) in zip(threads, asked, strict=True)
            ]

    return make


@pytest.mark.parametrize("count", [25, pytest.param(100, marks=pytest.mark.long)])
def test_mixed_reviews_are_decided_by_keyboard_without_a_wrong_one(
    desk: Any, console: Any, ask_mixed: Callable[[int], list[tuple[str, str, str]]], count: int
) -> None:
    made = ask_mixed(count)
    page = console.open("/console/reviews?search=Mixed")
    began = time.monotonic()
    next_ms = []

    for _, title, _ in made:
        expect(title_of(page)).to_have_text(title)
        page.wait_for_timeout(260)  # reading; keys so soon after a change are not taken
        evidence = page.locator("article dl.facts").last.inner_text()
        risky = page.locator("article .standing .badge.high").count() > 0
        if "blocked" in evidence:
            page.keyboard.press("2")
            page.keyboard.press("Control+Enter")
        elif "Invoice says" in evidence:
            page.keyboard.press("e")
            while page.evaluate("document.activeElement.dataset.title") != "Amount (EUR)":
                page.keyboard.press("Tab")
            page.keyboard.press("Control+a")
            page.keyboard.type(evidence.split()[-1])
            page.keyboard.press("Control+Enter")
            if risky:
                page.wait_for_timeout(360)
                page.keyboard.press("Control+Enter")
        else:
            page.keyboard.press("a")
            if risky:
                page.wait_for_timeout(360)
                page.keyboard.press("a")
        next_ms.append(page.evaluate(NEXT, title))
    took = time.monotonic() - began

    wrong = []
    for number, (thread_id, title, right) in enumerate(made):
        (answer,) = desk.answers_of(thread_id)
        decision = answer["decisions"][0]
        amount = decision.get("edited_action", {}).get("args", {}).get("amount")
        expected = 50_000 + number * 1_000 - 500 if right == "edit" else None
        if decision["type"] != right or amount != expected:
            wrong.append((title, right, decision))
    print(
        f"\n{count} decisions by keyboard in {took:.0f} s; next review on screen after"
        f" {sorted(next_ms)[len(next_ms) // 2]:.0f} ms (median), {max(next_ms):.0f} ms (longest)"
    )
    assert wrong == []
    assert took < 300


def test_a_thousand_open_reviews_stay_fluid(desk: Any, console: Any, desk_server: Any) -> None:
    thread_id = desk.ask(order("Many 0000", undo_in=timedelta(minutes=10)))
    copy_rows(desk_server.database_url, thread_id, 999)
    page = console.open("/console/reviews?search=Many")
    expect(page.locator("#lines > li")).to_have_count(50)
    waits = []

    for _ in range(5):
        before = title_of(page).inner_text()
        settled(page)
        page.keyboard.press("a")
        waits.append(page.evaluate(NEXT, before))
    for lines in (100, 200, 400, 800, 995):
        page.locator("#queue .more a").click()
        expect(page.locator("#lines > li")).to_have_count(lines, timeout=30_000)
        page.wait_for_load_state()
    settled(page)
    began = time.monotonic()
    page.keyboard.press("j")
    page.locator("#lines > li:nth-child(2) a[aria-current=true]").wait_for()
    stepped = time.monotonic() - began

    print(
        f"\nwith 1,000 open reviews: next review after {sorted(waits)[2]:.0f} ms (median);"
        f" a step in the whole list of 995 takes {stepped * 1000:.0f} ms"
    )


def copy_rows(database_url: str, thread_id: str, number: int) -> None:
    """Repeat a thread's row and its review's under other ids."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for table, changed in (
            ("threads", {"thread_id": "'many-' || n"}),
            (
                "gates",
                {
                    "thread_id": "'many-' || n",
                    "gate_id": "gate_id || '.many' || n",
                    "title": "'Many ' || lpad(n::text, 4, '0')",
                },
            ),
        ):
            columns = [
                row[0]
                for row in connection.execute(
                    "SELECT column_name FROM information_schema.columns"
                    " WHERE table_schema = 'holdfast'"
                    " AND table_name = %s AND is_generated = 'NEVER' ORDER BY ordinal_position",
                    (table,),
                )
            ]
            taken = ", ".join(changed.get(column, f'"{column}"') for column in columns)
            names = ", ".join(f'"{column}"' for column in columns)
            connection.execute(
                f"INSERT INTO holdfast.{table} ({names}) SELECT {taken}"
                f" FROM holdfast.{table}, generate_series(1, {number}) AS n WHERE thread_id = %s",
                (thread_id,),
            )
