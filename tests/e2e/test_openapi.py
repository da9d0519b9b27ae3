"""The server behaves as its OpenAPI document says: no server error, no undocumented status."""

import os
import subprocess
import sysconfig
from pathlib import Path

import httpx
import pytest
from jsonschema import Draft202012Validator

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
# What was seen is named in the body or in `If-Match`: no schema of a body can say that.
NAMED_IN_A_HEADER = "/reviews/{review_id}/decision"
DEADLINE_SECONDS = 280
PROJECT = Path(__file__).parents[2]
GRAPHS = PROJECT / "tests" / "graphs" / "langgraph.json"


@pytest.fixture(scope="module")
def fuzzed_server(start_server):
    """Return a server of its own: what is sent to it leaves no stone where it was."""
    return start_server(config=GRAPHS)


@pytest.fixture
def schemathesis(fuzzed_server, tmp_path):
    """Return a runner of schemathesis against the server."""

    def run(*options: str, config: str = "") -> subprocess.CompletedProcess[str]:
        (tmp_path / "schemathesis.toml").write_text(config)
        return subprocess.run(
            [
                Path(sysconfig.get_path("scripts")) / "schemathesis",
                "run",
                f"{fuzzed_server.url}/openapi.json",
                f"--seed={SEED}",
                f"--exclude-path-regex={ENDLESS}",
                "--phases=fuzzing",
                "--request-timeout=60",
                "--generation-database=none",
                "--no-color",
                *options,
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    return run


def test_every_operation_answers_as_documented(schemathesis):
    done = schemathesis(f"--checks={CHECKS}", f"--max-examples={EXAMPLES}")

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-1000:]


def test_what_fits_the_document_is_taken(schemathesis):
    done = schemathesis(
        "--checks=positive_data_acceptance",
        "--mode=positive",
        f"--max-examples={max(int(EXAMPLES) // 2, 1)}",
        f"--exclude-path={NAMED_IN_A_HEADER}",
        config='hooks = "tests.e2e.openapi_rules"',
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


def test_every_operation_is_summed_up_in_its_own_words(document):
    summaries = [operation["summary"] for _, _, operation in operations(document)]

    assert [summary for summary in summaries if " " not in summary] == []
    assert sorted(summaries) == sorted(set(summaries))


def test_every_body_has_an_example(document):
    bodies = [
        (f"{method} {path}", operation["requestBody"]["content"]["application/json"]["schema"])
        for method, path, operation in operations(document)
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    ]

    assert [name for name, schema in bodies if not examples(document, schema)] == []


def examples(document: dict, schema: dict) -> list:
    """Return the examples of a schema, or of what it is made of."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    parts = [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())]
    return [
        *schema.get("examples", ()),
        *(found for part in parts for found in examples(document, part)),
    ]


def test_every_example_fits_its_body(document):
    unfit = [
        (name, error.message)
        for name, schema in document["components"]["schemas"].items()
        for example in schema.get("examples", ())
        for error in Draft202012Validator(
            {**schema, "components": document["components"]}
        ).iter_errors(example)
    ]

    assert unfit == []


def test_every_operation_that_takes_input_documents_how_it_refuses(document):
    silent = [
        f"{method} {path}"
        for method, path, operation in operations(document)
        if ("requestBody" in operation or operation.get("parameters"))
        and "422" not in operation["responses"]
    ]

    assert silent == []
