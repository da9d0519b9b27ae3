"""Pictures of every screen in light, dark and phone, for people to look at: `--shots FOLDER`."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.reviewing import link_to

pytestmark = pytest.mark.browser

LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}
WHOLE = frozenset(
    {"runs", "threads", "thread", "graph", "node", "storage", "audit", "health", "person", "step"}
    | {"link", "link-decided"}
)


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest) -> Path:
    """Return where pictures go; without one nothing is taken."""
    given = request.config.getoption("--shots", default=None)
    if not given:
        pytest.skip("no --shots FOLDER was given")
    made = Path(given)
    made.mkdir(parents=True, exist_ok=True)
    return made


@pytest.fixture(scope="module")
def shop_server(folder: Path, start_server: Callable[..., Any]) -> Any:
    """Return a server where something has happened: one order is approved, sweeps were made."""
    server = start_server(HOLDFAST_SAMPLES="true", HOLDFAST_UNDO_SECONDS="0")
    url = server.url
    with httpx.Client(base_url=url) as client:
        deadline = time.monotonic() + 30
        while len(client.get("/reviews").json()["reviews"]) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        first = client.get("/reviews").json()["reviews"][-1]
        client.post(
            f"/reviews/{first['id']}/decision",
            json={"decisions": [{"type": "approve"}], "fingerprint": first["fingerprint"]},
            headers={"X-Holdfast-User": "ben"},
        )
        for keep in ("4", "3"):
            client.post("/console/storage/sweep", data={"keep": keep})
            time.sleep(1)
    return server


@pytest.fixture
def shop(shop_server: Any, chromium: Any, open_console: Callable[..., Any]) -> Iterator[Any]:
    """Return the console of that server."""
    yield from open_console(shop_server.url, chromium)


@pytest.mark.parametrize("look", LOOKS)
def test_every_screen_is_pictured(shop: Any, shop_server: Any, folder: Path, look: str) -> None:
    page = shop.open("/console/reviews", **LOOKS[look])
    review_path = page.locator("#lines a").first.get_attribute("href")
    thread_path = page.locator("article .quiet a").first.get_attribute("href")
    link = link_to(shop_server.database_url, thread_path.rpartition("/")[2])
    with httpx.Client(base_url=shop.url) as client:
        history = client.post(f"{thread_path.replace('/console', '')}/history", json={"limit": 3})
        done = client.get("/reviews", params={"state": "decided"}).json()["reviews"][0]
    alike = re.search(r"/console/reviews/alike/\w+", page.content())

    def shoot(name: str) -> None:
        page.wait_for_timeout(400)
        page.screenshot(
            path=folder / f"{name}-{look}.png", full_page=name in WHOLE, caret="initial"
        )

    shoot("queue")
    page.goto(f"{shop.url}{review_path}")
    shoot("review")
    page.keyboard.press("e")
    shoot("edit")
    page.get_by_label(re.compile("Amount")).first.fill("100")
    shoot("changes")
    paths = {
        "decided": f"/console/reviews/{done['id']}",
        "alike": alike[0] if alike else review_path,
        "runs": "/console/runs",
        "threads": "/console/threads",
        "thread": f"/console/threads/{done['thread_id']}",
        "step": f"{thread_path}/steps/{history.json()[1]['checkpoint_id']}",
        "graph": "/console/graphs",
        "node": f"/console/graphs/purchase_order/nodes/commit_to_erp?thread={done['thread_id']}",
        "storage": "/console/storage?largest=1",
        "audit": "/console/audit?check=1",
        "health": "/console/health",
        "person": "/console/person",
        "link": link,
        "link-decided": link_to(shop_server.database_url, done["thread_id"]),
        "refused": "/console/threads/00000000-0000-4000-8000-000000000000",
    }
    for name, path in paths.items():
        page.goto(f"{shop.url}{path}")
        shoot(name)
    if look != "phone":  # which has no keys
        page.goto(f"{shop.url}/console/reviews")
        page.get_by_role("button", name="Keys").click()
        shoot("keys")

    assert len(list(folder.glob(f"*-{look}.png"))) >= len(paths) + 4
