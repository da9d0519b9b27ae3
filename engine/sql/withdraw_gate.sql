-- A question that nobody needs to answer any more: superseded by the graph, or cancelled by somebody.
UPDATE holdfast.gates
SET state = %(state)s,
    version = version + 1,
    claimed_by = NULL,
    claim_until = NULL,
    effective_at = NULL,
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND gate_id = %(gate_id)s
    AND state IN ('open', 'claimed', 'scheduled')
RETURNING gate_id
