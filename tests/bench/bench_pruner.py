"""Measure the pruner against its rivals on one generated database; assert nothing about time.

    python -m tests.bench.bench_pruner OUT_FOLDER          a small form, a minute
    python -m tests.bench.bench_pruner OUT_FOLDER --long   1.1 million rows, twenty minutes

Single scenes (`--scene race`) are added to the results of the same size that OUT_FOLDER holds.

Rows have the shape of real ones (four checkpoints and three message blobs per turn, blobs that do
not compress, a tenth of the threads with a subgraph call per turn, one thread of great length) and
lie on disk in the order in which live threads would have written them. Every contender starts from
a file copy of the same database, after a checkpoint, with autovacuum off unless it is the subject.

CPU is what the kernel accounts: `/proc/<pid>/stat` of the server's backends (ended ones through the
postmaster's `cutime`), plus this process. WAL is the difference of the insert positions.

Writes `pruner.json` and `pruner-size.png` to OUT_FOLDER and prints each ratio beside its baseline.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"

import matplotlib as mpl
import psycopg
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg import sql
from psycopg.conninfo import make_conninfo

from api.embedded_postgres import embedded_postgres
from checkpoint_pruner import Policy, Pruner, sweep
from checkpoint_pruner.compact import compact
from tests.bench.generated_rows import HELPERS, write

mpl.use("Agg")
import matplotlib.pyplot as plt

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
READ_BYTES = 1 << 22
TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")

NAIVE = (
    """
    DELETE FROM checkpoints c USING (
        SELECT thread_id, checkpoint_ns, checkpoint_id, row_number() OVER (
            PARTITION BY thread_id, checkpoint_ns ORDER BY checkpoint_id DESC
        ) AS place
        FROM checkpoints
    ) AS o
    WHERE o.place > %(keep)s AND c.thread_id = o.thread_id
    AND c.checkpoint_ns = o.checkpoint_ns AND c.checkpoint_id = o.checkpoint_id
    """,
    """
    DELETE FROM checkpoint_writes w WHERE NOT EXISTS (
        SELECT 1 FROM checkpoints c
        WHERE c.thread_id = w.thread_id AND c.checkpoint_ns = w.checkpoint_ns
        AND c.checkpoint_id = w.checkpoint_id
    )
    """,
    """
    WITH named AS MATERIALIZED (
        SELECT DISTINCT c.thread_id, c.checkpoint_ns, v.key, v.value
        FROM checkpoints c
        CROSS JOIN LATERAL jsonb_each_text(c.checkpoint -> 'channel_versions') AS v
    )
    DELETE FROM checkpoint_blobs b WHERE NOT EXISTS (
        SELECT 1 FROM named n
        WHERE n.thread_id = b.thread_id AND n.checkpoint_ns = b.checkpoint_ns
        AND n.key = b.channel AND n.value = b.version
    )
    """,
)

KEYS = {
    "checkpoints": ("thread_id", "checkpoint_ns", "checkpoint_id"),
    "checkpoint_blobs": ("thread_id", "checkpoint_ns", "channel", "version"),
    "checkpoint_writes": ("thread_id", "checkpoint_ns", "checkpoint_id", "task_id", "idx"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is generated and how long the scenes last."""

    threads: int
    checkpoints: int
    """Root checkpoints per thread."""
    long_thread: int
    """Root checkpoints of the one long thread."""
    dirty: int
    """Threads that get a turn between two sweeps of the steady state."""
    steady_threads: int
    cycles: int
    cycle_seconds: float
    writer_seconds: float
    lengths: tuple[tuple[int, int], ...]
    """Threads and their checkpoints, for the cost by length; about as many rows each."""


SMALL = Size(
    threads=100,
    checkpoints=40,
    long_thread=1_000,
    dirty=10,
    steady_threads=100,
    cycles=12,
    cycle_seconds=0.0,
    writer_seconds=2.0,
    lengths=((100, 20), (20, 100)),
)
LONG = Size(
    threads=2_000,
    checkpoints=180,
    long_thread=20_000,
    dirty=100,
    steady_threads=1_000,
    cycles=50,
    cycle_seconds=5.0,
    writer_seconds=15.0,
    lengths=((4_500, 20), (2_250, 40), (900, 100), (225, 400)),
)


