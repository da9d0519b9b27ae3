"""The review screen in a real browser: deciding, conflicts, drafts, undo, expiry, safety."""

import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from playwright.sync_api import expect

from tests.reviewing import ORDER, at, order, settled, title_of

pytestmark = pytest.mark.browser

# What the element with the focus is called.
FOCUSED = """() => {
    const focused = document.activeElement;
    const words = focused.querySelector("strong") ?? focused;
    return words.innerText.replace(/\\s+/g, " ").trim() || focused.name || "";
}"""
COVERED = """() => {
    const focused = document.activeElement;
    if (!focused || focused === document.body) return null;
    const { x, y, width, height, right, bottom } = focused.getBoundingClientRect();
    const seen = [[x + width / 2, y + height / 2], [x + 4, y + 4], [right - 4, bottom - 4]].some(
        ([across, down]) => {
            const top = document.elementFromPoint(across, down);
            return top && (focused.contains(top) || top.contains(focused));
        });
    return seen ? null : focused.outerHTML.slice(0, 120);
}"""


def type_into(page: Any, label: str, text: str) -> None:
    field = page.get_by_label(label, exact=False).first
    field.fill(text)


def wait_until(page: Any, true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)


def test_a_review_is_found_read_and_decided_with_the_keyboard_alone(
    desk: Any, console: Any
) -> None:
    first = desk.ask(order("Keys one", due_in=timedelta(minutes=1)))
    second = desk.ask(order("Keys two", due_in=timedelta(minutes=2)))
    page = console.open("/console/reviews?search=Keys")
    expect(title_of(page)).to_have_text("Keys one")

    page.keyboard.press("j")
    expect(title_of(page)).to_have_text("Keys two")
    page.keyboard.press("k")
    expect(title_of(page)).to_have_text("Keys one")
    settled(page)
    page.keyboard.press("a")
    expect(title_of(page)).to_have_text("Keys two")
    page.keyboard.press("r")
    page.keyboard.type("wrong supplier")
    page.keyboard.press("Control+Enter")
    expect(title_of(page)).to_have_text("All done")

    assert desk.answers_of(first)[0]["decisions"][0]["type"] == "approve"
    assert desk.answers_of(second)[0]["decisions"][0] == {
        "type": "reject",
        "message": "wrong supplier",
        "decided_by": "ana",
    }


def test_two_quick_steps_lead_two_reviews_on(desk: Any, console: Any) -> None:
    for number, name in enumerate(("one", "two", "three")):
        desk.ask(order(f"Quick {name}", due_in=timedelta(minutes=1 + number)))
    page = console.open("/console/reviews?search=Quick")
    expect(title_of(page)).to_have_text("Quick one")
    held: list[Any] = []
    page.route(re.compile(r"/console/reviews/(?!queue)\w+"), lambda route: held.append(route))

    page.keyboard.press("j")
    page.keyboard.press("j")
    wait_until(page, lambda: len(held) == 2)
    for route in reversed(held):  # the first answer comes last
        route.continue_()

    expect(title_of(page)).to_have_text("Quick three")
    settled(page)
    expect(title_of(page)).to_have_text("Quick three")


def test_what_was_asked_about_the_review_before_is_not_told_of_the_next(
    desk: Any, console: Any
) -> None:
    desk.ask(order("Late news one", due_in=timedelta(minutes=1), undo_in=timedelta(minutes=5)))
    desk.ask(order("Late news two", due_in=timedelta(minutes=2)))
    page = console.open("/console/reviews?search=Late+news")
    held: list[Any] = []
    page.route(
        "**/reviews/queue?*",
        lambda route: route.continue_() if held else held.append(route),
    )
    desk.ask(order("Late news three", due_in=timedelta(minutes=3)))
    wait_until(page, lambda: len(held) == 1)

    page.keyboard.press("a")
    expect(title_of(page)).to_have_text("Late news two")
    held[0].continue_()

    expect(page.locator("#lines")).to_contain_text("Late news three")
    settled(page)
    expect(page.locator(".news")).to_have_count(0)
    expect(page.locator("#lines [aria-current]")).to_contain_text("Late news two")


