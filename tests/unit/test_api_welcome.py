"""What a starting server says about itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from langsmith.utils import get_env_var

from api.settings import Settings
from api.welcome import headline


@pytest.fixture
def tracing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    get_env_var.cache_clear()
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    yield
    get_env_var.cache_clear()


def test_the_folder_of_the_data_is_named(tmp_path: Path) -> None:
    lines = headline(Settings(data_dir=tmp_path, database_url=None), "http://127.0.0.1:1")

    assert f"  data      {tmp_path}" in lines


def test_a_database_of_ones_own_needs_no_folder() -> None:
    lines = headline(Settings(database_url="postgresql://db/x"), "http://127.0.0.1:1")

    assert "data" not in "".join(lines)


@pytest.mark.usefixtures("tracing")
def test_documents_that_leave_the_machine_are_announced() -> None:
    lines = headline(Settings(database_url="postgresql://db/x"), "http://127.0.0.1:1")

    assert "LangSmith" in lines[-1]