@dataclass(slots=True, kw_only=True)
class Cost:
    """What one piece of work cost."""

    wall_seconds: float = 0.0
    server_cpu_seconds: float = 0.0
    client_cpu_seconds: float = 0.0
    wal_mb: float = 0.0
    rows_deleted: int = 0

    @property
    def cpu_seconds(self) -> float:
        """Return the CPU seconds of server and client together."""
        return self.server_cpu_seconds + self.client_cpu_seconds


class Bench:
    """A server of its own with the generated database and the copies the contenders work on."""

    def __init__(self, uri: str, postmaster: int, size: Size) -> None:
        self.uri = uri
        self.postmaster = postmaster
        self.size = size
        self.admin = psycopg.connect(uri, autocommit=True)

    def database(self, name: str, template: str = "template1") -> str:
        """Create a database as a file copy of `template` and return its connection string."""
        self.admin.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )
        self.admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        return make_conninfo(self.uri, dbname=name)

    def drop(self, name: str) -> None:
        """Drop a database."""
        self.admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def server_cpu(self) -> float:
        """Return the CPU seconds of all backends so far, ended ones included, in seconds.

        Checkpointer, writers and launchers are left out: they live as long as the server and work
        off what everybody did before.
        """
        while True:
            ended = sum(_stat(self.postmaster)[15:17])  # cutime, cstime
            running = sum(stat[13] + stat[14] for stat in self._backends())
            # One that ended in between is in neither sum.
            if ended == sum(_stat(self.postmaster)[15:17]):
                return (ended + running) / TICKS_PER_SECOND

    def _backends(self) -> Iterator[list[int]]:
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = _stat(int(entry.name))
                    command = (entry / "cmdline").read_text()
                except (FileNotFoundError, ProcessLookupError, PermissionError):
                    continue
                # A process on its way out has no command line any more, and is not reaped yet.
                if stat[3] == self.postmaster and ("[local]" in command or not command):
                    yield stat

    @contextmanager
    def measure(self, conninfo: str) -> Iterator[Cost]:
        """Fill in the yielded cost with what happens inside the block."""
        rows = count_rows(conninfo)
        self.admin.execute("CHECKPOINT")
        warm(conninfo)
        cost = Cost()
        lsn = self._lsn()
        client = time.process_time()
        server = self.server_cpu()
        start = time.perf_counter()
        yield cost
        cost.wall_seconds = time.perf_counter() - start
        # Ended backends reach the postmaster's account once it has reaped them.
        self.admin.execute("SELECT pg_sleep(0.05)")
        cost.server_cpu_seconds = self.server_cpu() - server
        cost.client_cpu_seconds = time.process_time() - client
        cost.wal_mb = float(self._lsn() - lsn) / 1e6
        cost.rows_deleted = sum(rows.values()) - sum(count_rows(conninfo).values())

    def _lsn(self) -> int:
        row = self.admin.execute(
            "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"
        ).fetchone()
        return int(row[0])

    def generate(self, name: str, size: Size | None = None) -> str:
        """Build the database that every contender gets a copy of."""
        size = size or self.size
        conninfo = self.database(name)
        with PostgresSaver.from_conn_string(conninfo) as saver:
            saver.setup()
        with psycopg.connect(conninfo, autocommit=True) as connection:
            for table in TABLES:
                connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
            connection.execute(HELPERS)
            # Interleaved in slices: the long thread writes its share of each.
            slices = max(size.checkpoints // 20, 1)
            step = size.checkpoints // slices
            long_step = size.long_thread // slices
            for part in range(slices):
                write(connection, 1, size.threads, part * step, (part + 1) * step)
                if size.long_thread:
                    write(connection, 0, 0, part * long_step, (part + 1) * long_step)
            connection.execute("VACUUM ANALYZE")
        return conninfo


def _stat(pid: int) -> list[int]:
    """Return the numeric fields of /proc/<pid>/stat, counted from 0 as in proc(5)."""
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text.rpartition(")")[2].split()
    return [pid, 0, 0, *(int(field) for field in fields[1:])]


def count_rows(conninfo: str) -> dict[str, int]:
    """Return the number of rows of LangGraph's tables."""
    with psycopg.connect(conninfo) as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in TABLES
        }


