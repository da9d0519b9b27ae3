"""A PostgreSQL that can be crashed and brought back, and a wire to it that can be cut."""

import asyncio
import os
import shlex
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psycopg

START_SECONDS = 30.0


class CrashingPostgres:
    """The server that runs on a data directory, as a thing to be hit."""

    def __init__(self, data_directory: Path, url: str) -> None:
        self.data_directory = data_directory
        self.url = url
        self._command = shlex.split((data_directory / "postmaster.opts").read_text())
        self._started: list[subprocess.Popen[bytes]] = []

    def crash(self) -> None:
        """Stop at once without a checkpoint, as after `pg_ctl stop -m immediate`."""
        pid = self.pid
        os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + START_SECONDS
        for process in self._started:
            if process.pid == pid:
                process.wait(START_SECONDS)
        while _exists(pid):
            if time.monotonic() > deadline:
                raise TimeoutError(f"postgres {pid} does not stop")
            time.sleep(0.02)

    def start(self) -> None:
        """Start again and wait until it answers."""
        owner = self.data_directory.stat()
        privileged = os.geteuid() == 0
        self._started.append(
            subprocess.Popen(
                self._command,
                cwd=self.data_directory,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                user=owner.st_uid if privileged else None,
                group=owner.st_gid if privileged else None,
                start_new_session=True,
            )
        )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with psycopg.connect(self.url, connect_timeout=2):
                    return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def close(self) -> None:
        """Stop what was started here."""
        if any(process.poll() is None for process in self._started):
            self.crash()

    @property
    def pid(self) -> int:
        return int((self.data_directory / "postmaster.pid").read_text().split()[0])


class Proxy:
    """A TCP proxy in front of a server; single connections can be made to hang.

    Attributes:
        port: where it listens.
        connections: the connections open now, oldest first.
    """

    def __init__(self, *, host: str | None, port: int, socket_path: str | None = None) -> None:
        self._upstream = (host, port, socket_path)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections: list[Wire] = []

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for wire in list(self.connections):
            wire.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port, path = self._upstream
        if path is not None:
            far_reader, far_writer = await asyncio.open_unix_connection(path)
        else:
            far_reader, far_writer = await asyncio.open_connection(host, port)
        wire = Wire((writer, far_writer))
        self.connections.append(wire)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await asyncio.gather(
                wire.pump(reader, far_writer, to_server=True),
                wire.pump(far_reader, writer, to_server=False),
            )
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self.connections.remove(wire)
            self._tasks.discard(task)
            wire.cut()


class Wire:
    """One proxied connection."""

    def __init__(self, writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]) -> None:
        self._writers = writers
        self._open = asyncio.Event()
        self._open.set()
        self.swallow_replies_after: bytes | None = None
        self._swallow = False
        self.sent = b""

    def hang(self) -> None:
        """Let nothing through any more, without a word to either side."""
        self._open.clear()

    def cut(self) -> None:
        """Close both sides."""
        for writer in self._writers:
            with suppress(Exception):
                writer.close()

    async def pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_server: bool
    ) -> None:
        """Carry bytes one way."""
        while data := await reader.read(65_536):
            await self._open.wait()
            if to_server:
                marker = self.swallow_replies_after
                if marker is not None and marker in data:
                    self._swallow = True
                self.sent = (self.sent + data)[-1_048_576:]
            elif self._swallow:
                self.cut()  # the server did it; the client never hears
                return
            writer.write(data)
            await writer.drain()
        writer.close()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
