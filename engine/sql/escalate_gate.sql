-- The next in the chain is asked; the hop after that gets its time.
UPDATE holdfast.gates
SET state = 'open',
    assignees = CASE WHEN cardinality(%(assignees)s::text[]) = 0 THEN assignees ELSE %(assignees)s END,
    claimed_by = NULL,
    claim_until = NULL,
    snoozed_until = NULL,
    escalations = %(escalations)s,
    escalate_at = clock_timestamp() + make_interval(secs => %(escalate_in_seconds)s::double precision),
    expires_at = CASE WHEN expires_at > clock_timestamp() THEN expires_at
                      ELSE clock_timestamp() + make_interval(secs => %(expires_in_seconds)s::double precision) END,
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND gate_id = %(gate_id)s
    AND state IN ('open', 'claimed')
RETURNING gate_id
