-- The run whose questions a copied thread waits at, so that its answers find how to go on.
INSERT INTO holdfast.runs (
    tenant, run_id, thread_id, assistant_id, graph_id, kind, status, payload, kwargs, metadata,
    multitask_strategy, priority, timeout_seconds, on_completion, on_disconnect, output, finished_at
)
SELECT
    tenant, %(copy_run_id)s, %(copy_id)s, assistant_id, graph_id, kind, 'interrupted', payload, kwargs, metadata,
    multitask_strategy, priority, timeout_seconds, 'keep', 'continue', output, clock_timestamp()
FROM holdfast.runs
WHERE tenant = %(tenant)s
    AND run_id = %(run_id)s
RETURNING *
