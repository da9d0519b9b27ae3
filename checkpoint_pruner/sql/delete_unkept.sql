-- Delete the checkpoints of some threads that nothing keeps, and exactly their writes; clear pointers
-- to parents that go. By row address, in the order in which they lie on disk: each page is visited once.
, deleted AS (
    DELETE FROM checkpoints AS c
    WHERE c.ctid = ANY(ARRAY(
        SELECT g.ctid
        FROM checkpoints AS g
        WHERE g.thread_id = ANY(%(thread_ids)s)
            AND g.checkpoint_id >= %(eligible_from)s
            -- One hash table of the few that stay, and the others leave in the order of the disk. The
            -- array hides how many the planner guesses: for too many it would compare each with each.
            AND g.ctid NOT IN (SELECT unnest(ARRAY(SELECT k.address FROM kept AS k)))
    ))
    RETURNING
        c.thread_id,
        c.checkpoint_ns,
        c.checkpoint_id,
        pg_column_size(c.checkpoint) + pg_column_size(c.metadata) AS bytes
),
deleted_write AS (
    DELETE FROM checkpoint_writes AS w
    WHERE w.ctid = ANY(ARRAY(
        SELECT g.ctid
        FROM checkpoint_writes AS g
        JOIN deleted AS d USING (thread_id, checkpoint_ns, checkpoint_id)
        WHERE g.thread_id = ANY(%(thread_ids)s)
    ))
    RETURNING w.thread_id, pg_column_size(w.blob) AS bytes
),
orphan AS MATERIALIZED (
    SELECT k.address
    FROM kept AS k
    WHERE k.parent_id IS NOT NULL
        -- A replay of a stateful subgraph may be bounded by the pointer: a fork's always, any with
        -- durability "exit".
        AND k.source IS DISTINCT FROM 'update'
        AND k.source IS DISTINCT FROM 'fork'
        AND (
            k.checkpoint_ns > ''
            OR NOT EXISTS (
                SELECT
                FROM subgraph AS s
                WHERE NOT s.is_call
                    AND s.thread_id = k.thread_id
            )
        )
        AND NOT EXISTS (
            SELECT
            FROM kept AS p
            WHERE p.thread_id = k.thread_id
                AND p.checkpoint_ns = k.checkpoint_ns
                AND p.checkpoint_id = k.parent_id
        )
),
cleared AS (
    UPDATE checkpoints AS c
    SET parent_checkpoint_id = NULL
    WHERE c.ctid = ANY(ARRAY(SELECT address FROM orphan))
)
SELECT 'checkpoints' AS kind, d.thread_id AS name, count(*) AS count, sum(d.bytes)::bigint AS bytes
FROM deleted AS d
GROUP BY d.thread_id
UNION ALL
SELECT 'checkpoint_writes', w.thread_id, count(*), sum(w.bytes)::bigint
FROM deleted_write AS w
GROUP BY w.thread_id
UNION ALL
SELECT 'waiting', w.thread_id, 0, 0
FROM waiting AS w
UNION ALL
SELECT 'kept', k.reason, count(*), 0
FROM (SELECT DISTINCT thread_id, checkpoint_ns, checkpoint_id, reason FROM kept) AS k
GROUP BY k.reason
