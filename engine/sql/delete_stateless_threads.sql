-- Threads that were made for one run, with everything on them.
WITH over AS (
    SELECT unnest(%(thread_ids)s::text[]) AS thread_id
), checkpoints_gone AS (
    DELETE FROM checkpoints
    USING over
    WHERE checkpoints.thread_id = over.thread_id
), blobs_gone AS (
    DELETE FROM checkpoint_blobs
    USING over
    WHERE checkpoint_blobs.thread_id = over.thread_id
), writes_gone AS (
    DELETE FROM checkpoint_writes
    USING over
    WHERE checkpoint_writes.thread_id = over.thread_id
), events_gone AS (
    DELETE FROM holdfast.run_events
    USING over
    WHERE run_events.thread_id = over.thread_id
), unmarked AS (
    DELETE FROM holdfast.dirty_threads
    USING over
    WHERE dirty_threads.thread_id = over.thread_id
)
DELETE FROM holdfast.threads
USING over
WHERE threads.tenant = %(tenant)s
    AND threads.thread_id = over.thread_id
