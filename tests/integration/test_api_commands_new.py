import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from api.commands.new import Example, new
from api.commands.server import CommandError
from engine.loading import load_object
from engine.migrate import project_migrations
from engine.project import read_project


@pytest.fixture(autouse=True)
def forgotten_modules() -> Iterator[None]:
    """Leave no module of a project behind: other projects have one of the same name."""
    path = list(sys.path)
    yield
    sys.path[:] = path
    sys.modules.pop("agent", None)


async def test_a_new_project_runs_asks_and_goes_on(
    tmp_path: Path,
    open_api: Callable[..., AbstractAsyncContextManager[Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    new(tmp_path / "project")

    caplog.set_level("WARNING")
    async with open_api(tmp_path / "project" / "langgraph.json") as api:
        thread = await api.sdk.threads.create()
        thread_id = thread["thread_id"]
        await api.run(thread_id, {"topic": "tea"}, "letter")
        waiting = await api.sdk.threads.get(thread_id)
        await api.sdk.runs.create(
            thread_id, "letter", command={"resume": {"decisions": [{"type": "approve"}]}}
        )
        await api.work()
        done = await api.sdk.threads.get(thread_id)

    assert [record.message for record in caplog.records] == []
    assert waiting["status"] == "interrupted"
    assert "tea" in waiting["values"]["text"]
    assert done["values"]["sent"] is True


def test_a_new_project_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text("mine")

    with pytest.raises(CommandError, match=r"already has agent\.py"):
        new(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["agent.py"]


def test_the_purchase_order_process_can_be_served_from_where_it_is_installed(
    tmp_path: Path,
) -> None:
    new(tmp_path, Example.PURCHASE_ORDER)

    written = read_project(tmp_path / "langgraph.json")
    ours = read_project(Path(__file__).parents[2] / "langgraph.json")
    loaded = [
        [
            *(load_object(graph.path, project.folder) for graph in project.graphs.values()),
            *(load_object(path, project.folder) for path in project.holdfast.commands.values()),
            *(load_object(path, project.folder) for path in project.holdfast.checks.values()),
            *(project.locate(sample.file) for sample in project.holdfast.samples),
            *project_migrations(project),
        ]
        for project in (written, ours)
    ]
    assert loaded[0] == loaded[1]
