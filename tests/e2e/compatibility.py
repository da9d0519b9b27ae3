"""Write docs/compatibility.md: each operation, field and client method with the test behind it.

`make compatibility` runs the client suites against a server, and the suites that have servers of
their own, notes after each test which operations were answered, and writes down what was seen.
Nothing in the table is typed by hand: an operation without a test, or a test that fails, shows as
such.
"""

import ast
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.e2e.differential.differences import DIFFERENCES, REMOTE_LIMITS

PROJECT = Path(__file__).resolve().parents[2]
SUITES = (
    "tests/e2e/test_sdk_python.py",
    "tests/e2e/test_sdk_python_sync.py",
    "tests/e2e/test_sdk_javascript.py",
    "tests/e2e/test_remote_graph.py",
    "tests/e2e/test_review_clients.py",
    "tests/e2e/test_mcp.py",
    "tests/e2e/test_a2a.py",
    "tests/e2e/test_operations.py",
)
# They have servers of their own, and prove refusals and what no client sends.
OWN_SUITES = tuple(
    str(path.relative_to(PROJECT))
    for path in sorted((PROJECT / "tests/integration").glob("test_api_*.py"))
)
FIELD_SUITES = (*SUITES, *OWN_SUITES)
REFUSALS = "test_a_field_that_is_not_honoured_is_refused_by_its_name"
JAVASCRIPT = PROJECT / "tests/e2e/js/sdk.test.mjs"
SCRIPTS = PROJECT / "tests/e2e/differential/scripts.py"
OUTPUT = PROJECT / "docs/compatibility.md"
GROUPS = ("assistants", "threads", "runs", "crons", "store")
SHOWN_TESTS = 2
# What a test sends: a keyword, or the key of a body, of a query or of headers.
WORD = re.compile(r"\b([a-z_]+)=|[\"']([A-Za-z_-]+)[\"']\s*:")

# Served beside the API: pages, and what does not exist.
NO_PROTOCOL = frozenset({"unmatched", "/", "/docs", "/openapi.json"})

# Ours, beyond the Agent Server API: listed apart.
OWN_TAGS = frozenset({"reviews", "signals", "links", "console", "people", "health"})


def main() -> int:
    """Run the suites, write the table, fail if a suite failed."""
    failures, own = run_suites(OWN_SUITES)
    more_failures, record = run_suites(SUITES)
    record["served"] |= own["served"]
    OUTPUT.write_text("\n".join(document(record)) + "\n")
    print(f"wrote {OUTPUT.relative_to(PROJECT)}")
    return failures or more_failures


def run_suites(suites: Sequence[str]) -> tuple[int, dict[str, Any]]:
    """Run suites; return the exit code and which operations were answered during each test."""
    with tempfile.TemporaryDirectory() as folder:
        seen = Path(folder) / "seen.json"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *suites],
            cwd=PROJECT,
            env={**os.environ, "HOLDFAST_COMPATIBILITY": str(seen)},
            check=False,
        )
        return done.returncode, json.loads(seen.read_text())


