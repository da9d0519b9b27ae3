import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from checkpoint_pruner.session import ADVISORY_KEY
from tests.pruner.rows import ids_of, write_thread

PROJECT = Path(__file__).resolve().parents[2]
GRAPHS = PROJECT / "tests" / "graphs" / "langgraph.json"
DEADLINE_SECONDS = 90

Prune = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def prune(migrated_database: str) -> Prune:
    """Return `holdfast prune` on the test's database."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "api", "prune", *arguments, "--config", str(GRAPHS)],
            cwd=PROJECT,
            env={**os.environ, "HOLDFAST_DATABASE_URL": migrated_database},
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    return run


def recorded(url: str) -> list[tuple[str, str, bool]]:
    """Return what was written down of each sweep."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT trigger, outcome, dry_run FROM holdfast.prune_runs ORDER BY prune_run_id"
        ).fetchall()


def test_a_sweep_by_hand_prints_its_report_and_is_recorded(
    prune: Prune, migrated_database: str
) -> None:
    ids = write_thread(migrated_database, "t", 30)

    foreseen = prune("--keep-last", "6", "--dry-run", "--json")
    done = prune("--keep-last", "6", "--once", "--json")

    assert (foreseen.returncode, done.returncode) == (0, 0), done.stderr
    assert json.loads(foreseen.stdout)["rows"] == json.loads(done.stdout)["rows"]
    assert ids_of(migrated_database, "t") == ids[-6:]
    assert recorded(migrated_database) == [("command", "ok", True), ("command", "ok", False)]


def test_what_a_question_or_a_live_run_needs_stays(prune: Prune, migrated_database: str) -> None:
    asked = write_thread(migrated_database, "asks", 30)
    at_work = write_thread(migrated_database, "works", 30)
    with psycopg.connect(migrated_database) as connection:
        for thread_id in ("asks", "works"):
            connection.execute("INSERT INTO holdfast.threads (thread_id) VALUES (%s)", [thread_id])
        connection.execute(
            "INSERT INTO holdfast.gates (gate_id, interrupt_id, thread_id, run_id, assistant_id,"
            " graph_id, node, task_id, checkpoint_id, dialect, value, review, title, allowed,"
            " fingerprint) VALUES ('g', 'g', 'asks', 'r', 'a', 'ask', 'n', 't', %s, 'raw', '{}',"
            " '{}', 'g', '{}', 'f')",
            [asked[4]],
        )
        connection.execute(
            "INSERT INTO holdfast.runs (run_id, thread_id, assistant_id, graph_id, status)"
            " VALUES ('r', 'works', 'a', 'ask', 'running')"
        )

    done = prune("--keep-last", "1", "--json")

    report = json.loads(done.stdout)
    assert ids_of(migrated_database, "asks") == [asked[4], asked[-1]]
    assert ids_of(migrated_database, "works") == at_work
    assert report["kept"]["pinned"] == 1
    assert report["skipped"] == {"works": "busy"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--keep-last", "0"], 2),
        (["--no-such-flag"], 2),
        (["--for", "8h"], 2),
        (["--database-url", "postgresql://127.0.0.1:1/nowhere"], 1),
    ],
    ids=["a policy of nothing", "an unknown flag", "the length of no pause", "no such database"],
)
def test_what_cannot_be_done_has_its_own_exit_code(
    prune: Prune, arguments: list[str], code: int
) -> None:
    done = prune(*arguments)

    assert done.returncode == code
    assert done.stderr


def test_a_second_pruner_leaves_with_code_3(prune: Prune, migrated_database: str) -> None:
    with psycopg.connect(migrated_database, autocommit=True) as first:
        first.execute("SELECT pg_advisory_lock(%s)", (ADVISORY_KEY,))

        done = prune("--once")

    assert done.returncode == 3
    assert "another pruner" in done.stderr


def test_a_pause_stops_sweeps_until_it_is_resumed(prune: Prune, migrated_database: str) -> None:
    ids = write_thread(migrated_database, "t", 30)

    paused = prune("--pause", "the auditors are here", "--for", "8h")
    refused = prune("--once", "--keep-last", "6")
    untouched = ids_of(migrated_database, "t")
    forced = prune("--once", "--keep-last", "9", "--force")
    resumed = prune("--resume")
    swept = prune("--once", "--keep-last", "6")

    codes = [done.returncode for done in (paused, refused, forced, resumed, swept)]
    assert codes == [0, 6, 0, 0, 0], (paused.stderr, forced.stderr, resumed.stderr)
    assert "the auditors are here" in refused.stderr
    assert "--force" in forced.stderr
    assert untouched == ids
    assert ids_of(migrated_database, "t") == ids[-6:]


def test_unknown_checkpoint_tables_leave_with_code_4(prune: Prune, migrated_database: str) -> None:
    with psycopg.connect(migrated_database, autocommit=True) as connection:
        connection.execute("ALTER TABLE checkpoints ADD COLUMN surprise text")

    done = prune("--once")

    assert done.returncode == 4
    assert "surprise" in done.stderr


def test_the_pruners_own_commands_find_the_servers_database(
    prune: Prune, migrated_database: str
) -> None:
    write_thread(migrated_database, "t", 3)

    inspected = prune("inspect", "--json", "--no-proposals")
    explained = prune("explain", "t", "--json")
    guarded = prune("guard", "status", "--json")

    assert json.loads(inspected.stdout)["biggest_threads"][0]["name"] == "t"
    assert len(json.loads(explained.stdout)) == 3
    assert json.loads(guarded.stdout)["schema"] == "public"
