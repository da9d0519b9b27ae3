-- Other people are asked.
UPDATE holdfast.gates
SET state = 'open',
    assignees = %(assignees)s,
    claimed_by = NULL,
    claim_until = NULL,
    snoozed_until = NULL,
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND gate_id = %(gate_id)s
    AND state IN ('open', 'claimed')
RETURNING gate_id
