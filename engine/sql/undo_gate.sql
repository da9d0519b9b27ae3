-- A decision is taken back inside its window.
UPDATE holdfast.gates
SET state = 'open',
    version = version + 1,
    effective_at = NULL,
    decision = NULL,
    answer = NULL,
    decided_by = NULL,
    decided_via = NULL,
    decided_at = NULL,
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND gate_id = %(gate_id)s
    AND state = 'scheduled'
    AND effective_at > clock_timestamp()
RETURNING version
