"""Checkpoint rows written by hand, shaped like LangGraph's, for tests that need exact control."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from checkpoint_pruner.plan import lowest_id

STEPS_PER_TURN = 3
NOW = timedelta(0)


def checkpoint_id(at: datetime, step: int = 0) -> str:
    """Return a UUIDv6 made at an instant, ordered by step within it."""
    return f"{lowest_id(at)}-8{step % 4096:03x}-0123456789ab"


def write_thread(
    conninfo: str,
    thread_id: str,
    count: int,
    *,
    newest: datetime | None = None,
    spacing: timedelta = timedelta(minutes=1),
    namespace: str = "",
    metadata: dict[str, Any] | None = None,
    parents: dict[str, str] | None = None,
) -> list[str]:
    """Write a chain of finished steps, three to a turn, and return their ids, oldest first.

    Each checkpoint has one value of its own, shares one with the two after it, and has one write.
    """
    last = newest or datetime.now(UTC) - timedelta(hours=2)
    ids = [checkpoint_id(last - spacing * (count - 1 - n), n) for n in range(count)]
    with psycopg.connect(conninfo) as connection:
        for n, name in enumerate(ids):
            versions = {"own": f"{n:032}.0.1", "shared": f"{n // 3:032}.0.2"}
            facts = {
                "source": "input" if n % STEPS_PER_TURN == 0 else "loop",
                "step": n - 1,
                "parents": parents or {},
            }
            key = (thread_id, namespace, name)
            connection.execute(
                "INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id,"
                " parent_checkpoint_id, checkpoint, metadata) VALUES (%s, %s, %s, %s, %s, %s)",
                (
                    *key,
                    ids[n - 1] if n else None,
                    Jsonb(
                        {
                            "v": 4,
                            "id": name,
                            "channel_values": {},
                            "channel_versions": versions,
                            "versions_seen": {},
                            "updated_channels": ["own"],
                        }
                    ),
                    Jsonb(facts | (metadata or {})),
                ),
            )
            for channel, version in versions.items():
                connection.execute(
                    "INSERT INTO checkpoint_blobs VALUES (%s, %s, %s, %s, 'msgpack', %s)"
                    " ON CONFLICT DO NOTHING",
                    (thread_id, namespace, channel, version, b"\xa3abc"),
                )
            connection.execute(
                "INSERT INTO checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id,"
                " idx, channel, type, blob) VALUES (%s, %s, %s, %s, 0, 'own', 'msgpack', %s)",
                (*key, f"task-{n}", b"\xa3abc"),
            )
    return ids


def write_store(conninfo: str, items: int, *, expires_at: datetime) -> None:
    """Create LangGraph's store table and put items into it."""
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS store (prefix text NOT NULL, key text NOT NULL,"
            " value jsonb NOT NULL, expires_at timestamptz, ttl_minutes integer,"
            " PRIMARY KEY (prefix, key))"
        )
        connection.execute(
            "INSERT INTO store (prefix, key, value, expires_at)"
            " SELECT 'memories', gen_random_uuid()::text, '{}', %s FROM generate_series(1, %s)",
            (expires_at, items),
        )


def interrupt(conninfo: str, thread_id: str, name: str) -> None:
    """Note an open question on a root checkpoint."""
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "INSERT INTO checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, idx,"
            " channel, type, blob) VALUES (%s, '', %s, 'asking', -3, '__interrupt__', 'msgpack',"
            " %s)",
            (thread_id, name, b"\x90"),
        )


def ids_of(conninfo: str, thread_id: str, namespace: str = "") -> list[str]:
    """Return the checkpoints of a namespace, oldest first."""
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute(
            "SELECT checkpoint_id FROM checkpoints WHERE thread_id = %s AND checkpoint_ns = %s"
            " ORDER BY checkpoint_id",
            (thread_id, namespace),
        )
        return [row[0] for row in rows]


def count(conninfo: str, table: str) -> int:
    """Return the rows of a table."""
    with psycopg.connect(conninfo) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
