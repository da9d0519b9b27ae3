-- A thread for a run, unless it exists; an id that was deleted before may live again.
WITH revived AS (
    DELETE FROM holdfast.thread_tombstones
    WHERE tenant = %(tenant)s
        AND thread_id = %(thread_id)s
)
INSERT INTO holdfast.threads (tenant, thread_id, metadata)
VALUES (%(tenant)s, %(thread_id)s, %(metadata)s)
ON CONFLICT (thread_id) DO NOTHING
