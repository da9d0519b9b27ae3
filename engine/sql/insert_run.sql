-- A run is accepted: its row, and what its thread says about itself.
WITH accepted AS (
    INSERT INTO holdfast.runs (
        tenant,
        run_id,
        thread_id,
        assistant_id,
        graph_id,
        kind,
        payload,
        kwargs,
        metadata,
        multitask_strategy,
        priority,
        not_before,
        max_attempts,
        timeout_seconds,
        on_completion,
        on_disconnect,
        webhook,
        gate_ids
    )
    VALUES (
        %(tenant)s,
        %(run_id)s,
        %(thread_id)s,
        %(assistant_id)s,
        %(graph_id)s,
        %(kind)s,
        %(payload)s,
        %(kwargs)s,
        %(metadata)s,
        %(multitask_strategy)s,
        %(priority)s,
        clock_timestamp() + make_interval(secs => %(after_seconds)s),
        %(max_attempts)s,
        %(timeout_seconds)s,
        %(on_completion)s,
        %(on_disconnect)s,
        %(webhook)s,
        %(gate_ids)s
    )
    RETURNING *
), told AS (
    UPDATE holdfast.threads
    SET
        status = CASE WHEN %(waits)s THEN status ELSE 'busy' END,
        graph_id = %(graph_id)s,
        assistant_id = %(assistant_id)s,
        metadata = metadata
            || jsonb_build_object('graph_id', %(graph_id)s::text, 'assistant_id', %(assistant_id)s::text),
        updated_at = clock_timestamp()
    WHERE tenant = %(tenant)s
        AND thread_id = %(thread_id)s
)
SELECT *
FROM accepted
