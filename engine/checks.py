"""Checks of the project's own tables: run on a schedule, shown with the server's health."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.errors import ConfigurationError
from engine.loading import load_object

log = logging.getLogger(__name__)

CHECK_SECONDS = 300.0

Check = Callable[[str], Awaitable[list[str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What one check found.

    Attributes:
        problems: a sentence for each thing that is wrong.
        duration_seconds: how long it took.
    """

    name: str
    checked_at: datetime
    duration_seconds: float
    problems: list[str]


class Checks:
    """The checks that `langgraph.json` names, and what each found last in this process."""

    def __init__(self, paths: Mapping[str, str], *, folder: Path, database_url: str) -> None:
        self._paths = paths
        self._folder = folder
        self._database_url = database_url
        self.latest: dict[str, CheckResult] = {}

    async def run(self) -> None:
        """Run every check once; one that fails itself is a problem too."""
        for name, path in self._paths.items():
            started = time.monotonic()
            problems = await self._problems(path)
            self.latest[name] = CheckResult(
                name=name,
                checked_at=datetime.now(UTC),
                duration_seconds=time.monotonic() - started,
                problems=problems,
            )
            if problems:
                log.error("check_found_problems", extra={"check": name, "problems": problems})

    async def _problems(self, path: str) -> list[str]:
        try:
            check: Check = load_object(path, self._folder)
            if not callable(check):
                raise ConfigurationError(f"{path} is no function")
            return [str(problem) for problem in await check(self._database_url)]
        except Exception as error:  # whatever a stranger's function raises
            log.exception("check_failed", extra={"path": path})
            return [f"the check {path} fails: {type(error).__name__}: {error}"]