def document(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of the table."""
    openapi = record["openapi"]
    served: dict[tuple[str, str], list[str]] = defaultdict(list)
    for test, operations in record["served"].items():
        for method, path in operations:
            served[(method, path)].append(test)
    yield "# Compatibility"
    yield ""
    yield "Written by `make compatibility`: it runs the suites and notes after each test which"
    yield "operations were answered. Do not edit by hand."
    yield ""
    yield "Clients: " + ", ".join(f"{name} {version}" for name, version in versions()) + "."
    yield ""
    yield "## Operations of the Agent Server API"
    yield ""
    yield from operations_table(openapi, served, own=False)
    yield ""
    yield "## Other protocols"
    yield ""
    yield from other_protocols(openapi, served)
    yield ""
    yield "## Operations beyond it"
    yield ""
    yield from operations_table(openapi, served, own=True)
    yield ""
    yield "## Fields of requests"
    yield ""
    yield "Every field of a body is honoured, or refused with 422 and its name; a field that is not"
    yield "listed is refused too. The tests are those that send it."
    yield ""
    yield from fields_table(openapi)
    yield ""
    yield "## Parameters of requests"
    yield ""
    yield from parameters_table(openapi)
    yield ""
    yield "## Client methods"
    yield ""
    yield from methods_table()
    yield ""
    yield from graphs_section()


def graphs_section() -> Iterator[str]:
    """Yield what is the same for a graph as in plain LangGraph, and what is not."""
    yield "## Graphs"
    yield ""
    yield "Each of these is a script of `tests/e2e/differential`, played in one process with"
    yield "LangGraph's own Postgres checkpointer, over HTTP, and through RemoteGraph. States,"
    yield "histories, questions, streams and errors come out the same."
    yield ""
    for title, names in scripts():
        told = "; ".join(name.replace("_", " ") for name in names)
        yield f"- **{title}**: {told}."
    yield ""
    yield "A server that is killed in the middle of a fan-out, of a subgraph or of an"
    yield "entrypoint's task, before and after a question, ends with the same states and histories."
    yield ""
    yield "RemoteGraph itself leaves out some of it, whichever server it talks to:"
    yield ""
    yield from (f"- {limit}." for limit in REMOTE_LIMITS)
    yield ""
    yield "### What is different, and why"
    yield ""
    yield "| here | why |"
    yield "|---|---|"
    yield from (f"| {_cell(here)} | {_cell(why)} |" for here, why in DIFFERENCES)


def scripts() -> list[tuple[str, list[str]]]:
    """Return the scripts' names by the titles above them in their file."""
    text = SCRIPTS.read_text()
    chapters = re.split(r"^# (.+)$", text, flags=re.MULTILINE)[1:]
    return [
        (title, re.findall(r"^async def (\w+)\(world", body, re.MULTILINE))
        for title, body in zip(chapters[::2], chapters[1::2], strict=True)
    ]


def versions() -> list[tuple[str, str]]:
    """Return the clients and the versions that were driven."""
    from importlib.metadata import version

    lock = json.loads((JAVASCRIPT.parent / "package-lock.json").read_text())["packages"]
    python = ("langgraph-sdk", "langgraph", "mcp", "a2a-sdk")
    node = ("@langchain/langgraph-sdk", "@langchain/langgraph-sdk-latest")
    return [(name, version(name)) for name in python] + [
        (name.removesuffix("-latest"), lock[f"node_modules/{name}"]["version"]) for name in node
    ]


def operations_table(
    openapi: Mapping[str, Any], served: Mapping[tuple[str, str], Sequence[str]], *, own: bool
) -> Iterator[str]:
    yield "| operation | what it does | tests | for example |"
    yield "|---|---|---|---|"
    for path, item in sorted(openapi["paths"].items()):
        for method, operation in item.items():
            if bool(OWN_TAGS & set(operation.get("tags", ()))) is not own:
                continue
            tests = served.get((method.upper(), path), [])
            summary = f"{operation['summary']}."
            yield (
                f"| `{method.upper()} {path}` | {_cell(summary)} | {len(tests) or 'none yet'} |"
                f" {_tests(tests)} |"
            )


def other_protocols(
    openapi: Mapping[str, Any], served: Mapping[tuple[str, str], Sequence[str]]
) -> Iterator[str]:
    """Yield the addresses that the OpenAPI document leaves to their own protocols."""
    yield "| address | tests | for example |"
    yield "|---|---|---|"
    for (method, path), tests in sorted(served.items(), key=lambda entry: entry[0][1]):
        if path in NO_PROTOCOL or path.startswith("/console"):
            continue
        if method.lower() not in openapi["paths"].get(path, {}):
            yield f"| `{method} {path}` | {len(tests)} | {_tests(tests)} |"
    yield ""
    yield "Protocol v2 is spoken over `POST /threads/{thread_id}/commands`, over"
    yield "`POST /threads/{thread_id}/stream/events` and over a WebSocket at the latter's path. Its"
    yield "command `input.inject` is answered with the error `not_supported`: LangGraph takes no"
    yield "message into a run that is under way. `run.start` with `enqueue` has its turn after it."


def parameters_table(openapi: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the operations take beside their bodies."""
    operations: dict[tuple[str, str], list[str]] = defaultdict(list)
    notes: dict[tuple[str, str], str] = {}
    for path, item in sorted(openapi["paths"].items()):
        for method, operation in item.items():
            for one in operation.get("parameters", ()):
                if one["in"] != "path":
                    place = (one["name"], one["in"])
                    operations[place].append(f"`{method.upper()} {path}`")
                    notes[place] = notes.get(place) or one.get("description", "")
    sent = sent_words()
    yield "| parameter | in | note | of | tests |"
    yield "|---|---|---|---|---|"
    for (name, where), places in sorted(operations.items()):
        yield (
            f"| `{name}` | {where} | {_cell(notes[name, where])} | {', '.join(places)} |"
            f" {_tests(sent.get(_spelt(name), []))} |"
        )


def fields_table(openapi: Mapping[str, Any]) -> Iterator[str]:
    bodies: dict[str, list[str]] = defaultdict(list)
    for path, item in sorted(openapi["paths"].items()):
        for method, operation in item.items():
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            reference = schema.get("$ref") or schema.get("items", {}).get("$ref")
            if reference:
                bodies[reference.rpartition("/")[2]].append(f"`{method.upper()} {path}`")
    sent = sent_words()
    yield "| body | field | note | tests |"
    yield "|---|---|---|---|"
    for name, places in sorted(bodies.items()):
        properties = openapi["components"]["schemas"][name].get("properties", {})
        for field, schema in properties.items():
            note = schema.get("description", "")
            yield f"| {name} | `{field}` | {_cell(note)} | {_tests(sent.get(_spelt(field), []))} |"
        yield f"| | | {name} is the body of {', '.join(places)} | |"


def methods_table() -> Iterator[str]:
    yield "| client | method | tests |"
    yield "|---|---|---|"
    for label, suite in (("Python, async", SUITES[0]), ("Python, sync", SUITES[1])):
        for method, tests in sorted(python_calls(PROJECT / suite).items()):
            yield f"| {label} | `{method}` | {_tests(tests)} |"
    for method, tests in sorted(javascript_calls().items()):
        yield f"| JavaScript, both lines | `{method}` | {_tests(tests)} |"
    for label, suite in (
        ("RemoteGraph", SUITES[3]),
        ("Agent Inbox, Agent Chat UI", SUITES[4]),
        ("MCP", SUITES[5]),
        ("A2A", SUITES[6]),
    ):
        for name in functions(PROJECT / suite):
            yield f"| {label} | {name.removeprefix('test_').replace('_', ' ')} | `{name}` |"


def functions(path: Path) -> dict[str, str]:
    """Return the test functions of a file with their sources."""
    text = path.read_text()
    return {
        node.name: ast.get_source_segment(text, node) or ""
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def python_calls(path: Path) -> dict[str, list[str]]:
    pattern = re.compile(rf"client\.((?:{'|'.join(GROUPS)})\.\w+)\(")
    calls: dict[str, list[str]] = defaultdict(list)
    for name, source in functions(path).items():
        for method in dict.fromkeys(pattern.findall(source)):
            calls[method].append(name)
    return calls


def javascript_calls() -> dict[str, list[str]]:
    pattern = re.compile(rf"client\.((?:{'|'.join(GROUPS)})\.\w+)\(")
    calls: dict[str, list[str]] = defaultdict(list)
    for block in re.split(r"\n\s*(?=test\()", JAVASCRIPT.read_text())[1:]:
        title = re.match(r"test\([`\"](.+?)[`\"],", block)
        for method in dict.fromkeys(pattern.findall(block)):
            calls[method].append(title[1] if title else "?")
    return calls


def sent_words() -> dict[str, list[str]]:
    """Return for each name that a test sends, as a keyword or a key, the tests that do."""
    words: dict[str, list[str]] = defaultdict(list)
    for suite in FIELD_SUITES:
        for name, source in functions(PROJECT / suite).items():
            for word in sorted(set(re.findall(WORD, source))):
                words[_spelt(word[0] or word[1])].append(name)
    refused = (PROJECT / "tests/integration/test_api_routes_runs.py").read_text()
    for field in re.findall(r"^        \(\"(\w+)\", ", refused, re.MULTILINE):
        words[field].append(REFUSALS)
    return words


def _spelt(name: str) -> str:
    """Return a name in one spelling: tests write headers in lower case and with underscores."""
    return name.lower().replace("-", "_")


def _tests(tests: Sequence[str]) -> str:
    names = list(dict.fromkeys(test.rpartition("::")[2].partition("[")[0] for test in tests))
    shown = ", ".join(f"`{name}`" for name in names[:SHOWN_TESTS])
    return f"{shown} +{len(names) - SHOWN_TESTS}" if len(names) > SHOWN_TESTS else shown or "-"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
