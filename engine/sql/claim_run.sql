-- Under the thread's lease: the run a predecessor left behind, else an answer, else input that no question holds back.
WITH due AS (
    SELECT
        runs.run_id,
        runs.status AS previous_status,
        runs.worker_id AS previous_worker_id,
        head.checkpoint_id AS head_checkpoint_id,
        head.run_id AS head_run_id,
        waiting.gates AS open_gates
    FROM holdfast.runs
    LEFT JOIN LATERAL (
        SELECT checkpoint_id, metadata ->> 'run_id' AS run_id
        FROM checkpoints
        WHERE checkpoints.thread_id = %(thread_id)s
            AND checkpoint_ns = ''
        ORDER BY checkpoint_id DESC
        LIMIT 1
    ) AS head ON true
    CROSS JOIN LATERAL (
        SELECT count(*) AS gates
        FROM holdfast.gates
        WHERE gates.tenant = %(tenant)s
            AND gates.thread_id = %(thread_id)s
            AND gates.state IN ('open', 'claimed', 'scheduled')
    ) AS waiting
    WHERE runs.tenant = %(tenant)s
        AND runs.thread_id = %(thread_id)s
        -- Unset outside the transaction that took the lease; false where it was not to be had.
        AND coalesce(nullif(current_setting('holdfast.leased', true), ''), 'true') = 'true'
        AND (
            runs.status = 'running'
            OR (
                runs.status = 'queued'
                AND runs.not_before <= clock_timestamp()
                AND (runs.kind = 'resume' OR waiting.gates = 0)
            )
        )
    ORDER BY runs.status = 'running' DESC, runs.kind = 'resume' DESC, runs.seq
    LIMIT 1
    FOR UPDATE OF runs
)
UPDATE holdfast.runs
SET
    status = 'running',
    worker_id = %(worker_id)s,
    attempts = CASE
        WHEN runs.run_id = %(forgiven_run_id)s AND due.previous_worker_id = %(worker_id)s THEN runs.attempts
        -- It got further before its worker died: whatever killed that one, this run is not stuck.
        WHEN due.previous_status = 'running'
            AND jsonb_array_length(runs.attempt_log) > 1
            AND runs.attempt_log -> -1 ->> 'head' IS DISTINCT FROM due.head_checkpoint_id THEN 1
        ELSE runs.attempts + 1
    END,
    attempt_log = runs.attempt_log
        || jsonb_build_object(
            'worker_id', %(worker_id)s::text,
            'started_at', clock_timestamp(),
            'head', due.head_checkpoint_id
        ),
    base_checkpoint_id = CASE due.previous_status
        WHEN 'queued' THEN coalesce(runs.base_checkpoint_id, due.head_checkpoint_id)
        ELSE runs.base_checkpoint_id
    END,
    started_at = coalesce(runs.started_at, clock_timestamp()),
    updated_at = clock_timestamp()
FROM due
WHERE runs.run_id = due.run_id
RETURNING
    runs.*,
    due.previous_status,
    due.head_checkpoint_id,
    due.head_run_id,
    due.open_gates
