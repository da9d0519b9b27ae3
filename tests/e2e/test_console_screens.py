"""Every screen of the console: it opens, does what its buttons say, and is accessible to all."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "light", "viewport": {"width": 375, "height": 720}},
}
INVOICES = Path(__file__).resolve().parents[2] / "graphs" / "samples"


@pytest.fixture(scope="module")
def shop_server(start_server: Callable[..., Any]) -> Any:
    """Return a server with the project's own graph, whose sample documents wait for review."""
    server = start_server(HOLDFAST_SAMPLES="true")
    deadline = time.monotonic() + 30
    with httpx.Client(base_url=server.url) as client:
        while len(client.get("/reviews").json()["reviews"]) < len(list(INVOICES.iterdir())):
            assert time.monotonic() < deadline, "the samples do not come to their reviews"
            time.sleep(0.1)
    return server


@pytest.fixture
def shop(shop_server: Any, chromium: Any, open_console: Callable[..., Any]) -> Iterator[Any]:
    """Return the console of that server."""
    yield from open_console(shop_server.url, chromium)


@pytest.fixture(scope="module")
def paths(shop_server: Any) -> dict[str, str]:
    """Return an address of every screen."""
    with httpx.Client(base_url=shop_server.url) as client:
        review = client.get("/reviews").json()["reviews"][0]
        thread_id = review["thread_id"]
        history = client.post(f"/threads/{thread_id}/history", json={"limit": 3}).json()
    with httpx.Client(base_url=shop_server.url, headers={"Accept": "text/html"}) as client:
        found = re.search(r"/console/reviews/alike/\w+", client.get("/console/reviews").text)
    return {
        "review": f"/console/reviews/{review['id']}",
        "alike": found[0] if found else "/console/reviews/alike/none",
        "runs": "/console/runs",
        "threads": "/console/threads",
        "thread": f"/console/threads/{thread_id}",
        "step": f"/console/threads/{thread_id}/steps/{history[1]['checkpoint_id']}",
        "graph": "/console/graphs/purchase_order",
        "node": f"/console/graphs/purchase_order/nodes/read_document?thread={thread_id}",
        "storage": "/console/storage?largest=1",
        "audit": "/console/audit?check=1",
        "health": "/console/health",
        "person": "/console/person",
        "refused": "/console/threads/no-such-thread",
    }


@pytest.mark.parametrize("look", LOOKS)
def test_no_screen_violates_wcag(shop: Any, paths: dict[str, str], axe: str, look: str) -> None:
    page = shop.open("/console/reviews", **LOOKS[look])
    violations = {}

    for name, path in paths.items():
        page.goto(f"{shop.url}{path}")
        if name == "review":
            page.keyboard.press("e")
        page.wait_for_timeout(150)
        page.evaluate(axe)
        found = page.evaluate(
            "tags => axe.run(document, { runOnly: { type: 'tag', values: tags } })", TAGS
        )
        if found["violations"]:
            violations[name] = [
                (one["id"], [node["html"][:160] for node in one["nodes"][:3]])
                for one in found["violations"]
            ]

    assert violations == {}


@pytest.mark.parametrize("look", LOOKS)
def test_no_screen_is_wider_than_its_window(shop: Any, paths: dict[str, str], look: str) -> None:
    page = shop.open("/console/reviews", **LOOKS[look])
    wide = {}

    for name, path in paths.items():
        page.goto(f"{shop.url}{path}")
        width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        if width[0] > width[1]:
            wide[name] = width

    assert wide == {}


def test_the_gates_of_the_purchase_order_have_typed_forms(shop: Any, paths: dict[str, str]) -> None:
    page = shop.open(paths["review"])

    page.keyboard.press("e")

    expect(page.get_by_label(re.compile(r"Amount \(\w{3}\)"))).to_have_attribute("type", "number")
    expect(page.locator("article")).to_contain_text("Why you are asked")
    expect(page.get_by_role("group", name="Lines")).to_be_visible()


def test_the_graph_is_drawn_with_the_waiting_node_marked_in_words(
    shop: Any, paths: dict[str, str]
) -> None:
    page = shop.open(paths["graph"])

    expect(page.locator("[data-node=await_review]")).to_contain_text("waiting")
    expect(page.locator("[data-node]")).not_to_have_count(0)