def total_size(conninfo: str) -> float:
    """Return the size of LangGraph's tables with TOAST and indexes, in MB."""
    with psycopg.connect(conninfo) as connection:
        names = ", ".join(f"'{table}'" for table in TABLES)
        row = connection.execute(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class"
            f" WHERE relname IN ({names}) AND relnamespace = 'public'::regnamespace"
        ).fetchone()
        return float(row[0]) / 1e6


def thread_ids(conninfo: str) -> list[str]:
    """Return all thread ids of the database."""
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute("SELECT DISTINCT thread_id FROM checkpoints ORDER BY 1")
        return [row[0] for row in rows.fetchall()]


# ---------------------------------------------------------------- contenders


def ours(conninfo: str, keep: int, threads: Sequence[str] | None = None) -> None:
    """Sweep with the pruner at full speed, without VACUUM; it finds its threads unless given."""
    sweep(conninfo, Policy(keep_last=keep), candidates=threads, vacuum=False)


def compacted(conninfo: str, keep: int) -> None:
    """Rewrite what stays, in a maintenance window: the mode for a database never pruned before."""
    compact(conninfo, Policy(keep_last=keep), confirmed=True)


def library(conninfo: str, _keep: int = 1, threads: Sequence[str] | None = None) -> None:
    """Call the library's own prune (keeps one) on all threads."""
    with PostgresSaver.from_conn_string(conninfo) as saver:
        saver.prune(threads or thread_ids(conninfo), strategy="keep_latest")


def naive(conninfo: str, keep: int) -> None:
    """Run the window statements that people write by hand: wrong results, one transaction."""
    with psycopg.connect(conninfo) as connection:
        for statement in NAIVE:
            connection.execute(statement, {"keep": keep})


def prepare_keys(conninfo: str, swept: str, batch: int = 10_000) -> None:
    """Store the keys of all rows that `swept` no longer has, numbered in batches of `batch`."""
    with (
        psycopg.connect(conninfo, autocommit=True) as connection,
        psycopg.connect(swept) as source,
    ):
        for table, key in KEYS.items():
            columns = ", ".join(key)
            connection.execute(
                f"CREATE UNLOGGED TABLE kept_{table} AS SELECT {columns} FROM {table} LIMIT 0"
            )
            with (
                source.cursor().copy(f"COPY (SELECT {columns} FROM {table}) TO STDOUT") as rows,
                connection.cursor().copy(f"COPY kept_{table} FROM STDIN") as sink,
            ):
                for chunk in rows:
                    sink.write(chunk)
            connection.execute(
                f"CREATE UNLOGGED TABLE doomed_{table} AS"
                f" SELECT (row_number() OVER (ORDER BY {columns}) - 1) / {batch} AS batch,"
                f" {columns} FROM"
                f" (SELECT {columns} FROM {table} EXCEPT SELECT {columns} FROM kept_{table}) AS d"
            )
            connection.execute(f"CREATE INDEX ON doomed_{table} (batch)")
            connection.execute(f"VACUUM ANALYZE doomed_{table}")


def delete_by_key(conninfo: str, *, batched: bool = True) -> None:
    """Delete the precomputed rows by primary key: in batches by index, or at the planner's will."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if batched:
            connection.execute("SET enable_hashjoin = off")
            connection.execute("SET enable_mergejoin = off")
        for table, key in KEYS.items():
            matches = " AND ".join(f"d.{column} = k.{column}" for column in key)
            statement = f"DELETE FROM {table} d USING doomed_{table} k WHERE {matches}"
            if not batched:
                connection.execute(statement)
                continue
            last = connection.execute(f"SELECT max(batch) FROM doomed_{table}").fetchone()[0]
            for number in range((last if last is not None else -1) + 1):
                connection.execute(f"{statement} AND k.batch = %s", (number,))


def warm(conninfo: str) -> None:
    """Read a database's files once: every contender finds them in the system's cache."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(
            "SELECT current_setting('data_directory'), oid FROM pg_database"
            " WHERE datname = current_database()"
        ).fetchone()
    folder, oid = row
    for path in (Path(folder) / "base" / str(oid)).iterdir():
        with path.open("rb", buffering=0) as file:
            while file.read(READ_BYTES):
                pass


