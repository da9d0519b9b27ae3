from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from api.commands.new import new
from api.commands.server import CommandError


async def test_a_new_project_runs_asks_and_goes_on(
    tmp_path: Path, open_api: Callable[..., AbstractAsyncContextManager[Any]]
) -> None:
    new(tmp_path / "project")

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

    assert waiting["status"] == "interrupted"
    assert "tea" in waiting["values"]["text"]
    assert done["values"]["sent"] is True


def test_a_new_project_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text("mine")

    with pytest.raises(CommandError, match=r"already has agent\.py"):
        new(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["agent.py"]