def test_news_come_also_to_a_page_whose_scripts_came_late(desk: Any, console: Any) -> None:
    held: list[Any] = []
    context = console.browser.new_context()
    console.contexts.append(context)
    page = context.new_page()
    page.route("**/htmx-sse-*", lambda route: held.append(route))
    page.goto(f"{console.url}/console/reviews?search=Slow+script", wait_until="commit")
    wait_until(page, lambda: held and page.evaluate("'htmx' in window"))
    page.evaluate("new Promise((done) => setTimeout(done))")  # htmx's own start, were it a timer

    held[0].continue_()
    desk.ask(order("Slow script"))

    expect(page.locator("#lines")).to_contain_text("Slow script")


def test_news_between_two_steps_take_none_of_them_back(desk: Any, console: Any) -> None:
    for number, name in enumerate(("one", "two", "three")):
        desk.ask(order(f"Between {name}", due_in=timedelta(minutes=1 + number)))
    page = console.open("/console/reviews?search=Between")
    held: list[Any] = []
    page.route(re.compile(r"/console/reviews/(?!queue)\w+"), lambda route: held.append(route))

    page.keyboard.press("j")
    wait_until(page, lambda: len(held) == 1)
    desk.ask(order("Between four", due_in=timedelta(minutes=4)))
    expect(page.locator("#lines")).to_contain_text("Between four")
    page.keyboard.press("j")
    wait_until(page, lambda: len(held) == 2)
    held[1].continue_()

    expect(title_of(page)).to_have_text("Between three")


def test_keys_pressed_while_a_decision_is_sent_decide_nothing_else(desk: Any, console: Any) -> None:
    first = desk.ask(order("Hasty one", due_in=timedelta(minutes=1)))
    second = desk.ask(order("Hasty two", due_in=timedelta(minutes=2)))
    desk.ask(order("Hasty three", due_in=timedelta(minutes=3)))
    page = console.open("/console/reviews?search=Hasty")
    held: list[Any] = []
    page.route("**/decision*", lambda route: held.append(route))

    page.keyboard.press("a")
    wait_until(page, lambda: len(held) == 1)
    for key in ("a", "j", "r"):
        page.keyboard.press(key)
    page.get_by_role("button", name="Approve").click()
    held[0].continue_()

    expect(title_of(page)).to_have_text("Hasty two")
    expect(page.locator("#toasts")).to_contain_text("Approved: Hasty one")
    expect(page.locator("#trouble")).to_have_count(0)
    assert len(held) == 1
    assert desk.answers_of(first)[0]["decisions"][0]["type"] == "approve"
    assert desk.review_of(second)["state"] == "open"


def test_the_answer_to_a_decision_is_taken_though_its_form_is_gone(desk: Any, console: Any) -> None:
    desk.ask(order("Gone one", due_in=timedelta(minutes=1), undo_in=timedelta(minutes=5)))
    desk.ask(order("Gone two", due_in=timedelta(minutes=2)))
    page = console.open("/console/reviews?search=Gone")
    held: list[Any] = []
    page.route("**/decision*", lambda route: held.append(route))

    page.keyboard.press("a")
    wait_until(page, lambda: len(held) == 1)
    page.locator("#lines a", has_text="Gone two").click()
    expect(title_of(page)).to_have_text("Gone two")
    held[0].continue_()

    expect(page.locator("#toasts")).to_contain_text("Undo")
    expect(page.locator("#lines")).not_to_contain_text("Gone one")


def test_the_tab_key_reaches_the_queue_and_every_button_of_the_review(
    desk: Any, console: Any
) -> None:
    thread_id = desk.ask(order("Tabs"))
    page = console.open(f"{at(desk, thread_id)}?search=Tabs")
    reached = set()

    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(FOCUSED))

    assert {"Tabs", "Edit e", "message", "Approve a", "Reject r", "Claim", "Delegate"} <= reached


