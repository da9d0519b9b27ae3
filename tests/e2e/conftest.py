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
from typing import Any

import httpx
import pytest

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
