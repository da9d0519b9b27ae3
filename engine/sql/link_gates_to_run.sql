-- The run that carries the answers of these gates to the graph.
UPDATE holdfast.gates
SET resume_run_id = %(run_id)s,
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND gate_id = ANY(%(gate_ids)s)