def test_an_edit_arrives_with_numbers_and_only_what_was_changed(desk: Any, console: Any) -> None:
    thread_id = desk.ask(order("Edit"))
    page = console.open(at(desk, thread_id))

    page.keyboard.press("e")
    type_into(page, "Amount (EUR)", "3999.50")
    page.get_by_label("Quantity, row 2").fill("150")
    page.get_by_role("button", name="Remove row 1").click()
    page.get_by_role("button", name="Add a row").click()
    page.keyboard.type("M12")
    page.get_by_label("Quantity, row 3").fill("7")
    expect(page.locator("#edits")).to_contain_text("Amount (EUR) 8545.48 → 3999.50")
    expect(page.get_by_role("button", name="Approve")).to_be_hidden()
    page.get_by_role("button", name="Send the changes").click()

    (answer,) = desk.answers_of(thread_id)
    assert answer["decisions"][0]["edited_action"]["args"] == {
        "supplier": "Fix AG",
        "amount": 399_950,
        "urgent": False,
        "lines": [{"item": "M10x60", "quantity": 150}, {"item": "M12", "quantity": 7}],
    }


def test_an_edit_that_does_not_fit_comes_back_with_everything_typed(
    desk: Any, console: Any
) -> None:
    thread_id = desk.ask(order("Misfit"))
    page = console.open(at(desk, thread_id))
    page.keyboard.press("e")
    page.eval_on_selector("#decision", "form => { form.noValidate = true }")
    type_into(page, "Supplier", "Acme Bolts")
    type_into(page, "Amount (EUR)", "99999999.00")
    type_into(page, "Comment", "as agreed")

    page.get_by_role("button", name="Send the changes").click()

    expect(page.locator("[aria-invalid=true]")).to_have_value("99999999.00")
    expect(page.locator("[aria-invalid=true]")).to_be_focused()
    expect(page.get_by_label("Supplier", exact=False).first).to_have_value("Acme Bolts")
    expect(page.get_by_label("Comment", exact=True)).to_have_value("as agreed")
    assert desk.review_of(thread_id)["state"] == "open"


def test_of_two_reviewers_one_wins_and_the_other_reads_who_and_keeps_the_draft(
    desk: Any, console: Any
) -> None:
    thread_id = desk.ask(order("Race"))
    ana = console.open(at(desk, thread_id), person="ana")
    ben = console.open(at(desk, thread_id), person="ben")
    ben.route(
        "**/console/reviews/queue*", lambda route: route.fulfill(status=204)
    )  # ben's page hears nothing
    ben.keyboard.press("e")
    type_into(ben, "Supplier", "Nordic Steel")
    type_into(ben, "Comment", "cheaper elsewhere")
    type_into(ana, "Comment", "in stock by Friday")

    ana.keyboard.press("Escape")
    ana.get_by_role("button", name="Approve").click()
    expect(title_of(ana)).not_to_have_text("Race")
    ben.get_by_role("button", name="Send the changes").click()

    refused = ben.locator("article")
    expect(refused).to_contain_text("Not done.")
    expect(refused).to_contain_text(
        re.compile(r"Approved by ana at \d\d:\d\d via console: “in stock by Friday”")
    )
    expect(refused).to_contain_text("Your draft")
    expect(refused).to_contain_text("cheaper elsewhere")
    expect(refused).to_contain_text("Nordic Steel")
    assert len(desk.answers_of(thread_id)) == 1


def test_news_appears_within_a_second_beside_what_is_being_typed(desk: Any, console: Any) -> None:
    thread_id = desk.ask(order("Typing"))
    page = console.open(f"{at(desk, thread_id)}?search=Typing")
    page.get_by_label("Comment", exact=True).click()
    page.keyboard.type("half a sen")

    asked_at = time.monotonic()
    desk.ask(order("Typing too"))
    page.keyboard.type("tence")
    page.locator("#lines a", has_text="Typing too").wait_for()
    took = time.monotonic() - asked_at

    field = page.get_by_label("Comment", exact=True)
    expect(field).to_be_focused()
    expect(field).to_have_value("half a sentence")
    print(f"\na new review is on the screen {took * 1000:.0f} ms after it was asked for")


