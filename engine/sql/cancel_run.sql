-- A queued run ends at once; one that has begun is asked to stop, and a worker ends it.
UPDATE holdfast.runs
SET
    status = CASE WHEN fresh THEN 'cancelled' ELSE runs.status END,
    finished_at = CASE WHEN fresh THEN clock_timestamp() ELSE runs.finished_at END,
    cancel_action = CASE WHEN runs.cancel_action = 'rollback' THEN 'rollback' ELSE %(action)s END,
    kwargs = CASE
        WHEN %(reason)s::text IS NULL THEN kwargs
        ELSE kwargs || jsonb_build_object('cancel_reason', %(reason)s::text)
    END,
    not_before = least(runs.not_before, clock_timestamp()),
    updated_at = clock_timestamp()
FROM (
    SELECT
        run_id,
        status = 'queued' AND (%(action)s = 'interrupt' OR attempt_log = '[]') AS fresh
    FROM holdfast.runs
    WHERE tenant = %(tenant)s
        AND run_id = %(run_id)s
        AND status IN ('queued', 'running')
    FOR UPDATE
) AS locked
WHERE runs.run_id = locked.run_id
RETURNING runs.*
