import hashlib
import json
import re
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("api", "checkpoint_pruner", "engine", "graphs", "nodes", "state")
VENDOR = PROJECT / "api" / "console" / "static" / "vendor"
LOCKS = sorted((PROJECT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_distribution_owns_a_package_of_ours(package: str) -> None:
    owners = set(packages_distributions().get(package) or [])

    assert owners <= {"holdfast"}


@pytest.mark.parametrize("entry", json.loads((VENDOR / "vendor.json").read_text()), ids=str)
def test_a_vendored_file_is_the_one_that_was_published(entry: dict[str, str]) -> None:
    content = (VENDOR / entry["file"]).read_bytes()

    assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    assert entry["version"]
    assert entry["license"]


def test_every_vendored_file_is_listed() -> None:
    listed = {entry["file"] for entry in json.loads((VENDOR / "vendor.json").read_text())}
    present = {path.name for path in VENDOR.iterdir() if path.is_file()} - {"vendor.json"}

    assert present == listed


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_pins_with_hashes_and_names_no_host(lock: Path) -> None:
    text = lock.read_text()
    pinned = re.findall(r"^[a-z0-9][^=\n]*==", text, re.MULTILINE)

    assert "://" not in text
    assert len(pinned) > 50
    assert text.count("--hash=sha256:") >= len(pinned)


def test_the_server_starts_without_optional_neighbours() -> None:
    """The extras and the model clients are imported only where they are used."""
    text = (PROJECT / "requirements" / "runtime.txt").read_text()

    assert not re.search(r"^(mcp|a2a-sdk)==", text, re.MULTILINE)