def test_a_decision_elsewhere_is_said_beside_the_draft(desk: Any, console: Any) -> None:
    thread_id = desk.ask(order("Elsewhere"))
    page = console.open(at(desk, thread_id))
    page.wait_for_timeout(500)
    page.get_by_label("Comment", exact=True).fill("not yet")

    review = desk.review_of(thread_id)
    done = desk.client.post(
        f"/reviews/{review['id']}/decision",
        json={
            "decisions": [{"type": "reject", "message": "duplicate"}],
            "fingerprint": review["fingerprint"],
        },
        headers={"X-Holdfast-User": "ben"},
    )
    assert done.is_success, done.text

    expect(page.locator("#news")).to_contain_text("ben decided this")
    expect(page.locator("#news")).to_contain_text("duplicate")
    expect(page.get_by_label("Comment", exact=True)).to_have_value("not yet")


def test_a_draft_outlives_looking_at_another_review_and_a_reload(desk: Any, console: Any) -> None:
    first = desk.ask(order("Draft one", due_in=timedelta(minutes=1)))
    desk.ask(order("Draft two", due_in=timedelta(minutes=2)))
    page = console.open(f"{at(desk, first)}?search=Draft")
    page.keyboard.press("e")
    type_into(page, "Supplier", "Acme")
    page.get_by_role("button", name="Remove row 2").click()
    page.get_by_role("button", name="Remove row 1").focus()

    page.keyboard.press("j")
    expect(title_of(page)).to_have_text("Draft two")
    page.keyboard.press("k")
    expect(title_of(page)).to_have_text("Draft one")
    page.reload()

    expect(page.get_by_label("Supplier", exact=False).first).to_have_value("Acme")
    expect(page.get_by_label("Item, row 2")).to_have_count(0)


def test_an_undone_decision_never_reaches_the_graph(desk: Any, console: Any) -> None:
    thread_id = desk.ask(order("Undo", undo_in=timedelta(seconds=30)))
    page = console.open(f"{at(desk, thread_id)}?search=Undo")

    page.keyboard.press("a")
    expect(page.locator("#toasts")).to_contain_text(re.compile(r"Undo z \d+ s"))
    assert desk.review_of(thread_id)["state"] == "scheduled"
    page.keyboard.press("z")
    expect(title_of(page)).to_have_text("Undo")

    assert desk.review_of(thread_id)["state"] == "open"
    assert desk.client.get(f"/threads/{thread_id}").json()["status"] == "interrupted"


def test_high_risk_takes_two_presses(desk: Any, console: Any) -> None:
    thread_id = desk.ask(order("Danger", risk="high"))
    page = console.open(f"{at(desk, thread_id)}?search=Danger")
    settled(page)

    page.keyboard.press("a")
    page.keyboard.press("a")  # bounces: no second thought in so short a time
    expect(page.get_by_role("button", name="High risk: press again")).to_be_visible()
    assert desk.review_of(thread_id)["state"] == "open"
    page.wait_for_timeout(400)
    page.keyboard.press("a")
    expect(title_of(page)).to_have_text("All done")

    assert desk.answers_of(thread_id)[0]["decisions"][0]["type"] == "approve"


def test_a_review_that_expires_while_it_is_open_says_so_and_refuses(
    desk: Any, console: Any
) -> None:
    thread_id = desk.ask(
        order("Late", due_in=None, expires_in=timedelta(seconds=3), on_expiry="reject")
    )
    page = console.open(at(desk, thread_id))
    page.get_by_label("Comment", exact=True).fill("one moment")

    expect(page.locator("#news")).to_contain_text("This has expired")
    page.get_by_role("button", name="Approve").click()

    expect(page.locator("#trouble")).to_contain_text("Not done.")
    expect(page.locator("article")).to_contain_text("one moment")
    assert desk.answers_of(thread_id)[0]["decisions"][0]["type"] == "expired"


def test_a_changed_proposal_is_refused_and_shows_what_changed(
    desk: Any, console: Any, desk_server: Any
) -> None:
    thread_id = desk.ask(order("Changed"))
    page = console.open(at(desk, thread_id))
    page.route("**/console/reviews/queue*", lambda route: route.fulfill(status=204))
    page.get_by_label("Comment", exact=True).fill("fine")
    # The agent proposes anew under the same question; the row changes as its engine changes it.
    with psycopg.connect(desk_server.database_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE holdfast.gates SET version = version + 1, fingerprint = 'another',"
            " review = jsonb_set(review::jsonb, '{actions,0,args,amount}', '910000')::json"
            " WHERE thread_id = %s",
            (thread_id,),
        )

    page.get_by_role("button", name="Approve").click()

    expect(page.locator("#trouble")).to_contain_text("The proposal changed since you read it")
    expect(page.locator("#trouble")).to_contain_text("9,100.00")
    expect(page.get_by_label("Comment", exact=True)).to_have_value("fine")


