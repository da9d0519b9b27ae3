"""Processor time of servers and of the database behind them, which other work does not disturb.

On a machine that is shared the clock on the wall tells little; this tells what a run costs.
"""

import os
from pathlib import Path

import psycopg

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PARENT, USER, SYSTEM = 1, 11, 12  # fields of /proc/<pid>/stat after the name


def find_postmaster(url: str) -> int:
    """Return the process id of the server behind a connection to this machine."""
    with psycopg.connect(url) as connection:
        return _fields(connection.info.backend_pid)[PARENT]


def spent_seconds(pid: int) -> float:
    """Return what a process and the children that it has now took so far."""
    ticks = 0
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            fields = _fields(int(path.name))
            if fields and (int(path.name) == pid or fields[PARENT] == pid):
                ticks += fields[USER] + fields[SYSTEM]
    return ticks / TICKS_PER_SECOND


def _fields(pid: int) -> list[int]:
    """Return the numbers of a process's row, none of one that has ended; its state counts as 0."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    state, *numbers = text.rpartition(")")[2].split()
    del state
    return [0, *map(int, numbers)]
