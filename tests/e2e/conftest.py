"""The installed server as a process of its own, on a free port and a database of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from typing import Any

import httpx
import pytest
from playwright.sync_api import sync_playwright

PROJECT = Path(__file__).resolve().parents[2]
START_DEADLINE_SECONDS = 60.0
STOP_DEADLINE_SECONDS = 40.0


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(kw_only=True)
class Server:
    """A running `holdfast serve`.

    Attributes:
        url: where it answers.
        database_url: its database.
        log: the file with everything it printed.
    """

    url: str
    database_url: str
    log: Path
    arguments: list[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        """Start the process and return once it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.arguments,
                cwd=PROJECT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_DEADLINE_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/ok", timeout=2.0).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        self.kill()
        pytest.fail(f"the server did not start:\n{self.log.read_text()[-4000:]}")

    def stop(self) -> int:
        """Ask the process to stop (SIGTERM) and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_DEADLINE_SECONDS)

    def kill(self) -> None:
        """SIGKILL: nothing is said, nothing is closed."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(STOP_DEADLINE_SECONDS)


@pytest.fixture(scope="session")
def start_server(
    create_database: Callable[..., str],
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Server]]:
    """Return a factory of servers: `start_server(config=Path, HOLDFAST_…="value")`."""
    servers: list[Server] = []

    def start(
        *,
        config: Path = PROJECT / "langgraph.json",
        database_url: str | None = None,
        **settings: str,
    ) -> Server:
        url = database_url or create_database(migrated_template)
        port = free_port()
        environment = {
            **os.environ,
            "HOLDFAST_DATABASE_URL": url,
            "HOLDFAST_SAMPLES": "false",
            "PYTHONUNBUFFERED": "1",
            **settings,
        }
        server = Server(
            url=f"http://127.0.0.1:{port}",
            database_url=url,
            log=tmp_path_factory.mktemp("server") / "server.log",
            arguments=[
                sys.executable,
                "-m",
                "api",
                "serve",
                "--port",
                str(port),
                "--config",
                str(config),
            ],
            environment=environment,
        )
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(scope="session")
def server(start_server: Callable[..., Server]) -> Server:
    """Return one server with the project's own graphs, shared by the tests of a session."""
    return start_server()


@pytest.fixture(scope="session")
def graph_server(start_server: Callable[..., Server]) -> Server:
    """Return one server with the small graphs of the tests, shared by the tests of a session."""
    return start_server(config=PROJECT / "tests" / "graphs" / "langgraph.json")


COUNTER = re.compile(r'^lg_api_http_requests_total\{method="(\w+)",path="([^"]+)",status="2\d\d"\}')


@pytest.fixture(scope="session")
def compatibility_record() -> Iterator[dict[str, Any] | None]:
    """Collect what each test had the server do, when `make compatibility` asks for it."""
    path = os.environ.get("HOLDFAST_COMPATIBILITY")
    record: dict[str, Any] | None = {"served": {}, "openapi": {}} if path else None
    yield record
    if path:
        Path(path).write_text(json.dumps(record))


@pytest.fixture(autouse=True)
def operations_served(
    request: pytest.FixtureRequest, compatibility_record: dict[str, Any] | None
) -> Iterator[None]:
    """Note the operations that the server answered during a test that passed."""
    if compatibility_record is None or "graph_server" not in request.fixturenames:
        yield
        return
    url = request.getfixturevalue("graph_server").url
    failures = request.session.testsfailed
    before = _served(url)
    yield
    after = _served(url)
    compatibility_record["openapi"] = httpx.get(f"{url}/openapi.json").json()
    if request.session.testsfailed == failures:
        compatibility_record["served"][request.node.nodeid] = [
            list(operation) for operation in after if after[operation] > before.get(operation, 0)
        ]


def _served(url: str) -> dict[tuple[str, str], float]:
    counts: dict[tuple[str, str], float] = {}
    for line in httpx.get(f"{url}/metrics").text.splitlines():
        found = COUNTER.match(line)
        if found and found[2] != "/metrics":  # our own asking
            key = (found[1], found[2])
            counts[key] = counts.get(key, 0) + float(line.rpartition(" ")[2])
    return counts


