"""What operators and reviewers do besides deciding, in a real browser."""

import re
import time
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from state.review import gate
from tests.reviewing import link_to

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


def order(title: str, **more: Any) -> Any:
    """Return the question about an order."""
    told: dict[str, Any] = {
        "action": "create_order",
        "args": {"supplier": "Fix AG", "amount": 4200},
        "allowed": ("approve", "edit", "reject", "respond"),
        "effects": {"approve": "goes to the supplier at once"},
    }
    return gate(title=title, **{**told, **more})


def at(desk: Any, thread_id: str) -> str:
    """Return the address of the thread's review."""
    return f"/console/reviews/{desk.review_of(thread_id)['id']}"


def run_of(desk: Any, thread_id: str) -> dict[str, Any]:
    """Return the thread's last run."""
    return dict(desk.client.get(f"/threads/{thread_id}/runs").json()[0])


def settle(desk: Any, thread_id: str, *statuses: str) -> str:
    """Wait until the thread has one of these statuses, and return it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        status = str(desk.client.get(f"/threads/{thread_id}").json()["status"])
        if status in statuses:
            return status
        time.sleep(0.1)
    pytest.fail(f"the thread is {status}")


def start(desk: Any, graph_id: str, value: Any) -> str:
    """Start a run on a new thread, and return the thread's id."""
    thread_id = str(desk.client.post("/threads", json={}).json()["thread_id"])
    body = {"assistant_id": graph_id, "input": value}
    assert desk.client.post(f"/threads/{thread_id}/runs", json=body).is_success
    return thread_id


def test_the_runs_of_a_filter_are_cancelled_together(desk: Any, console: Any) -> None:
    talking = [start(desk, "talk", {"seconds": 60}) for _ in range(2)]
    for thread_id in talking:
        settle(desk, thread_id, "busy")
    page = console.open("/console/runs?graph=talk")

    page.get_by_text("Cancel what is live").click()
    page.get_by_role("button", name="Cancel 2 runs").click()

    expect(page.locator("#toasts")).to_contain_text("Cancelled 2 runs")
    for thread_id in talking:
        settle(desk, thread_id, "idle", "interrupted", "error")
        assert run_of(desk, thread_id)["status"] == "interrupted"


def test_a_run_that_failed_is_retried_from_its_last_step(desk: Any, console: Any) -> None:
    thread_id = start(desk, "talk", {"fail": "the ERP is away"})
    settle(desk, thread_id, "error")
    page = console.open(f"/console/runs?search={thread_id}")
    expect(page.locator("tbody")).to_contain_text("the ERP is away")

    page.get_by_role("button", name=re.compile("Retry run")).click()

    expect(page.locator("#toasts")).to_contain_text("Started 1 run again")
    assert len(desk.client.get(f"/threads/{thread_id}/runs").json()) == 2


def test_a_step_runs_on_with_changed_state_on_the_same_thread(desk: Any, console: Any) -> None:
    thread_id = start(desk, "talk", {"ask": True, "amount": 12.5})
    settle(desk, thread_id, "interrupted")
    page = console.open(f"/console/threads/{thread_id}")
    expect(page.locator("main")).to_contain_text("Waits for a person")

    page.get_by_role("link", name=re.compile("Open step")).first.click()
    page.get_by_label("on this thread, open questions are withdrawn").check()
    page.get_by_text("Change the state as JSON").click()
    page.get_by_label("Fields to change").fill('{"ask": false, "amount": 99}')
    page.get_by_role("button", name="Run", exact=True).click()

    expect(page.locator("#toasts")).to_contain_text("on this thread, with changed ask, amount")
    settle(desk, thread_id, "idle")
    assert desk.client.get(f"/threads/{thread_id}").json()["values"]["amount"] == 99
    assert desk.reviews_of(thread_id) == []


def test_an_entry_of_the_audit_log_opens_the_review_as_it_was(desk: Any, console: Any) -> None:
    thread_id = desk.ask(order("As it was"))
    review_id = desk.review_of(thread_id)["id"]
    page = console.open(f"/console/reviews/{review_id}")
    page.get_by_role("button", name="Claim").click()
    expect(page.locator("article")).to_contain_text("you are at it")

    page.goto(f"{console.url}/console/audit?gate_id={review_id}")
    page.get_by_role("link", name="review", exact=True).last.click()

    expect(page.locator("article")).to_contain_text(re.compile(r"As it was at entry \d+"))
    expect(page.locator("article")).to_contain_text("gate.opened by")
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)


