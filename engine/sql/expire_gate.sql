-- The timer's side of the compare-and-set: nobody decided before the deadline.
UPDATE holdfast.gates
SET state = 'expired',
    version = version + 1,
    decision = %(decision)s,
    answer = %(answer)s,
    decided_by = %(actor)s,
    decided_via = 'timer',
    decided_at = clock_timestamp(),
    claimed_by = NULL,
    claim_until = NULL,
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND gate_id = %(gate_id)s
    AND state IN ('open', 'claimed')
    AND expires_at <= clock_timestamp()
RETURNING gate_id