def test_a_thread_is_replayed_as_a_new_one_with_changed_state(
    shop: Any, paths: dict[str, str]
) -> None:
    page = shop.open(paths["step"])
    expect(page.locator("main")).to_contain_text("reserve_budget")

    page.get_by_text("Change the state as JSON").click()
    page.get_by_label("Fields to change").fill('{"summary": "seen again"}')
    page.get_by_role("button", name="Run", exact=True).click()

    expect(page.locator("#toasts")).to_contain_text("as a new thread, with changed summary")
    assert page.url.rpartition("/")[2] != paths["thread"].rpartition("/")[2]
    thread_id = page.url.rpartition("/")[2]
    with httpx.Client(base_url=shop.url) as client:
        deadline = time.monotonic() + 20
        while client.get(f"/threads/{thread_id}").json()["status"] == "busy":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        original = client.get(f"/threads/{paths['thread'].rpartition('/')[2]}").json()
    assert original["status"] == "interrupted"


def test_a_state_that_is_no_json_comes_back_as_typed(shop: Any, paths: dict[str, str]) -> None:
    page = shop.open(paths["step"])

    page.get_by_text("Change the state as JSON").click()
    page.get_by_label("Fields to change").fill("{no json")
    page.get_by_role("button", name="Run", exact=True).click()

    expect(page.locator("[role=alert]")).to_contain_text("JSON")
    expect(page.get_by_label("Fields to change")).to_have_value("{no json")


def test_a_dry_run_says_what_would_go_and_why_the_rest_stays(shop: Any) -> None:
    page = shop.open("/console/storage")

    page.get_by_label("Keep the newest").fill("1")
    page.get_by_role("button", name="Dry run").click()

    expect(page.locator("main")).to_contain_text("A sweep that keeps 1 would remove")
    expect(page.locator("main")).to_contain_text("Why the rest stays")
    expect(page.locator("main")).to_contain_text("window")


def test_the_audit_log_is_checked_and_exported(shop: Any) -> None:
    page = shop.open("/console/audit")

    page.get_by_role("link", name="Check the chain").click()

    expect(page.locator("main")).to_contain_text("The chain is whole")
    with httpx.Client(base_url=shop.url) as client:
        lines = client.get("/console/audit/export.json").text.splitlines()
        table = client.get("/console/audit/export.csv").text.splitlines()
    assert json.loads(lines[0])["action"]
    assert len(table) == len(lines) + 1


def test_the_audit_log_is_searched_by_person_and_time(shop: Any) -> None:
    page = shop.open("/console/audit")

    page.get_by_label("Who", exact=True).fill("agent")
    page.get_by_label("Before (UTC)").fill("2000-01-01T00:00")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody")).to_contain_text("No entry fits")
    page.get_by_label("Before (UTC)").fill("2999-01-01T00:00")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name="Check the chain").click()

    found = page.locator("tbody tr").count()
    expect(page.locator("[role=status].good")).to_contain_text(f"the {found} of this filter")
    exported = page.get_by_role("link", name="JSON").get_attribute("href")
    lines = httpx.get(f"{shop.url}{exported}").text.splitlines()
    assert {json.loads(line)["actor"] for line in lines} == {"agent"}
    assert len(lines) == found


def test_health_says_the_same_to_people_and_to_probes(shop: Any) -> None:
    page = shop.open("/console/health")

    report = httpx.get(f"{shop.url}/healthz").json()

    assert report["ok"]
    expect(page.locator("main")).to_contain_text("Nothing needs an operator")
    expect(page.locator("main")).to_contain_text(report["versions"]["langgraph"])


def test_a_stand_in_is_named_and_seen(shop: Any) -> None:
    page = shop.open("/console/person", person="dora")

    page.get_by_label("Who decides for you").fill("ben")
    page.get_by_label("Until (UTC)").fill("2099-01-01T08:00")
    page.get_by_role("button", name="Set", exact=True).click()

    expect(page.locator("main")).to_contain_text("ben decides for you until 2099-01-01")
    page.goto(f"{shop.url}/console/reviews")
    expect(page.locator("#queue")).to_contain_text("You are away")


def test_a_browser_that_opens_the_root_finds_the_console(shop: Any) -> None:
    page = shop.open("/")

    expect(page).to_have_url(re.compile("/console/reviews"))
