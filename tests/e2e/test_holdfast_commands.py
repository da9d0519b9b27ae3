import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SAMPLES = PROJECT / "graphs" / "samples"
DEADLINE_SECONDS = 90

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def holdfast(start_server: Callable[..., Any]) -> Run:
    """Return the command line, talking to a server of the test's own."""
    server = start_server(HOLDFAST_UNDO_SECONDS="0")
    return lambda *arguments: _run(server.url, *arguments)


def test_a_document_is_followed_to_its_review_approved_and_ends_as_an_order(holdfast: Run) -> None:
    submitted = json.loads(
        holdfast("submit", "--json", str(SAMPLES / "acme-office-supplies.xml")).stdout
    )
    review = submitted["reviews"][0]

    shown = holdfast("reviews", "show", review).stdout
    approved = holdfast("reviews", "approve", review, "--json")
    finished = _ended(holdfast, submitted["thread_id"])

    assert submitted["status"] == "waiting"
    assert "5,347.06 EUR" in shown
    assert json.loads(approved.stdout)["state"] == "decided"
    assert finished["state"]["values"]["stage"] == "COMMITTED"


def test_an_edited_amount_is_what_is_ordered(holdfast: Run) -> None:
    submitted = json.loads(
        holdfast("submit", "--json", str(SAMPLES / "acme-office-supplies.xml")).stdout
    )

    edited = holdfast("reviews", "edit", submitted["reviews"][0], "--set", "amount=5000.00")
    finished = _ended(holdfast, submitted["thread_id"])

    assert edited.returncode == 0, edited.stderr
    assert finished["state"]["values"]["order"]["amount"] == 500_000


def test_a_rejected_order_ends_rejected(holdfast: Run) -> None:
    submitted = json.loads(
        holdfast("submit", "--json", str(SAMPLES / "acme-office-supplies.xml")).stdout
    )

    holdfast("reviews", "reject", submitted["reviews"][0], "--reason", "wrong supplier")
    finished = _ended(holdfast, submitted["thread_id"])

    assert finished["state"]["values"]["stage"] == "REJECTED"


def test_many_documents_are_submitted_at_once_and_a_bad_one_is_named(
    holdfast: Run, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.xml"
    empty.touch()

    ended = holdfast("submit", "--json", *map(str, sorted(SAMPLES.iterdir())), str(empty))
    outcomes = [json.loads(line) for line in ended.stdout.splitlines()]

    assert ended.returncode == 1
    assert [one["status"] for one in outcomes] == ["waiting", "waiting", "waiting", "failed"]
    assert "empty" in outcomes[3]["error"]


def test_threads_are_listed_with_their_stage(holdfast: Run) -> None:
    holdfast("submit", str(SAMPLES / "acme-office-supplies.xml"))

    listed = holdfast("threads", "list").stdout

    assert "RESERVED" in listed
    assert "interrupted" in listed


def test_a_document_that_no_graph_takes_leaves_no_thread_behind(holdfast: Run) -> None:
    refused = holdfast("submit", "--graph", "nosuch", str(SAMPLES / "acme-office-supplies.xml"))

    assert refused.returncode == 1
    assert holdfast("threads", "list").stdout.strip() == "no threads yet"


def test_no_server_is_one_sentence_and_exit_code_2() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "api", "reviews", "list", "--url", "http://127.0.0.1:1"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )

    assert ended.returncode == 2
    assert "no server answers" in ended.stderr
    assert ended.stderr.count("\n") == 1


def _ended(holdfast: Run, thread_id: str) -> dict[str, Any]:
    """Return the thread once nothing of it is left to do."""
    for _ in range(100):  # each call asks the server again; a decision is carried out in a moment
        shown: dict[str, Any] = json.loads(holdfast("threads", "show", thread_id, "--json").stdout)
        if shown["thread"]["status"] in ("idle", "error"):
            return shown
    pytest.fail(f"thread {thread_id} did not end: {shown['thread']['status']}")


def test_a_choice_is_edited_by_the_word_that_is_shown(holdfast: Run) -> None:
    submitted = json.loads(
        holdfast("submit", "--json", str(SAMPLES / "acme-office-supplies.xml")).stdout
    )
    review = submitted["reviews"][0]

    refused = holdfast("reviews", "edit", review, "--set", "department=nowhere")
    holdfast("reviews", "edit", review, "--set", "department=operations")
    finished = _ended(holdfast, submitted["thread_id"])

    assert refused.returncode == 2
    assert "must be one of it, marketing, office, operations" in refused.stderr
    assert finished["state"]["values"]["order"]["department"] == "operations"


def test_what_is_to_be_typed_next_names_a_server_that_is_not_at_the_usual_port(
    holdfast: Run,
) -> None:
    submitted = holdfast("submit", str(SAMPLES / "acme-office-supplies.xml")).stdout
    review = submitted.partition("reviews show ")[2].split()[0]

    shown = holdfast("reviews", "show", review).stdout

    assert f"reviews show {review} --url http://127.0.0.1:" in submitted
    assert f'reviews reject {review} --reason "WHY" --url http://127.0.0.1:' in shown


def test_the_commands_look_where_a_port_in_the_environment_puts_the_server() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "HOLDFAST_URL"}

    ended = subprocess.run(
        [sys.executable, "-m", "api", "reviews", "list"],
        cwd=PROJECT,
        env={**environment, "HOLDFAST_PORT": "1"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )

    assert ended.returncode == 2
    assert "http://127.0.0.1:1;" in ended.stderr


def test_a_command_signs_in_with_the_token_of_its_environment(
    start_server: Callable[..., Any], tmp_path: Path
) -> None:
    graphs = PROJECT / "tests" / "graphs"
    config = tmp_path / "langgraph.json"
    config.write_text(
        json.dumps(
            {
                "graphs": {"echo": f"{graphs}/echo.py:graph"},
                "auth": {"path": f"{graphs}/auth.py:auth"},
            }
        )
    )
    url = start_server(config=config).url

    refused = [_run(url, what, "list", HOLDFAST_TOKEN="") for what in ("threads", "reviews")]
    heard = [_run(url, what, "list", HOLDFAST_TOKEN="ada") for what in ("threads", "reviews")]

    assert [(run.returncode, "say who you are" in run.stderr) for run in refused] == [(1, True)] * 2
    assert [run.returncode for run in heard] == [0, 0], heard


def _run(url: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api", *arguments],
        cwd=PROJECT,
        env={**os.environ, "HOLDFAST_URL": url, **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
