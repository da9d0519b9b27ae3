-- A thread with everything on it but its checkpoints.
WITH streamed AS (
    DELETE FROM holdfast.run_events WHERE thread_id = %(thread_id)s
), dirty AS (
    DELETE FROM holdfast.dirty_threads WHERE thread_id = %(thread_id)s
)
DELETE FROM holdfast.threads
WHERE tenant = %(tenant)s
    AND thread_id = %(thread_id)s
