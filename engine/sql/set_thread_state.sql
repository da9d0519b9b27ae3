-- What a thread says about itself after its state was changed from outside.
WITH touched AS (
    INSERT INTO holdfast.dirty_threads (tenant, thread_id)
    VALUES (%(tenant)s, %(thread_id)s)
    ON CONFLICT (thread_id) DO UPDATE SET touched_at = clock_timestamp()
)
UPDATE holdfast.threads
SET
    status = %(status)s,
    "values" = %(values)s,
    interrupts = %(interrupts)s,
    error = NULL,
    updated_at = clock_timestamp(),
    state_updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND thread_id = %(thread_id)s