# ---------------------------------------------------------------- scenes


def race(bench: Bench, template: str, keep: int) -> dict[str, Cost]:
    """Clean up the never-pruned database with every contender, each on a copy of its own."""
    costs: dict[str, Cost] = {}

    def run(
        name: str, work: Callable[[str], None], prepare: Callable[[str], None] | None = None
    ) -> str:
        conninfo = bench.database(f"race_{len(costs)}", template)
        if prepare:
            prepare(conninfo)
        with bench.measure(conninfo) as cost:
            work(conninfo)
        costs[name] = cost
        show(f"N={keep} {name}", cost)
        return conninfo

    swept = run("ours", lambda conninfo: ours(conninfo, keep))
    run("ours, compact", lambda conninfo: compacted(conninfo, keep))
    if keep == 1:
        run("library prune", library)
    run("naive window", lambda conninfo: naive(conninfo, keep))
    keys = {"prepare": lambda conninfo: prepare_keys(conninfo, swept)}
    run("delete by key", delete_by_key, **keys)
    run("delete by key, one statement", lambda c: delete_by_key(c, batched=False), **keys)
    for number in range(len(costs)):
        bench.drop(f"race_{number}")
    return costs


def lengths(bench: Bench, _template: str) -> dict[str, dict[str, Any]]:
    """Clean up databases of equal size whose threads are of different length, window of one."""
    results: dict[str, dict[str, Any]] = {}
    for threads, checkpoints in bench.size.lengths:
        size = replace(bench.size, threads=threads, checkpoints=checkpoints, long_thread=0)
        bench.generate("lengths", size)
        costs = results[str(checkpoints)] = {}
        for name, work in {"ours": lambda c: ours(c, 1), "library prune": library}.items():
            conninfo = bench.database("length", "lengths")
            with bench.measure(conninfo) as cost:
                work(conninfo)
            costs[name] = asdict(cost)
            show(f"{threads} threads of {checkpoints}: {name}", cost)
        bench.drop("length")
        bench.drop("lengths")
    return results


def show(name: str, cost: Cost) -> None:
    """Print one line about a cost."""
    print(
        f"{name:42} wall {cost.wall_seconds:8.3f} s  cpu {cost.cpu_seconds:8.3f} s"
        f" (server {cost.server_cpu_seconds:.2f}, client {cost.client_cpu_seconds:.2f})"
        f"  wal {cost.wal_mb:8.1f} MB  rows {cost.rows_deleted}",
        flush=True,
    )


def steady(bench: Bench, template: str) -> dict[str, Cost]:
    """Let a few of all threads take a turn, then prune: what a scheduled sweep costs."""
    size = bench.size
    costs: dict[str, Cost] = {}
    sides: dict[str, tuple[Callable[..., None], int]] = {
        "library prune": (library, 1),
        "ours": (ours, 1),
    }
    start = size.checkpoints
    for name, (work, keep) in sides.items():
        conninfo = bench.database("steady", template)
        work(conninfo, keep)
        tidy(conninfo)
        rounds: dict[str, list[Cost]] = {}
        for turn in range(3):
            for scope in ("all threads", "dirty threads"):
                with psycopg.connect(conninfo, autocommit=True) as connection:
                    first = 1 + (turn * 2 + (scope == "dirty threads")) * size.dirty
                    write(connection, first, first + size.dirty - 1, start, start + 4)
                dirty = [f"thread-{n}" for n in range(first, first + size.dirty)]
                threads = dirty if scope == "dirty threads" else None
                with bench.measure(conninfo) as cost:
                    work(conninfo, keep, threads)
                rounds.setdefault(scope, []).append(cost)
        for scope, measured in rounds.items():
            key = f"{name}, {scope}"
            costs[key] = sorted(measured, key=lambda cost: cost.wall_seconds)[1]
            show(f"steady {key} (median of 3)", costs[key])
        bench.drop("steady")
    return costs