def test_a_review_is_put_off_and_brought_back_and_given_more_time(desk: Any, console: Any) -> None:
    thread_id = desk.ask(order("Put off", due_in=timedelta(minutes=30)))
    page = console.open(f"{at(desk, thread_id)}?search=Put+off")

    page.get_by_text("Extend", exact=True).click()
    page.get_by_role("button", name="+ 1 day").click()
    expect(page.locator("#toasts")).to_contain_text("Deadlines moved by 24 hours")
    page.get_by_text("Snooze", exact=True).click()
    page.get_by_role("button", name="2 h", exact=True).click()
    expect(page.locator("#toasts")).to_contain_text("Out of sight for 2 hours")
    expect(page.locator("#lines")).not_to_contain_text("Put off")
    page.get_by_role("button", name="Bring back").click()

    expect(page.locator("#lines")).to_contain_text("Put off")
    expect(page.locator("article .left")).to_have_text(re.compile(r"2[345] h left"))


def test_asking_back_asks_for_the_question_first(desk: Any, console: Any) -> None:
    thread_id = desk.ask(order("Ask back"))
    page = console.open(at(desk, thread_id))

    page.keyboard.press("q")
    expect(page.get_by_label("Comment", exact=True)).to_be_focused()
    page.keyboard.type("Which project is it for?")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#toasts")).to_contain_text("Answered")

    told = desk.answers_of(thread_id)[0]["decisions"][0]
    assert (told["type"], told["message"]) == ("respond", "Which project is it for?")


def test_a_free_question_is_read_whole_and_answered_in_words(desk: Any, console: Any) -> None:
    thread_id = desk.ask({"question": "Which one is it?", "customers": ["Ann", "Anne"]})
    page = console.open(at(desk, thread_id))
    expect(page.locator("article")).to_contain_text('["Ann", "Anne"]')

    page.get_by_label("Your answer").fill("the second")
    page.get_by_role("button", name="Answer").click()
    expect(page.locator("#toasts")).to_contain_text("Answered")

    assert desk.answers_of(thread_id) == ["the second"]


def test_an_invoice_of_many_lines_loses_none_of_them(desk: Any, console: Any) -> None:
    schema = {
        "type": "object",
        "properties": {
            "amount": {"type": "integer"},
            "lines": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {name: {"type": "string"} for name in ("item", "unit", "note")},
                },
            },
        },
    }
    lines = [{"item": f"part {n}", "unit": "pc", "note": "-"} for n in range(400)]
    asked = order("Many lines", args={"amount": 1, "lines": lines}, args_schema=schema)
    thread_id = desk.ask(asked)
    page = console.open(at(desk, thread_id))

    page.keyboard.press("e")
    page.get_by_label("Amount").first.fill("2")
    page.get_by_role("button", name="Send the changes").click()
    expect(page.locator("#toasts")).to_contain_text("Changed and sent", timeout=15_000)

    sent = desk.answers_of(thread_id)[0]["decisions"][0]["edited_action"]["args"]
    assert (sent["amount"], sent["lines"]) == (2, lines)


def test_pruning_is_paused_with_a_reason_and_resumed(desk: Any, console: Any) -> None:
    page = console.open("/console/storage")

    page.get_by_text("Pause pruning…").click()
    page.get_by_label("Why").fill("the auditors are in the house")
    page.get_by_label("How long").select_option("until somebody resumes")
    page.get_by_role("button", name="Pause", exact=True).click()

    notice = page.locator(".note.warn", has_text="Pruning is paused")
    expect(notice).to_contain_text("by ana since")
    expect(notice).to_contain_text("the auditors are in the house")
    page.get_by_text("Sweep now…").click()
    page.get_by_role("button", name="Sweep now", exact=True).click()
    expect(page.locator("[role=alert]")).to_contain_text("pruning was paused by ana")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#toasts")).to_contain_text("Pruning goes on")
    expect(notice).to_have_count(0)


def test_the_chart_of_sizes_begins_with_the_first_sweep(desk: Any, console: Any) -> None:
    page = console.open("/console/storage", color_scheme="dark")

    page.get_by_text("Sweep now…").click()
    page.get_by_role("button", name="Sweep now", exact=True).click()

    expect(page.locator(".chart canvas")).to_be_visible()
    page.get_by_text("The same as a table").click()
    expect(page.get_by_role("group", name="Sizes over time").locator("tbody tr")).not_to_have_count(
        1
    )


def test_a_node_that_is_pressed_says_what_it_is_and_what_it_did(desk: Any, console: Any) -> None:
    thread_id = start(desk, "talk", {"ask": True})
    settle(desk, thread_id, "interrupted")
    page = console.open(f"/console/threads/{thread_id}")

    page.locator("[data-node=draft]").click()

    panel = page.locator("#node")
    expect(panel.get_by_role("heading", name="draft")).to_be_focused()
    expect(panel).to_contain_text("ran once")
    expect(panel).to_contain_text("What it wrote last")


