"""Checkpoint rows of real shape, made by the server itself: millions of them in a minute.

Four checkpoints and three message blobs per turn, blobs that do not compress, every tenth thread
with a subgraph call per turn; all threads move on together, as live ones lie on disk.
"""

from typing import Any

import psycopg

HELPERS = """
CREATE FUNCTION bench_id(at timestamptz, step bigint, salt text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-6' || substr(h, 13, 3) || '-8'
        || lpad(to_hex(step & 4095), 3, '0') || '-' || substr(md5(salt), 1, 12)
    FROM lpad(
        to_hex((extract(epoch FROM at) * 1e7)::bigint + 122192928000000000), 15, '0'
    ) AS h
$$;
CREATE FUNCTION bench_version(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT lpad(n::text, 32, '0') || '.0.'
        || lpad((hashint8(n)::bigint & 2147483647)::text, 16, '7')
$$;
CREATE UNLOGGED TABLE bench_noise AS
SELECT string_agg(decode(md5(n::text), 'hex'), NULL) AS bytes
FROM generate_series(1, 8192) AS n;
CREATE UNLOGGED TABLE bench_rows (
    thread_id text, ns text, n bigint, id text, parent_id text, root_id text
);
"""

# One row per checkpoint: `n` counts a namespace's checkpoints, four per turn in the root graph and
# three per call of a subgraph. `seq` is the order of writing: all threads move on together.
PLAN = """
WITH root AS (
    SELECT
        t, n, 'thread-' || t AS thread_id,
        now() - interval '30 days' + ((n * %(spread)s + t) * interval '1 millisecond') AS at
    FROM generate_series(%(first)s::bigint, %(last)s) AS t
    CROSS JOIN generate_series(%(from)s::bigint, %(to)s - 1) AS n
),
named AS (
    SELECT root.*, bench_id(at, n, thread_id) AS id,
        bench_id(at - %(spread)s * interval '1 millisecond', n - 1, thread_id) AS parent_id
    FROM root
),
calls AS (
    SELECT t, thread_id, n, at, id,
        'child:' || md5(id)::uuid AS ns
    FROM named
    WHERE t %% 10 = 3 AND n %% 4 = 1
)
INSERT INTO bench_rows (thread_id, ns, n, id, parent_id, root_id)
SELECT thread_id, ns, step, id, parent_id, root_id FROM (
    SELECT thread_id, '' AS ns, n AS step, id, CASE WHEN n > 0 THEN parent_id END AS parent_id,
        NULL AS root_id, n AS turn, t
    FROM named
    UNION ALL
    SELECT thread_id, ns, step,
        bench_id(at + (step + 1) * interval '0.1 millisecond', step, thread_id),
        CASE WHEN step > 0
            THEN bench_id(at + step * interval '0.1 millisecond', step - 1, thread_id) END,
        id, n, t
    FROM calls CROSS JOIN generate_series(0, 2) AS step
) AS everything
ORDER BY turn, t, step
"""

CHECKPOINTS = """
INSERT INTO checkpoints (
    thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata
)
SELECT
    thread_id, ns, id, parent_id,
    jsonb_build_object(
        'v', 4, 'id', id, 'ts', now()::text,
        'channel_values', jsonb_build_object('branch:to:agent', NULL, 'turn', n / 4),
        'channel_versions', jsonb_build_object(
            '__start__', bench_version(n - n %% 4 + 1),
            'messages', bench_version(n / 4 * 3 + greatest(n %% 4, 1)),
            'branch:to:agent', bench_version(n),
            'turn', bench_version(n / 4)
        ),
        'versions_seen', jsonb_build_object(
            '__input__', '{}'::jsonb,
            '__start__', jsonb_build_object('__start__', bench_version(n - n %% 4 + 1)),
            'agent', jsonb_build_object('branch:to:agent', bench_version(n - 1))
        ),
        'updated_channels', '["messages"]'::jsonb
    ),
    jsonb_build_object(
        'source', CASE WHEN n %% 4 = 0 THEN 'input' ELSE 'loop' END,
        'step', n - 1,
        'run_id', md5(thread_id || n / 4)::uuid,
        'parents',
        CASE WHEN root_id IS NULL THEN '{}'::jsonb ELSE jsonb_build_object('', root_id) END
    )
FROM bench_rows
"""

BLOBS = """
INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
SELECT
    thread_id, ns, 'messages', bench_version(n / 4 * 3 + greatest(n %% 4, 1)), 'msgpack',
    substr(bytes, 1 + (abs(hashtext(id)) %% 65536), 200 + least(4000, 40 * n)::int)
FROM bench_rows CROSS JOIN bench_noise
WHERE n %% 4 <> 0
"""

WRITES = """
INSERT INTO checkpoint_writes (
    thread_id, checkpoint_ns, checkpoint_id, task_id, idx, channel, type, blob, task_path
)
SELECT
    thread_id, ns, id, md5(id)::uuid::text, 0, 'messages', 'msgpack',
    substr(bytes, 1 + (abs(hashtext(id)) %% 65536), 300), '~__pregel_pull, agent'
FROM bench_rows CROSS JOIN bench_noise
"""


def write(
    connection: psycopg.Connection[Any], first: int, last: int, start: int, stop: int
) -> None:
    """Write checkpoints start..stop-1 of the threads first..last."""
    connection.execute("TRUNCATE bench_rows")
    spread = 10_000
    connection.execute(
        PLAN, {"first": first, "last": last, "from": start, "to": stop, "spread": spread}
    )
    for statement in (CHECKPOINTS, BLOBS, WRITES):
        connection.execute(statement, {})
