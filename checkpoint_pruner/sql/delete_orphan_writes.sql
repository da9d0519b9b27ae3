-- Delete writes whose checkpoint does not exist and whose time to be saved has passed.
WITH deleted AS (
    DELETE FROM checkpoint_writes AS w
    USING unnest(%(thread_ids)s::text[], %(grace_floor)s::text[]) AS s (thread_id, grace_floor)
    WHERE w.thread_id = ANY(%(thread_ids)s)
        AND w.thread_id = s.thread_id
        AND w.checkpoint_id < s.grace_floor
        AND NOT EXISTS (
            SELECT
            FROM checkpoints AS c
            WHERE c.thread_id = ANY(%(thread_ids)s)
                AND c.thread_id = w.thread_id
                AND c.checkpoint_ns = w.checkpoint_ns
                AND c.checkpoint_id = w.checkpoint_id
        )
    RETURNING w.thread_id, pg_column_size(w.blob) AS bytes
)
SELECT d.thread_id, count(*) AS count, sum(d.bytes)::bigint AS bytes
FROM deleted AS d
GROUP BY d.thread_id
