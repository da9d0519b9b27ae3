-- A claim ends.
UPDATE holdfast.gates
SET state = 'open',
    claimed_by = NULL,
    claim_until = NULL,
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND gate_id = %(gate_id)s
    AND state = 'claimed'
RETURNING gate_id
