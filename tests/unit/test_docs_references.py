"""What the pages name has to exist: files, headings, targets, variables, tests, routes."""

import re
from pathlib import Path

import pytest

from api.app import create_app
from api.problems import flat
from api.settings import Settings
from nodes.services.settings import ProcessSettings

PROJECT = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted(PROJECT.glob("*.md")),
    *sorted(PROJECT.glob("docs/**/*.md")),
    *sorted(PROJECT.glob("checkpoint_pruner/*.md")),
]
DECISIONS = sorted((PROJECT / "docs" / "adr").glob("0*.md"))
FOLDERS = "api|checkpoint_pruner|docs|engine|graphs|nodes|requirements|state|tests"
METHODS = "GET|POST|PUT|PATCH|DELETE"
# Read by the command line alone.
CLIENT_VARIABLES = {"URL", "USER", "TOKEN", "API_KEY"}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def anchors(page: Path) -> set[str]:
    """Return the places in a page that a link can point to, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_a_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(link)

    assert not broken


@every_page
def test_a_path_that_is_named_exists(page: Path) -> None:
    named = re.findall(rf"`((?:{FOLDERS})/[\w./*-]+)(?:[: ][^`]*)?`", page.read_text())

    assert [path for path in named if not list(PROJECT.glob(path.rstrip("/")))] == []


@every_page
def test_a_target_of_make_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(
        r"(?:^\$ |`|^)(?:[A-Z_]+=\S+ )*make ([a-z][a-z0-9-]+)", page.read_text(), re.MULTILINE
    )

    assert set(named) <= targets


@every_page
def test_a_variable_that_is_named_is_read(page: Path) -> None:
    known = {name.upper() for name in (*Settings.model_fields, *ProcessSettings.model_fields)}
    named = set(re.findall(r"HOLDFAST_([A-Z][A-Z_]*[A-Z])", page.read_text()))

    assert named <= known | CLIENT_VARIABLES


@every_page
def test_a_test_that_is_named_exists(page: Path) -> None:
    files = list((PROJECT / "tests").glob("**/test_*.py"))
    known = {file.stem for file in files}
    for file in files:
        known.update(re.findall(r"def (test_\w+)", file.read_text()))

    assert set(re.findall(r"\btest_\w+", page.read_text())) <= known


def test_a_route_that_is_named_is_served() -> None:
    app = create_app(Settings(config=PROJECT / "langgraph.json"), database_url="postgresql://")
    served = [
        (method, re.compile(re.sub(r"\{\w+(:\w+)?\}", r"[^/]+", route.path)))
        for route in flat(app.routes)
        for method in route.methods or ()
    ]
    named = {
        route
        for page in PAGES
        for route in re.findall(rf"`({METHODS}) (/[\w{{}}/.-]*)", page.read_text())
    }

    unserved = [
        f"{method} {path}"
        for method, path in named
        if not any(method == other and route.fullmatch(path) for other, route in served)
    ]

    assert named
    assert not unserved


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(page.name[:4]) for page in DECISIONS]

    assert numbers == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name)
def test_a_decision_is_whole_and_listed(page: Path) -> None:
    text = page.read_text()
    number, title = re.match(r"# (\d{4}) (.+)\n", text).groups()  # type: ignore[union-attr]  # else the test fails
    index = (page.parent / "README.md").read_text()

    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
        "Context",
        "Decision",
        "Consequences",
        "Alternatives",
    ]
    assert f"| [{number}]({page.name}) | {title} |" in index