def tidy(conninfo: str) -> None:
    """Vacuum the whole database by hand."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def empty(bench: Bench, template: str) -> dict[str, Any]:
    """Sweep the full database with a window that nothing exceeds: at first, and again and again.

    A `Pruner` remembers the last sweep, as a scheduled one does; `searching` is a sweep that
    remembers nothing and looks at every thread.
    """
    conninfo = bench.database("nothing", template)
    policy = Policy(keep_last=bench.size.long_thread * 2, keep_nested=bench.size.long_thread * 2)
    pruner = Pruner(conninfo, policy)
    first = elapsed_ms(pruner.sweep)
    again = [elapsed_ms(pruner.sweep) for _ in range(20)]
    searching = [elapsed_ms(lambda: sweep(conninfo, policy)) for _ in range(5)]
    result = {
        "rows": sum(count_rows(conninfo).values()),
        "first_ms": first,
        "median_ms": statistics.median(again),
        "max_ms": max(again),
        "searching_median_ms": statistics.median(searching),
    }
    print("empty sweep", {key: round(value, 2) for key, value in result.items()}, flush=True)
    bench.drop("nothing")
    return result


def elapsed_ms(work: Callable[[], Any]) -> float:
    """Return how long a call took, in milliseconds."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def growth(bench: Bench, template: str) -> dict[str, list[float]]:
    """Give every thread a turn per cycle, prune after each, and record the total size in MB."""
    bench.drop(template)
    size = bench.size
    keep = 20
    sides: dict[str, Callable[[str], Any]] = {
        "unpruned": lambda _: None,
        "library prune (keeps 1), default autovacuum": library,
        "window of 20, default autovacuum": lambda conninfo: sweep(
            conninfo, Policy(keep_last=keep), vacuum=False
        ),
        "ours (window of 20)": lambda conninfo: sweep(conninfo, Policy(keep_last=keep)),
    }
    databases = {}
    for number, name in enumerate(sides):
        databases[name] = bench.database(f"growth_{number}")
        with PostgresSaver.from_conn_string(databases[name]) as saver:
            saver.setup()
        with psycopg.connect(databases[name], autocommit=True) as connection:
            connection.execute(HELPERS)
    sizes: dict[str, list[float]] = {name: [] for name in sides}
    for cycle in range(size.cycles):
        deadline = time.monotonic() + size.cycle_seconds
        for name, work in sides.items():
            with psycopg.connect(databases[name], autocommit=True) as connection:
                # From turn 25 on blobs have their full size: what grows is only what is not freed.
                turn = (25 + cycle) * 4
                write(connection, 1, size.steady_threads, turn, turn + 4)
            work(databases[name])
            sizes[name].append(total_size(databases[name]))
        time.sleep(max(deadline - time.monotonic(), 0))
    for number in range(len(sides)):
        bench.drop(f"growth_{number}")
    return sizes


SWEEPER = """
import sys
from checkpoint_pruner import Policy, Throttle, sweep
from tests.bench import bench_pruner
print("ready", flush=True)
sys.stdin.readline()
{work}
"""

WRITER_SCENES = {
    "idle": None,
    "ours, throttled": "sweep({conninfo!r}, Policy(keep_last=1), throttle=Throttle())",
    "ours, unthrottled": "bench_pruner.ours({conninfo!r}, 1)",
    "library prune": "bench_pruner.library({conninfo!r})",
}


