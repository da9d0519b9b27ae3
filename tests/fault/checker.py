"""What must be true after any fault: read from the database, the history and the outside world."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg.rows import dict_row

TERMINAL = ("succeeded", "interrupted", "failed", "cancelled", "expired")


@dataclass(kw_only=True)
class Verdict:
    """What a checker found; empty lists are good.

    Attributes:
        acknowledged: runs whose acceptance a client was told.
        executions: side effects carried out, repetitions included.
        absorbed: repetitions that an outside system would have recognised by their key.
        lost: acknowledged runs that are not there or not over.
        failed: runs that ended in another way than their graph says.
        doubled: effects that happened under more than one key.
        missing: effects of finished work that never happened.
        forks: steps of a thread that were saved more than once.
        wrong: threads whose state is not the sum of their runs.
        answered_twice: gates with more than one answer.
    """

    acknowledged: int = 0
    executions: int = 0
    absorbed: int = 0
    lost: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    forks: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    answered_twice: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.faults

    @property
    def faults(self) -> dict[str, list[str]]:
        names = ("lost", "failed", "doubled", "missing", "forks", "wrong", "answered_twice")
        return {name: getattr(self, name) for name in names if getattr(self, name)}

    def summary(self) -> str:
        found = ", ".join(f"{name} {len(items)}" for name, items in self.faults.items())
        return (
            f"{self.acknowledged} runs accepted, {self.executions} effects carried out,"
            f" {self.absorbed} repetitions absorbed by their key: {found or 'nothing wrong'}"
        )


def check(database_url: str, *, world: Path, history: Path) -> Verdict:
    """Compare what clients were told with what is there."""
    verdict = Verdict()
    acknowledged = _acknowledged(history)
    verdict.acknowledged = len(acknowledged)
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        runs = {
            row["run_id"]: row
            for row in connection.execute("SELECT * FROM holdfast.runs ORDER BY seq")
        }
        threads = {
            row["thread_id"]: row for row in connection.execute("SELECT * FROM holdfast.threads")
        }
        verdict.forks = [
            f"{row['thread_id']} step {row['step']}: {row['times']} times"
            for row in connection.execute(
                """
                SELECT thread_id, checkpoint_ns, metadata ->> 'step' AS step, count(*) AS times
                FROM checkpoints
                GROUP BY 1, 2, 3
                HAVING count(*) > 1
                """
            )
        ]
        verdict.answered_twice = [
            row["gate_id"]
            for row in connection.execute(
                """
                SELECT gate_id
                FROM holdfast.runs, unnest(gate_ids) AS gate_id
                GROUP BY gate_id
                HAVING count(*) > 1
                """
            )
        ]
    for run_id in sorted(acknowledged):
        run = runs.get(run_id)
        if run is None or run["status"] not in TERMINAL:
            verdict.lost.append(f"{run_id}: {'no row' if run is None else run['status']}")
    verdict.failed = [
        f"{run_id}: {run['error']}" for run_id, run in runs.items() if run["status"] == "failed"
    ]
    _check_effects(verdict, world)
    _check_threads(verdict, runs, threads, _heads(database_url, threads))
    return verdict


def _heads(database_url: str, thread_ids: Iterable[str]) -> dict[str, list[str]]:
    """Return what LangGraph itself would go on from: the log in each thread's head."""
    with PostgresSaver.from_conn_string(database_url) as saver:
        found = {
            thread_id: saver.get_tuple({"configurable": {"thread_id": thread_id}})
            for thread_id in thread_ids
        }
    return {
        thread_id: head.checkpoint["channel_values"].get("log", []) if head else []
        for thread_id, head in found.items()
    }


def _acknowledged(history: Path) -> set[str]:
    if not history.exists():
        return set()
    lines = (line.split() for line in history.read_text().splitlines())
    return {words[1] for words in lines if words[0] == "ok"}


def _check_effects(verdict: Verdict, world: Path) -> None:
    keys: dict[str, set[str]] = defaultdict(set)
    lines = world.read_text().splitlines() if world.exists() else []
    executions: Counter[str] = Counter()
    for line in lines:
        key, logical, _pid = line.split()
        keys[logical].add(key)
        executions[key] += 1
    verdict.executions = len(lines)
    verdict.absorbed = sum(count - 1 for count in executions.values())
    verdict.doubled = sorted(logical for logical, used in keys.items() if len(used) > 1)


def _check_threads(
    verdict: Verdict,
    runs: Mapping[str, Any],
    threads: Mapping[str, Any],
    heads: Mapping[str, list[str]],
) -> None:
    """A thread's log is its runs' steps, run after run, each step once."""
    expected: dict[str, list[str]] = defaultdict(list)
    unfinished: set[str] = set()
    for run in runs.values():
        value = run["payload"].get("input")
        if value is not None:
            expected[run["thread_id"]] += [
                f"{value['label']}:{step}" for step in range(value["steps"])
            ]
        if run["status"] in ("queued", "running"):
            unfinished.add(run["thread_id"])
    for thread_id, thread in threads.items():
        log = heads[thread_id]
        shown = (thread["values"] or {}).get("log", [])
        waits = thread["status"] == "interrupted"
        wanted = expected[thread_id][: len(log)] if waits else expected[thread_id]
        if thread_id not in unfinished and not log == shown == wanted:
            verdict.wrong.append(f"{thread_id}: {log}, shown as {shown}, instead of {wanted}")
