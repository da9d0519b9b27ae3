"""Break things while they work, and count: `python -m tests.fault.chaos --kills 500 --seed 7`.

With `--restarts` the database itself is stopped and started under load instead. The exit code is 1
if anything was lost, doubled, forked, out of order, or late.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from api.embedded_postgres import embedded_postgres
from engine.migrate import migrate
from tests.fault.processes import Place
from tests.fault.servers import CrashingPostgres
from tests.fault.storm import CRASH_LOAD, Plan, storm

DEFAULT_KILLS = 500


@contextmanager
def fresh_server(
    directory: Path, *, database: str = "storm"
) -> Iterator[tuple[CrashingPostgres, Place]]:
    """Yield a server of its own that may be crashed, its disk as safe as in production."""
    data = directory / "postgres" / "data"
    with embedded_postgres(data, settings={"max_connections": "200"}) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        database_url = make_conninfo(url, dbname=database)
        asyncio.run(migrate(database_url))
        place = Place(
            database_url=database_url,
            world=directory / "world.log",
            history=directory / "history.log",
        )
        server = CrashingPostgres(data, url)
        yield server, place
        server.close()


def plan_of(*, kills: int | None, restarts: int, seed: int, plant: str = "") -> Plan:
    """Return the long form: a storm of kills, or the database restarted again and again."""
    if restarts and not kills:
        return Plan(
            kills=0,
            zombies=0,
            cuts=0,
            client_kills=0,
            restarts=restarts,
            runs=CRASH_LOAD,
            seed=seed,
            plant=plant,
        )
    kills = kills or DEFAULT_KILLS
    return Plan(
        kills=kills,
        zombies=max(1, kills // 25),
        cuts=max(1, kills // 25),
        client_kills=max(1, kills // 20),
        restarts=restarts,
        # What waits in a long queue is not late: only with an empty one does time tell anything.
        restored_seconds=float("inf"),
        runs=kills * 4,
        seed=seed,
        plant=plant,
    )


def main() -> int:
    """Run the long form and print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, help=f"{DEFAULT_KILLS}, or none with --restarts")
    parser.add_argument("--restarts", type=int, default=0, help="stops of the database")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plant", default="", help="a bug to plant; the verdict must be BROKEN")
    parser.add_argument("--output", type=Path, help="write the result as JSON")
    parser.add_argument("--log", type=Path, default=Path("build/chaos.log"), help="what they said")
    arguments = parser.parse_args()
    plan = plan_of(
        kills=arguments.kills,
        restarts=arguments.restarts,
        seed=arguments.seed,
        plant=arguments.plant,
    )
    print(
        f"chaos: seed {plan.seed}, {plan.kills} kills, {plan.restarts} database restarts;"
        f" the processes write to {arguments.log}",
        flush=True,
    )
    _divert_errors(arguments.log)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory,
        fresh_server(Path(directory)) as (server, place),
    ):
        result = asyncio.run(storm(place, plan, server))
    report = {"seed": plan.seed, "plant": plan.plant, **result.to_json()}
    print(json.dumps(report, indent=2))
    print(result.verdict.summary())
    for name, items in result.verdict.faults.items():
        print(f"{name}:", *items[:5], sep="\n  ")
    if arguments.output is not None:
        arguments.output.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if result.sound else 1


def _divert_errors(log: Path) -> None:
    """Let this process and those it starts write their troubles, which are wanted, to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())


if __name__ == "__main__":
    multiprocessing.set_start_method("forkserver", force=True)
    with suppress(KeyboardInterrupt):
        sys.exit(main())
