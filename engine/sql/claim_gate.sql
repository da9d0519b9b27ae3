-- Somebody takes a review for a while; a claim that lapsed stands in nobody's way.
UPDATE holdfast.gates
SET state = 'claimed',
    claimed_by = %(actor)s,
    claim_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s::double precision),
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND gate_id = %(gate_id)s
    AND state IN ('open', 'claimed')
    AND (claimed_by IS NULL OR claimed_by = %(actor)s OR claim_until <= clock_timestamp())
RETURNING gate_id
