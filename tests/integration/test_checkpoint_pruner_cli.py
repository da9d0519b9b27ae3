"""The command line, as a script sees it."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

import checkpoint_pruner
from checkpoint_pruner.cli import main
from checkpoint_pruner.session import ADVISORY_KEY
from tests.pruner.rows import ids_of, write_thread


def test_sweep_prints_a_report_that_scripts_can_read(
    checkpoint_database: str, capsys: pytest.CaptureFixture[str]
):
    ids = write_thread(checkpoint_database, "t", 30)

    code = main(
        ["sweep", "--database-url", checkpoint_database, "--keep-last", "6", "--once", "--json"]
    )

    report = json.loads(capsys.readouterr().out)
    assert code == 0
    assert report["rows"] == {"checkpoints": 24, "checkpoint_blobs": 32, "checkpoint_writes": 24}
    assert ids_of(checkpoint_database, "t") == ids[-6:]


def test_sweep_takes_threads_pins_ages_and_a_dry_run(
    checkpoint_database: str, capsys: pytest.CaptureFixture[str]
):
    old = datetime.now(UTC) - timedelta(days=40)
    ids = write_thread(checkpoint_database, "a", 30, newest=old)
    write_thread(checkpoint_database, "b", 30, newest=old)
    arguments = ["sweep", "--database-url", checkpoint_database, "--keep-last", "1"]
    arguments += ["--older-than", "30d", "--thread", "a", "--pin", f"a::{ids[3]}", "--json"]

    main([*arguments, "--dry-run"])
    foreseen = json.loads(capsys.readouterr().out)
    main(arguments)
    done = json.loads(capsys.readouterr().out)

    assert foreseen["rows"] == done["rows"]
    assert ids_of(checkpoint_database, "a") == [ids[3], ids[-1]]
    assert len(ids_of(checkpoint_database, "b")) == 30


def test_the_watermark_file_makes_the_next_sweep_a_glance(
    checkpoint_database: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    write_thread(checkpoint_database, "t", 30)
    arguments = ["sweep", "--database-url", checkpoint_database, "--json"]
    arguments += ["--watermark-file", str(tmp_path / "seen.json")]
    main(arguments)
    main(arguments)
    capsys.readouterr()

    main(arguments)

    assert json.loads(capsys.readouterr().out)["threads_seen"] == 0


def test_another_pruner_has_its_own_exit_code(
    checkpoint_database: str, capsys: pytest.CaptureFixture[str]
):
    with psycopg.connect(checkpoint_database, autocommit=True) as first:
        first.execute("SELECT pg_advisory_lock(%s)", (ADVISORY_KEY,))

        code = main(["sweep", "--database-url", checkpoint_database])

    assert code == 3
    assert "another pruner holds advisory lock" in capsys.readouterr().err


def test_an_unknown_schema_has_its_own_exit_code(
    empty_database: str, capsys: pytest.CaptureFixture[str]
):
    code = main(["sweep", "--database-url", empty_database])

    assert code == 4
    assert "table checkpoints does not exist" in capsys.readouterr().err


def test_a_database_without_checkpoint_tables_is_not_told_to_upgrade(
    empty_database: str, capsys: pytest.CaptureFixture[str]
):
    main(["inspect", "--database-url", empty_database])

    assert "name the database" in capsys.readouterr().err


def test_a_url_that_cannot_be_read_is_a_usage_error_and_is_not_repeated(
    capsys: pytest.CaptureFixture[str],
):
    code = main(["sweep", "--database-url", "postgresql://u:se cret@h/app"])

    assert code == 2
    assert "cret" not in capsys.readouterr().err


def test_a_thread_that_could_not_be_worked_on_has_its_own_exit_code(
    checkpoint_database: str, capsys: pytest.CaptureFixture[str]
):
    write_thread(checkpoint_database, "t", 30)
    with psycopg.connect(checkpoint_database) as holder:
        holder.execute("SELECT FROM checkpoints FOR UPDATE")

        code = main(["sweep", "--database-url", checkpoint_database, "--no-throttle"])

    assert code == 5
    assert "failed 't'" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong",
    [
        ["--keep-last", "1", "--keep-turns", "2"],
        ["--older-than", "soon"],
        ["--pin", "nothing"],
        ["--duty-cycle", "2"],
    ],
)
def test_a_wrong_argument_is_a_usage_error(wrong: list[str]):
    with pytest.raises(SystemExit) as stopped:
        main(["sweep", "--database-url", "dbname=none", *wrong])

    assert stopped.value.code == 2


def test_a_policy_that_keeps_nothing_is_a_usage_error(capsys: pytest.CaptureFixture[str]):
    code = main(["sweep", "--database-url", "dbname=none", "--keep-last", "0"])

    assert code == 2
    assert "keep_last must be a whole number of 1 or more, got 0" in capsys.readouterr().err


def test_explain_names_each_checkpoint_and_its_reason(
    checkpoint_database: str, capsys: pytest.CaptureFixture[str]
):
    ids = write_thread(checkpoint_database, "t", 4)

    main(["explain", "t", "--database-url", checkpoint_database, "--keep-last", "2", "--json"])

    explained = json.loads(capsys.readouterr().out)
    assert [(one["checkpoint_id"], one["reasons"]) for one in explained] == [
        (ids[3], ["window"]),
        (ids[2], ["window"]),
        (ids[1], []),
        (ids[0], []),
    ]


def test_a_thread_or_pin_that_does_not_exist_is_said_to_be_missing(
    checkpoint_database: str, capsys: pytest.CaptureFixture[str]
):
    ids = write_thread(checkpoint_database, "t", 3)
    database = ["--database-url", checkpoint_database]
    pins = ["--pin", f"t::{ids[0]}", "--pin", f"t::{ids[0][:-1]}"]

    swept = main(["sweep", *database, "--thread", "t", "--thread", "tt", *pins, "--json"])
    warned = capsys.readouterr().err.splitlines()
    explained = main(["explain", "tt", *database])

    assert swept == 0
    assert [line.split("for ")[1].split(";")[0] for line in warned] == [
        f"pin t::{ids[0][:-1]}",
        "thread tt",
    ]
    assert explained == 1
    assert "thread 'tt' has no checkpoints" in capsys.readouterr().err


def test_the_command_tells_its_version(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"checkpoint-pruner {checkpoint_pruner.__version__}\n"


def test_inspect_names_the_biggest_and_what_policies_would_free(
    checkpoint_database: str, capsys: pytest.CaptureFixture[str]
):
    write_thread(checkpoint_database, "small", 3)
    write_thread(checkpoint_database, "big", 60)

    main(["inspect", "--database-url", checkpoint_database, "--json"])

    found = json.loads(capsys.readouterr().out)
    assert [holder["name"] for holder in found["biggest_threads"]] == ["big", "small"]
    assert found["biggest_channels"][0]["name"] == "own"
    assert found["threads"] == 2
    assert found["proposals"][0]["rows"]["checkpoints"] == 61
    assert sum(found["checkpoints_per_day"]) == 63


@pytest.mark.parametrize("command", ["inspect", "sweep", "compact"])
def test_every_report_has_a_form_for_people(
    checkpoint_database: str, capsys: pytest.CaptureFixture[str], command: str
):
    write_thread(checkpoint_database, "t", 30)
    extra = ["--yes"] if command == "compact" else []

    code = main([command, "--database-url", checkpoint_database, *extra])

    assert code == 0
    assert "checkpoint_blobs" in capsys.readouterr().out


def test_compact_does_not_begin_without_a_yes(
    checkpoint_database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "stdin", open("/dev/null"))  # noqa: SIM115, PTH123 - closed by exit
    with sys.stdin:
        code = main(["compact", "--database-url", checkpoint_database])

    assert code == 2
    assert "confirm it" in capsys.readouterr().err


def test_guard_is_installed_shown_and_removed(
    checkpoint_database: str, capsys: pytest.CaptureFixture[str]
):
    shown = []
    for action in ("status", "install", "status", "remove"):
        main(["guard", action, "--database-url", checkpoint_database])
        shown.append(capsys.readouterr().out.strip())

    assert shown == [
        "the guard is not installed on public.checkpoints",
        "the guard is on for public.checkpoints",
        "the guard is on for public.checkpoints",
        "the guard is not installed on public.checkpoints",
    ]


def test_the_command_repeats_until_it_is_told_to_stop(checkpoint_database: str):
    write_thread(checkpoint_database, "t", 30)
    arguments = ["sweep", "--every", "0.01s", "--json", "--database-url", checkpoint_database]
    process = subprocess.Popen(
        [sys.executable, "-m", "checkpoint_pruner.cli", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        decoder = json.JSONDecoder()
        text = ""
        reports = []
        while len(reports) < 2:
            text += process.stdout.readline()
            try:
                report, end = decoder.raw_decode(text)
            except ValueError:
                continue
            reports.append(report)
            text = text[end:].lstrip()
        process.terminate()
        process.stdout.read()
        code = process.wait(timeout=30)

    assert code == 0
    assert [report["rows"]["checkpoints"] for report in reports] == [10, 0]
