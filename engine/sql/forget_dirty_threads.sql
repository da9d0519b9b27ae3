-- Threads that were swept and not written to since.
DELETE FROM holdfast.dirty_threads AS dirty
USING unnest(%(thread_ids)s::text[], %(touched_ats)s::timestamptz[]) AS swept (thread_id, touched_at)
WHERE dirty.tenant = %(tenant)s
    AND dirty.thread_id = swept.thread_id
    AND dirty.touched_at = swept.touched_at