def test_a_page_of_a_thread_follows_it_by_itself(desk: Any, console: Any) -> None:
    thread_id = desk.ask(order("Follow"))
    page = console.open(f"/console/threads/{thread_id}")
    expect(page.locator("[data-node=ask_in_turn]")).to_contain_text("waiting")
    review = desk.review_of(thread_id)

    desk.client.post(
        f"/reviews/{review['id']}/decision",
        json={
            "decisions": [{"type": "approve"}],
            "fingerprint": review["fingerprint"],
            "undo_seconds": 0,
        },
    )

    expect(page.locator("[data-node=ask_in_turn].done")).to_be_visible()
    expect(page.locator("#thread-head")).to_contain_text("idle")
    expect(page.locator("#steps tbody tr")).to_have_count(3)


def test_the_timeline_shows_the_steps_of_one_node(desk: Any, console: Any) -> None:
    thread_id = start(desk, "talk", {})
    settle(desk, thread_id, "idle")
    page = console.open(f"/console/threads/{thread_id}")

    page.get_by_label("Steps of").select_option("draft")

    expect(page).to_have_url(re.compile("node=draft"))
    expect(page.locator("#steps tbody tr")).to_have_count(1)
    expect(page.locator("#steps")).to_contain_text("of 1 steps of")


def test_a_phone_shows_the_queue_and_then_the_review(desk: Any, console: Any) -> None:
    desk.ask(order("Pocket"))
    page = console.open("/console/reviews?search=Pocket", **PHONE)
    expect(page.locator("article")).to_be_hidden()

    page.locator("#lines a", has_text="Pocket").tap()
    expect(page.locator("#review-title")).to_be_visible()
    expect(page.locator("#queue")).to_be_hidden()
    page.get_by_role("link", name="Queue").tap()

    expect(page.locator("#lines")).to_contain_text("Pocket")
    expect(page.locator("article")).to_be_hidden()


def test_a_link_shows_on_a_phone_what_it_is_about_and_decides_once(
    desk: Any, console: Any, desk_server: Any, axe: str
) -> None:
    thread_id = desk.ask(order("By link"))
    path = link_to(desk_server.database_url, thread_id)
    page = console.open(path, **PHONE)
    expect(page.locator("main")).to_contain_text("goes to the supplier at once")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]
    page.evaluate(axe)
    assert page.evaluate("() => axe.run()")["violations"] == []
    assert desk.review_of(thread_id)["state"] == "open"

    page.get_by_role("button", name="Ask back").click()
    expect(page.locator("[role=alert]")).to_contain_text("an answer must say something")
    page.get_by_label("Comment").fill("fine by me")
    page.get_by_role("button", name="Approve").click()
    expect(page.locator("[role=status]")).to_contain_text("Approved.")
    page.goto(f"{console.url}{path}")

    expect(page.locator("[role=status]")).to_contain_text(re.compile("You approved this|was used"))
    expect(page.get_by_role("button")).to_have_count(0)


def test_a_server_that_is_away_is_told_of_and_nothing_typed_is_lost(
    desk: Any, console: Any
) -> None:
    thread_id = desk.ask(order("Away"))
    page = console.open(at(desk, thread_id))
    page.get_by_label("Comment", exact=True).fill("half a sentence")
    page.route("**/decision*", lambda route: route.abort())

    page.get_by_role("button", name="Approve").click()

    expect(page.locator("#toasts")).to_contain_text("the server does not answer")
    expect(page.get_by_label("Comment", exact=True)).to_have_value("half a sentence")
    assert desk.review_of(thread_id)["state"] == "open"
    console.faults.clear()  # the browser logs the request that did not get through


def test_a_stream_that_does_not_begin_leaves_the_page_whole_and_is_begun_again(
    desk: Any, console: Any
) -> None:
    thread_id = desk.ask(order("Stream"))
    page = console.open("/console/health")
    refused: list[Any] = []

    def refuse_once(route: Any) -> None:
        if refused:
            route.continue_()
        else:
            refused.append(route)
            route.fulfill(status=503, content_type="application/json", body='{"detail": "later"}')

    page.route("**/reviews/events", refuse_once)
    page.goto(f"{console.url}{at(desk, thread_id)}?search=Stream")

    expect(page.locator("#lost")).to_be_visible()
    expect(page.locator("#review-title")).to_have_text("Stream")
    page.get_by_label("Comment", exact=True).fill("half a sentence")
    expect(page.locator("#lost")).to_be_hidden()
    desk.ask(order("Stream again"))
    expect(page.locator("#lines")).to_contain_text("Stream again")
    expect(page.get_by_label("Comment", exact=True)).to_have_value("half a sentence")
    console.faults.clear()  # the browser logs the answer that was none


@pytest.mark.parametrize(
    "path", ["/console/nowhere", "/console/threads/00000000-0000-4000-8000-000000000000"]
)
def test_an_address_that_leads_nowhere_says_so_and_leads_back(console: Any, path: str) -> None:
    page = console.open(path)

    expect(page.get_by_role("heading", level=1)).to_have_text("Not here")
    page.get_by_role("main").get_by_role("link").first.click()
    expect(page.get_by_role("main")).not_to_contain_text("Not here")
