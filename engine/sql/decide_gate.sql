-- The compare-and-set of a decision: one caller finds the row as it was seen, every other finds nothing.
UPDATE holdfast.gates
SET state = CASE WHEN %(undo_seconds)s > 0 THEN 'scheduled' ELSE 'decided' END,
    version = version + 1,
    decision = %(decision)s,
    answer = %(answer)s,
    decided_by = %(actor)s,
    decided_via = %(via)s,
    decided_at = clock_timestamp(),
    effective_at = clock_timestamp() + make_interval(secs => %(undo_seconds)s::double precision),
    claimed_by = NULL,
    claim_until = NULL,
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND gate_id = %(gate_id)s
    AND state IN ('open', 'claimed')
    AND version = %(version)s
    AND fingerprint = %(fingerprint)s
    AND (expires_at IS NULL OR expires_at > clock_timestamp())
    AND (proposer IS NULL OR proposer <> %(actor)s)
    AND (claimed_by IS NULL OR claimed_by = %(actor)s OR claim_until <= clock_timestamp())
RETURNING state, version, effective_at, decided_at
