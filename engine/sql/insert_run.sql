-- A run is accepted: its row, and what its thread says about itself. For a worker, in a transaction that took the
-- thread's lease, it begins as well, or nothing is written because something else comes first; then the last columns are
-- those of `claim_run`. Nothing is written either if the assistant is not any more what the caller remembers.
WITH found AS (
    SELECT
        %(worker_id)s::text IS NOT NULL
        AND current_setting('holdfast.leased', true) = 'true'
        AND (%(kind)s = 'resume' OR waiting.gates = 0)
        AND %(after_seconds)s <= 0
        AND NOT EXISTS (
            SELECT 1
            FROM holdfast.runs
            WHERE runs.tenant = %(tenant)s
                AND runs.thread_id = %(thread_id)s
                AND runs.status IN ('queued', 'running')
        ) AS begins,
        head.checkpoint_id AS head_checkpoint_id,
        head.run_id AS head_run_id,
        waiting.gates AS open_gates,
        clock_timestamp() AS accepted_at
    FROM (
        SELECT count(*) AS gates
        FROM holdfast.gates
        WHERE gates.tenant = %(tenant)s
            AND gates.thread_id = %(thread_id)s
            AND gates.state IN ('open', 'claimed', 'scheduled')
    ) AS waiting
    LEFT JOIN LATERAL (
        SELECT checkpoint_id, metadata ->> 'run_id' AS run_id
        FROM checkpoints
        WHERE %(worker_id)s::text IS NOT NULL
            AND checkpoints.thread_id = %(thread_id)s
            AND checkpoint_ns = ''
        ORDER BY checkpoint_id DESC
        LIMIT 1
    ) AS head ON true
    WHERE %(remembered_at)s::timestamptz IS NULL
        OR EXISTS (
            SELECT 1
            FROM holdfast.assistants
            WHERE assistants.tenant = %(tenant)s
                AND assistants.assistant_id = %(assistant_id)s
                AND assistants.updated_at = %(remembered_at)s
        )
), place AS (
    SELECT *
    FROM found
    WHERE begins
        OR %(worker_id)s::text IS NULL
), made AS (
    INSERT INTO holdfast.threads (tenant, thread_id, graph_id, assistant_id, status, metadata)
    SELECT
        %(tenant)s,
        %(thread_id)s,
        %(graph_id)s,
        %(assistant_id)s,
        'busy',
        %(thread_metadata)s::jsonb
            || jsonb_build_object('graph_id', %(graph_id)s::text, 'assistant_id', %(assistant_id)s::text)
    FROM place
    WHERE %(makes_thread)s
), told AS (
    UPDATE holdfast.threads
    SET
        status = CASE WHEN %(kind)s = 'resume' OR place.open_gates = 0 THEN 'busy' ELSE status END,
        graph_id = %(graph_id)s,
        assistant_id = %(assistant_id)s,
        metadata = metadata
            || jsonb_build_object('graph_id', %(graph_id)s::text, 'assistant_id', %(assistant_id)s::text),
        updated_at = clock_timestamp()
    FROM place
    WHERE NOT %(makes_thread)s
        AND tenant = %(tenant)s
        AND thread_id = %(thread_id)s
), accepted AS (
    INSERT INTO holdfast.runs (
        tenant,
        run_id,
        thread_id,
        assistant_id,
        graph_id,
        kind,
        status,
        payload,
        kwargs,
        metadata,
        multitask_strategy,
        priority,
        not_before,
        attempts,
        max_attempts,
        attempt_log,
        timeout_seconds,
        on_completion,
        on_disconnect,
        webhook,
        gate_ids,
        base_checkpoint_id,
        worker_id,
        created_at,
        updated_at,
        started_at
    )
    SELECT
        %(tenant)s,
        %(run_id)s,
        %(thread_id)s,
        %(assistant_id)s,
        %(graph_id)s,
        %(kind)s,
        CASE WHEN begins THEN 'running' ELSE 'queued' END,
        %(payload)s,
        %(kwargs)s,
        %(metadata)s,
        %(multitask_strategy)s,
        %(priority)s,
        accepted_at + make_interval(secs => %(after_seconds)s),
        CASE WHEN begins THEN 1 ELSE 0 END,
        %(max_attempts)s,
        CASE
            WHEN begins THEN jsonb_build_array(jsonb_build_object(
                'worker_id', %(worker_id)s::text,
                'started_at', accepted_at,
                'head', head_checkpoint_id
            ))
            ELSE '[]'
        END,
        %(timeout_seconds)s,
        %(on_completion)s,
        %(on_disconnect)s,
        %(webhook)s,
        %(gate_ids)s,
        CASE WHEN begins THEN head_checkpoint_id END,
        CASE WHEN begins THEN %(worker_id)s END,
        accepted_at,
        accepted_at,
        CASE WHEN begins THEN accepted_at END
    FROM place
    RETURNING *
)
SELECT
    accepted.*,
    place.head_checkpoint_id,
    place.head_run_id,
    place.open_gates
FROM accepted
CROSS JOIN place
