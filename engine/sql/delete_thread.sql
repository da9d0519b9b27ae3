-- A thread, its checkpoints in all their tables, its stream, and a stone where it stood.
WITH stone AS (
    INSERT INTO holdfast.thread_tombstones (tenant, thread_id)
    VALUES (%(tenant)s, %(thread_id)s)
    ON CONFLICT (thread_id) DO UPDATE SET deleted_at = clock_timestamp()
), writes AS (
    DELETE FROM checkpoint_writes WHERE thread_id = %(thread_id)s
), blobs AS (
    DELETE FROM checkpoint_blobs WHERE thread_id = %(thread_id)s
), saved AS (
    DELETE FROM checkpoints WHERE thread_id = %(thread_id)s
), streamed AS (
    DELETE FROM holdfast.run_events WHERE thread_id = %(thread_id)s
), dirty AS (
    DELETE FROM holdfast.dirty_threads WHERE thread_id = %(thread_id)s
)
DELETE FROM holdfast.threads
WHERE tenant = %(tenant)s
    AND thread_id = %(thread_id)s
