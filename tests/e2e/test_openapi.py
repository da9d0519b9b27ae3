"""The server behaves as its OpenAPI document says: no server error, no undocumented status."""

import os
import subprocess
import sysconfig
from pathlib import Path

import httpx
import pytest

# `HOLDFAST_OPENAPI_EXAMPLES=200` for the long form.
EXAMPLES = os.environ.get("HOLDFAST_OPENAPI_EXAMPLES", "6")
SEED = "1"
# They stay open until the client leaves, which this client does not.
ENDLESS = r"(/stream|/stream/events|/events)$"
CHECKS = ",".join(
    (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "response_headers_conformance",
        "negative_data_rejection",
        "missing_required_header",
        "unsupported_method",
        "allow_header_conformance",
        "use_after_free",
        "ensure_resource_availability",
    )
)
DEADLINE_SECONDS = 280
GRAPHS = Path(__file__).parents[1] / "graphs" / "langgraph.json"


@pytest.fixture(scope="module")
def fuzzed_server(start_server):
    """Return a server of its own: what is sent to it leaves no stone where it was."""
    return start_server(config=GRAPHS)


def test_every_operation_answers_as_documented(fuzzed_server, tmp_path):
    schemathesis = Path(sysconfig.get_path("scripts")) / "schemathesis"

    done = subprocess.run(
        [
            schemathesis,
            "run",
            f"{fuzzed_server.url}/openapi.json",
            f"--checks={CHECKS}",
            f"--max-examples={EXAMPLES}",
            f"--seed={SEED}",
            f"--exclude-path-regex={ENDLESS}",
            "--phases=fuzzing",
            "--request-timeout=60",
            "--generation-database=none",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-1000:]


@pytest.fixture(scope="session")
def document(graph_server) -> dict:
    return httpx.get(f"{graph_server.url}/openapi.json").json()


def operations(document: dict) -> list[tuple[str, str, dict]]:
    return [
        (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in ("get", "post", "put", "patch", "delete")
    ]


def test_every_operation_is_described(document):
    bare = [
        f"{method} {path}"
        for method, path, operation in operations(document)
        if not operation.get("description") or not operation.get("tags")
    ]

    assert bare == []


def test_every_operation_that_takes_input_documents_how_it_refuses(document):
    silent = [
        f"{method} {path}"
        for method, path, operation in operations(document)
        if ("requestBody" in operation or operation.get("parameters"))
        and "422" not in operation["responses"]
    ]

    assert silent == []