def test_single_keys_can_be_switched_off(desk: Any, console: Any) -> None:
    thread_id = desk.ask(order("Off"))
    page = console.open(at(desk, thread_id))
    page.keyboard.press("?")
    page.get_by_label("Single keys are on").uncheck()
    page.get_by_role("button", name="Close").click()
    page.reload()

    page.keyboard.press("a")
    page.keyboard.press("j")
    page.wait_for_timeout(300)

    expect(title_of(page)).to_have_text("Off")
    assert desk.review_of(thread_id)["state"] == "open"


def test_several_actions_are_decided_apart(desk: Any, console: Any) -> None:
    asked = {
        "action_requests": [
            {"name": "send_mail", "args": {"to": "ben@example.org"}},
            {"name": "pay", "args": {"amount": 12}},
        ],
        "review_configs": [
            {"action_name": "send_mail", "allowed_decisions": ["approve", "reject"]},
            {"action_name": "pay", "allowed_decisions": ["approve", "edit", "reject"]},
        ],
    }
    thread_id = desk.ask(asked)
    page = console.open(at(desk, thread_id))

    page.get_by_role("radio", name="approve").nth(0).check()
    page.get_by_role("radio", name="reject").nth(1).check()
    page.locator("#m1").fill("too much")
    page.get_by_role("button", name="Decide each").click()
    expect(page.locator("#toasts")).to_contain_text("Decided")

    (answer,) = desk.answers_of(thread_id)
    assert [one["type"] for one in answer["decisions"]] == ["approve", "reject"]
    assert answer["decisions"][1]["message"] == "too much"


def test_alike_reviews_are_decided_together_but_never_high_risk_ones(
    desk: Any, console: Any
) -> None:
    alike = [desk.ask(order("Bulk", args={**ORDER, "amount": 100_000 + n})) for n in range(3)]
    risky = desk.ask(order("Bulk", risk="high"))
    desk.ask(order("Other"))  # of the same shape, but not in this queue
    page = console.open("/console/reviews?search=Bulk")
    expect(page.locator("#lines .fold summary")).to_have_text("2 more like it")

    page.get_by_role("link", name=re.compile("decide together")).click()
    page.get_by_role("checkbox", name="Bulk").first.wait_for()
    expect(page.get_by_role("heading", level=1)).to_have_text("Decide 3 of one kind together")
    for box in page.get_by_role("checkbox", name="Bulk").all():
        box.check()
    page.get_by_role("button", name="Approve the ticked").click()

    expect(page.locator("#toasts")).to_contain_text("Approved")
    for thread_id in alike:
        assert desk.answers_of(thread_id)[0]["decisions"][0]["type"] == "approve"
    assert desk.review_of(risky)["state"] == "open"


def test_a_claim_a_comment_and_a_delegation_are_seen_by_colleagues(desk: Any, console: Any) -> None:
    thread_id = desk.ask(order("Around"))
    page = console.open(at(desk, thread_id))

    page.get_by_role("button", name="Claim").click()
    expect(page.locator("article")).to_contain_text("you are at it")
    colleague = console.open(f"{at(desk, thread_id)}?search=Around", person="ben")
    expect(colleague.locator("#lines")).to_contain_text("ana is at it")
    expect(colleague.locator("article")).to_contain_text("Not for you to decide")
    page.get_by_label("internal").check()
    page.get_by_label("Comment", exact=True).fill("ask finance first")
    page.get_by_role("button", name="Comment only").click()
    expect(page.locator(".comments")).to_contain_text("ask finance first")
    page.get_by_role("button", name="Give back").click()
    expect(page.locator("#toasts")).to_contain_text("Given back")
    page.get_by_text("Delegate", exact=True).click()
    page.get_by_label("To", exact=True).fill("carla")
    page.get_by_role("button", name="Hand over").click()

    expect(page.locator("article")).to_contain_text("asked of carla")
    expect(page.locator("article")).to_contain_text("Not for you to decide")


