"""A progress bar on a terminal, nothing anywhere else."""

from typing import TextIO

from checkpoint_pruner.report import format_bytes
from checkpoint_pruner.sweep import Progress

_WIDTH = 30


class ProgressBar:
    """Draws how far work on threads has come, on one line of a terminal."""

    def __init__(self, stream: TextIO) -> None:
        """Draw on `stream` if that is a terminal."""
        self._stream = stream
        self._shown = False

    def show(self, progress: Progress) -> None:
        """Draw how far a sweep has come."""
        self._draw(
            progress.threads_done,
            progress.threads_total,
            f"{progress.rows:,} rows, {format_bytes(progress.bytes)}",
        )

    def count(self, done: int, total: int) -> None:
        """Draw how far anything else has come."""
        self._draw(done, total, "")

    def clear(self) -> None:
        """Remove the bar."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._shown = False

    def _draw(self, done: int, total: int, note: str) -> None:
        if not self._stream.isatty():
            return
        filled = _WIDTH * done // total if total else _WIDTH
        bar = "█" * filled + "░" * (_WIDTH - filled)
        self._stream.write(f"\r\x1b[K{bar} {done:,}/{total:,} threads  {note}")
        self._stream.flush()
        self._shown = True