def writers(bench: Bench, template: str) -> dict[str, dict[str, float]]:
    """Measure how long two live writers wait for each put while a sweep runs, in milliseconds.

    Until the sweep has come to its end with its VACUUM, or for six times as long as without one.
    """
    results = {}
    for name, work in WRITER_SCENES.items():
        conninfo = bench.database("writers", template)
        process = None
        if work:
            process = subprocess.Popen(
                [sys.executable, "-c", SWEEPER.format(work=work.format(conninfo=conninfo))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            process.stdout.readline()
            process.stdin.write("go\n")
            process.stdin.flush()
        start = time.perf_counter()

        def busy(process: Any = process, start: float = start) -> bool:
            elapsed = time.perf_counter() - start
            if process is None:
                return elapsed < bench.size.writer_seconds
            return process.poll() is None and elapsed < bench.size.writer_seconds * 6

        latencies: list[float] = []
        threads = [
            threading.Thread(target=put_until, args=(conninfo, f"live-{n}", busy, latencies))
            for n in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        elapsed = time.perf_counter() - start
        if process:
            process.kill()  # a throttled sweep of everything takes many minutes
            process.communicate()
        cuts = statistics.quantiles(latencies, n=100)
        results[name] = {
            "puts": len(latencies),
            "seconds": elapsed,
            "p50_ms": cuts[49],
            "p95_ms": cuts[94],
            "p99_ms": cuts[98],
            "max_ms": max(latencies),
        }
        shown = {key: round(value, 2) for key, value in results[name].items()}
        print(f"writers beside {name}: {shown}", flush=True)
        bench.drop("writers")
    return results


def put_until(
    conninfo: str, thread_id: str, busy: Callable[[], bool], latencies: list[float]
) -> None:
    """Put a checkpoint with a 2 KB blob every 10 ms while `busy`, as a running graph would."""
    with PostgresSaver.from_conn_string(conninfo) as saver:
        config: Any = {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
        number = 0
        while busy():
            number += 1
            checkpoint = empty_checkpoint()
            checkpoint["id"] = str(uuid6(clock_seq=number % 4096))
            version = saver.get_next_version(f"{number}.0", None)
            checkpoint["channel_values"] = {"messages": ["x" * 2000]}
            checkpoint["channel_versions"] = {"messages": version}
            began = time.perf_counter()
            saver.put_writes(config, [("messages", "x" * 300)], "task") if number > 1 else None
            config = saver.put(
                config,
                checkpoint,
                {"source": "loop", "step": number, "parents": {}},
                {"messages": version},
            )
            latencies.append((time.perf_counter() - began) * 1000)
            time.sleep(max(0.010 - (time.perf_counter() - began), 0))


# ---------------------------------------------------------------- report


def plot(sizes: dict[str, list[float]], target: Path) -> None:
    """Draw total size over cycles, in MB."""
    figure, axes = plt.subplots(figsize=(8, 4.5))
    for name, values in sizes.items():
        axes.plot(range(1, len(values) + 1), values, label=name, linewidth=2)
    axes.set_xlabel("turns per thread")
    axes.set_ylabel("tables, TOAST and indexes, MB")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(target, dpi=120)
    plt.close(figure)


def ratios(results: dict[str, Any]) -> dict[str, float]:
    """Return each promised ratio; its name says which way is good."""
    one, twenty = results["race"]["1"], results["race"]["20"]
    size = results["growth"]
    final = {name: values[-1] for name, values in size.items()}
    mine = size["ours (window of 20)"]
    calm = results["steady"]
    writer = results["writers"]

    def cpu(side: dict[str, Any]) -> float:
        return float(side["server_cpu_seconds"] + side["client_cpu_seconds"])

    return {
        "library CPU / ours, N=1 (5 or more)": cpu(one["library prune"]) / cpu(one["ours"]),
        "library CPU / ours in compact mode, N=1": cpu(one["library prune"])
        / cpu(one["ours, compact"]),
        "library wall / ours, N=1": (
            one["library prune"]["wall_seconds"] / one["ours"]["wall_seconds"]
        ),
        "ours CPU / delete by key, N=1 (1.3 or less)": (
            cpu(one["ours"]) / cpu(one["delete by key"])
        ),
        "ours CPU / delete by key, N=20 (1.3 or less)": (
            cpu(twenty["ours"]) / cpu(twenty["delete by key"])
        ),
        "ours CPU / naive window, N=20": cpu(twenty["ours"]) / cpu(twenty["naive window"]),
        "steady: library wall over all threads / ours (50 or more)": (
            calm["library prune, all threads"]["wall_seconds"]
            / calm["ours, all threads"]["wall_seconds"]
        ),
        "steady: library wall over all threads / ours with a dirty list": (
            calm["library prune, all threads"]["wall_seconds"]
            / calm["ours, dirty threads"]["wall_seconds"]
        ),
        "empty sweep, ms (20 or less)": results["empty"]["median_ms"],
        "size at the end / after cycle 10 (1.3 or less)": mine[-1] / mine[9],
        "size / with default autovacuum (0.6 or less)": (
            mine[-1] / final["window of 20, default autovacuum"]
        ),
        "size / unpruned": mine[-1] / final["unpruned"],
        **{
            f"library CPU / ours, N=1, threads of {length} checkpoints": cpu(costs["library prune"])
            / cpu(costs["ours"])
            for length, costs in results["lengths"].items()
        },
        "writer p99 beside a throttled sweep / idle (2 or less)": (
            writer["ours, throttled"]["p99_ms"] / writer["idle"]["p99_ms"]
        ),
    }


def races(bench: Bench, template: str) -> dict[str, dict[str, Any]]:
    """Run the race for a window of one, which the library also has, and for the default window."""
    # Whoever first writes so much WAL has its files to create, which the server then uses again.
    ours(bench.database("unmeasured", template), 1)
    bench.drop("unmeasured")
    return {
        str(keep): {name: asdict(cost) for name, cost in race(bench, template, keep).items()}
        for keep in (1, 20)
    }


def calm(bench: Bench, template: str) -> dict[str, Any]:
    """Return the costs of the steady state as plain data."""
    return {name: asdict(cost) for name, cost in steady(bench, template).items()}


SCENES: dict[str, Callable[[Bench, str], dict[str, Any]]] = {
    "race": races,
    "lengths": lengths,
    "steady": calm,
    "empty": empty,
    "writers": writers,
    "growth": growth,
}


def earlier(folder: Path, size: Size) -> dict[str, Any]:
    """Return the results of the same size that are in the folder already."""
    path = folder / "pruner.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    same = results.get("size") == json.loads(json.dumps(asdict(size)))
    return results if same else {}


def save(results: dict[str, Any], folder: Path) -> None:
    """Write the results so far."""
    (folder / "pruner.json").write_text(json.dumps(results, indent=2) + "\n")
    if "growth" in results:
        plot(results["growth"], folder / "pruner-size.png")


def main() -> None:
    """Run all scenes, or those named, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--scene", action="append", choices=list(SCENES))
    arguments = parser.parse_args()
    size = LONG if arguments.long else SMALL
    scenes = set(arguments.scene or SCENES)
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-pruner-", dir="/var/tmp") as folder:
        data = Path(folder) / "server" / "data"
        settings = {"max_wal_size": "8GB", "max_connections": "50"}
        with embedded_postgres(data, settings=settings) as uri:
            postmaster = int((data / "postmaster.pid").read_text().split()[0])
            bench = Bench(uri, postmaster, size)
            version = bench.admin.execute("SHOW server_version").fetchone()[0]
            results = earlier(arguments.out, size) | {
                "size": asdict(size),
                "postgres": version,
                "python": platform.python_version(),
                "cpus": os.cpu_count(),
            }
            start = time.perf_counter()
            template = "generated"
            conninfo = bench.generate(template)
            rows = count_rows(conninfo)
            results["generated"] = {
                "rows": rows,
                "mb": total_size(conninfo),
                "seconds": time.perf_counter() - start,
            }
            print("generated", results["generated"], flush=True)
            for scene, play in SCENES.items():
                if scene in scenes:
                    results[scene] = play(bench, template)
                    save(results, arguments.out)
            results["load_average"] = os.getloadavg()
            bench.admin.close()
    if set(SCENES) <= results.keys():
        results["ratios"] = ratios(results)
        for name, value in results["ratios"].items():
            print(f"{name:66} {value:8.2f}")
    save(results, arguments.out)


if __name__ == "__main__":
    main()
