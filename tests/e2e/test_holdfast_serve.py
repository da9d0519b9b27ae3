import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

PROJECT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 60


def serve(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api", "serve", *arguments],
        cwd=PROJECT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


def test_a_port_in_use_ends_the_start_with_one_sentence_and_exit_code_2() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        ended = serve("--port", str(port))

    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert str(port) in ended.stderr
    assert "--port" in ended.stderr


def test_an_unreachable_database_ends_the_start_with_one_sentence_and_exit_code_2() -> None:
    ended = serve("--port", "0", HOLDFAST_DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")

    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "cannot be reached" in ended.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOLDFAST_PORT", "many"),
        ("HOLDFAST_CONCURRENCY", "0"),
        ("HOLDFAST_DATABASE_URL", "not a url"),
        ("HOLDFAST_CONFIG", "nowhere.json"),
    ],
)
def test_a_wrong_setting_ends_the_start_and_is_named(name: str, value: str) -> None:
    ended = serve(**{name: value})

    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert name in ended.stderr or value in ended.stderr


def test_listening_beyond_this_machine_without_authentication_is_refused() -> None:
    ended = serve("--host", "0.0.0.0", "--port", "0")

    assert ended.returncode == 2
    assert "auth" in ended.stderr


def test_a_terminated_server_stops_in_order_and_carries_on_with_the_same_threads(
    start_server: Callable[..., Any],
) -> None:
    server = start_server()
    made = httpx.post(f"{server.url}/threads", json={}).json()["thread_id"]

    code = server.stop()
    server.start()

    assert code == 0
    assert httpx.get(f"{server.url}/threads/{made}").is_success


def test_a_first_start_submits_the_samples_once(start_server: Callable[..., Any]) -> None:
    server = start_server(HOLDFAST_SAMPLES="true")
    first = _until(server, "next, in another terminal:")
    server.stop()
    server.log.write_text("")
    server.start()

    second = _until(server, "next, in another terminal:")

    assert "3 sample documents were submitted" in first
    assert "sample documents" not in second
    assert httpx.post(f"{server.url}/threads/count", json={}).json() == 3


def test_the_embedded_postgres_is_stopped_with_the_server(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    process = subprocess.Popen(
        [sys.executable, "-m", "api", "serve", "--port", "0"],
        cwd=PROJECT,
        env={
            **{
                name: value for name, value in os.environ.items() if name != "HOLDFAST_DATABASE_URL"
            },
            "HOLDFAST_DATA_DIR": str(data),
            "HOLDFAST_SAMPLES": "false",
            "PYTHONUNBUFFERED": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "Holdfast serves" in line:
            break
    socket_folder = (data / "postmaster.pid").read_text().splitlines()[4]

    process.send_signal(signal.SIGINT)
    code = process.wait(DEADLINE_SECONDS)
    process.stdout.close()

    assert code == 0
    assert not (data / "postmaster.pid").exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host=socket_folder, user="postgres", connect_timeout=2)


def _until(server: Any, words: str) -> str:
    """Return the server's output once it says `words`; the log is written by another process."""
    with subprocess.Popen(
        ["tail", "-n", "+1", "-f", str(server.log)], stdout=subprocess.PIPE, text=True
    ) as tail:
        assert tail.stdout is not None
        said = ""
        for line in tail.stdout:
            said += line
            if words in line:
                break
        tail.kill()
    return said


def test_openapi_describes_every_route(server: Any) -> None:
    document = httpx.get(f"{server.url}/openapi.json").json()

    assert "/threads/{thread_id}/runs/stream" in document["paths"]
    assert json.dumps(document)


def test_the_page_about_the_api_names_every_route_and_loads_nothing_from_elsewhere(
    server: Any,
) -> None:
    document = httpx.get(f"{server.url}/openapi.json").json()

    page = httpx.get(f"{server.url}/docs").text

    assert all(path in page for path in document["paths"])
    assert 'src="http' not in page
    assert 'href="http' not in page
    assert "<script" not in page


def test_a_browser_is_sent_to_the_console_and_a_program_hears_that_all_is_well(
    server: Any,
) -> None:
    browser = httpx.get(server.url, headers={"Accept": "text/html"})
    program = httpx.get(server.url)

    assert browser.headers["location"] == "/console/reviews"
    assert program.json() == {"ok": True}
