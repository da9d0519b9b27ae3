"""LangGraph's own development server on the same graph, from its own environment."""

import base64
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from tests.desk import mail

PROJECT = Path(__file__).resolve().parents[2]
LANGGRAPH = PROJECT / ".venv-studio" / "bin" / "langgraph"
START_DEADLINE_SECONDS = 120.0
STOP_DEADLINE_SECONDS = 20.0


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of `langgraph dev`, as `make studio` starts it."""
    if not LANGGRAPH.exists():
        pytest.skip("the environment of `make studio` is not there; make it with `make studio-env`")
    log = tmp_path_factory.mktemp("studio") / "studio.log"
    port = _free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [LANGGRAPH, "dev", "--no-browser", "--no-reload", "--port", str(port)],
            cwd=PROJECT,
            env=_environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(f"http://127.0.0.1:{port}", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
async def client(studio: str) -> AsyncIterator[LangGraphClient]:
    async with get_client(url=studio, api_key=None) as opened:
        yield opened


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOLDFAST_", "LANGSMITH_", "LANGCHAIN_", "OPENAI_"))
    }
    return {**kept, "LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGSMITH_TRACING": "false"}


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/ok", timeout=2.0).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(f"langgraph dev did not start:\n{log.read_text()[-4000:]}")


def document(number: str) -> dict[str, Any]:
    content = base64.b64encode(mail(number=number).encode()).decode()
    return {"document": {"filename": "mail.txt", "content_base64": content}}


async def test_a_document_runs_to_the_question_and_on_after_the_answer(
    client: LangGraphClient,
) -> None:
    thread = await client.threads.create()

    await client.runs.wait(thread["thread_id"], "purchase_order", input=document("S-1"))
    waiting = await client.threads.get_state(thread["thread_id"])
    (question,) = waiting["interrupts"]
    await client.runs.wait(
        thread["thread_id"],
        "purchase_order",
        command={"resume": {question["id"]: {"decisions": [{"type": "approve"}]}}},
    )
    end = await client.threads.get_state(thread["thread_id"])

    assert waiting["next"] == ["await_review"]
    assert question["value"]["review"]["title"] == "Purchase order · Acme AS · 125.00 EUR"
    assert end["values"]["stage"] == "COMMITTED"


async def test_studio_can_draw_the_graph_and_its_form(client: LangGraphClient) -> None:
    (assistant,) = await client.assistants.search(graph_id="purchase_order")

    graph = await client.assistants.get_graph(assistant["assistant_id"])
    schemas = await client.assistants.get_schemas(assistant["assistant_id"])

    assert {"read_document", "await_review", "commit_to_erp"} <= {
        str(node["id"]) for node in graph["nodes"]
    }
    assert "document" in schemas["input_schema"]["properties"]
    assert "stage" in schemas["state_schema"]["properties"]