def test_a_vote_of_two_waits_for_the_second_person(desk: Any, console: Any) -> None:
    thread_id = desk.ask(order("Quorum", quorum=2))
    ana = console.open(at(desk, thread_id))
    ana.keyboard.press("a")
    expect(ana.locator("#toasts")).to_contain_text("Vote counted")
    assert desk.review_of(thread_id)["state"] == "open"

    ben = console.open(at(desk, thread_id), person="ben")
    expect(ben.locator("article")).to_contain_text("1 of 2 votes")
    settled(ben)
    ben.keyboard.press("a")

    assert desk.answers_of(thread_id)[0]["decisions"][0]["type"] == "approve"


def test_a_thread_that_keeps_a_bad_answer_is_repaired_from_the_health_screen(
    desk: Any, console: Any
) -> None:
    thread_id = desk.ask(order("Poison"), wants_numbers=True)
    page = console.open(at(desk, thread_id))
    page.get_by_role("button", name="Approve").click()
    expect(page.locator("#toasts")).to_contain_text("Approved")
    deadline = time.monotonic() + 30
    while desk.client.get(f"/threads/{thread_id}").json().get("error") is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)

    page.goto(f"{console.url}/console/health")
    page.get_by_role("button", name="Repair").first.click()

    expect(page.locator("#toasts")).to_contain_text("asked anew")
    while not desk.reviews_of(thread_id):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_everything_works_without_script(desk: Any, console: Any) -> None:
    thread_id = desk.ask(order("Plain", undo_in=timedelta(seconds=30)))
    page = console.open(at(desk, thread_id), java_script_enabled=False)

    page.get_by_text("Edit", exact=False).first.click()
    page.get_by_label("Supplier", exact=False).first.fill("Acme")
    page.get_by_role("button", name="Send the changes").click()
    expect(page.locator("#toasts")).to_contain_text("Changed and sent: Plain")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#toasts")).to_contain_text("Taken back")

    assert desk.review_of(thread_id)["state"] == "open"


def test_without_script_high_risk_asks_once_more_too(desk: Any, console: Any) -> None:
    thread_id = desk.ask(order("Plain danger", risk="high"))
    page = console.open(at(desk, thread_id), java_script_enabled=False)

    page.get_by_role("button", name="Approve").click()
    expect(page.locator("#trouble")).to_contain_text("High risk")
    assert desk.review_of(thread_id)["state"] == "open"
    page.get_by_role("button", name="Approve").click()

    assert desk.answers_of(thread_id)[0]["decisions"][0]["type"] == "approve"


def test_without_script_a_changed_form_is_not_approved_unchanged(desk: Any, console: Any) -> None:
    thread_id = desk.ask(order("Plain change"))
    page = console.open(at(desk, thread_id), java_script_enabled=False)
    page.get_by_text("Edit", exact=False).first.click()
    page.get_by_label("Supplier", exact=False).first.fill("Acme")

    page.get_by_role("button", name="Approve").click()

    expect(page.locator("#trouble")).to_contain_text("send the changes")
    assert desk.review_of(thread_id)["state"] == "open"


def test_nothing_is_wider_than_a_phone(desk: Any, console: Any) -> None:
    thread_id = desk.ask(order("Phone"))
    page = console.open(at(desk, thread_id), viewport={"width": 375, "height": 720}, has_touch=True)
    page.get_by_text("Edit", exact=False).first.click()

    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert page.get_by_role("button", name="Reject").bounding_box()["height"] >= 44


@pytest.mark.parametrize("size", [(1440, 900), (1024, 640), (375, 720)])
def test_the_focus_is_never_hidden_behind_the_buttons(
    desk: Any, console: Any, size: tuple[int, int]
) -> None:
    thread_id = desk.ask(order("Focus"))
    page = console.open(at(desk, thread_id), viewport={"width": size[0], "height": size[1]})
    page.keyboard.press("e")
    hidden = []

    for key in ["Tab"] * 40 + ["Shift+Tab"] * 40:
        page.keyboard.press(key)
        found = page.evaluate(COVERED)
        if found:
            hidden.append(found)

    assert hidden == []