# The console in a real browser

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := which(name))), None)
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = PROJECT / "tests" / "e2e" / "js" / "node_modules" / "axe-core" / "axe.min.js"
# Where the page breaks its own Content-Security-Policy: the browser's own message does not say.
VIOLATIONS = """addEventListener("securitypolicyviolation", (event) => console.error(
    `${event.effectiveDirective} broken on ${location.pathname} by ${event.sourceFile}`
    + `:${event.lineNumber} ${event.sample}`
));"""
# What a refused decision prints is no fault of the page.
REFUSALS = re.compile(r"status of (400|404|409|410|412|422)")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shots", default=None, help="folder that console screenshots are written to")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Return a browser that lives as long as the module's tests."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@dataclass(kw_only=True)
class Console:
    """Opens pages of one server's console, and hears what goes wrong in them."""

    url: str
    browser: Any
    faults: list[str] = field(default_factory=list)
    contexts: list[Any] = field(default_factory=list)

    def open(self, path: str = "/console/reviews", *, person: str = "ana", **options: Any) -> Any:
        """Open a page as `person`; `options` are Playwright's for a context."""
        options = {"viewport": {"width": 1440, "height": 900}, **options}
        context = self.browser.new_context(**options)
        self.contexts.append(context)
        context.add_cookies([{"name": "holdfast_user", "value": person, "url": self.url}])
        context.add_init_script(VIOLATIONS)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("request", self._note_request)
        page.on("console", self._note_message)
        page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        page.goto(f"{self.url}{path}")
        page.wait_for_timeout(300)  # keys so soon after a review appeared are not taken
        return page

    def close(self) -> None:
        """Close every page."""
        for context in self.contexts:
            context.close()

    def _note_request(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.faults.append(f"request off the host: {request.url}")

    def _note_message(self, message: Any) -> None:
        if message.type == "error" and not REFUSALS.search(message.text):
            self.faults.append(f"console: {message.text}")


@dataclass(kw_only=True)
class Desk:
    """Lets the test graph `ask` ask, and reads what it heard."""

    client: httpx.Client

    def ask(self, *questions: Any, at_once: bool = False, **more: Any) -> str:
        """Start a thread that asks, and return its id once it waits."""
        thread_id = str(self.client.post("/threads", json={}).json()["thread_id"])
        asked = {"questions": list(questions), "at_once": at_once, **more}
        answer = self.client.post(
            f"/threads/{thread_id}/runs/wait", json={"assistant_id": "ask", "input": asked}
        )
        assert answer.is_success, answer.text
        return thread_id

    def review_of(self, thread_id: str) -> dict[str, Any]:
        """Return the thread's review that waits longest."""
        return dict(self.reviews_of(thread_id)[0])

    def reviews_of(self, thread_id: str) -> list[dict[str, Any]]:
        """Return the thread's reviews that wait."""
        found = self.client.get("/reviews", params={"thread_id": thread_id})
        return list(found.json()["reviews"])

    def answers_of(self, thread_id: str, *, wait_seconds: float = 20.0) -> list[Any]:
        """Return what the graph heard, once its thread rests."""
        deadline = time.monotonic() + wait_seconds
        while time.monotonic() < deadline:
            thread = self.client.get(f"/threads/{thread_id}").json()
            if thread["status"] == "idle":
                return list((thread["values"] or {}).get("answers", []))
            time.sleep(0.1)
        pytest.fail(f"thread {thread_id} does not come to rest: {thread['status']}")


@pytest.fixture(scope="module")
def desk_server(start_server: Callable[..., Server]) -> Server:
    """Return a server of the test graphs for one module of console tests."""
    # Without a window for undo, unless a question asks for one, nobody waits for it to be over.
    graphs = PROJECT / "tests" / "graphs" / "langgraph.json"
    return start_server(config=graphs, HOLDFAST_UNDO_SECONDS="0")


@pytest.fixture
def desk(desk_server: Server) -> Iterator[Desk]:
    """Return a client that makes reviews."""
    with httpx.Client(base_url=desk_server.url, timeout=30.0) as client:
        yield Desk(client=client)


@pytest.fixture
def open_console() -> Callable[[str, Any], Iterator[Console]]:
    """Return an opener of consoles; at the end nothing may have gone wrong in their pages."""

    def opened(url: str, browser: Any) -> Iterator[Console]:
        pages = Console(url=url, browser=browser)
        yield pages
        pages.close()
        assert pages.faults == []

    return opened


@pytest.fixture
def console(
    desk_server: Server, chromium: Any, open_console: Callable[[str, Any], Iterator[Console]]
) -> Iterator[Console]:
    """Return the console of the desk's server."""
    yield from open_console(desk_server.url, chromium)


@pytest.fixture(scope="session")
def axe() -> str:
    """Return the text of axe-core, which looks for what keeps people out."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: run make node-env")
    return AXE.read_text()
