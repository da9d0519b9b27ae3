-- A worker that stops hands its run back; that costs the run no attempt.
UPDATE holdfast.runs
SET
    status = 'queued',
    worker_id = NULL,
    attempts = greatest(attempts - 1, 0),
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND run_id = %(run_id)s
    AND status = 'running'
    AND worker_id = %(worker_id)s
RETURNING run_id, updated_at
