-- Every deadline that is still to come moves by the same time.
UPDATE holdfast.gates
SET due_at = due_at + make_interval(secs => %(seconds)s::double precision),
    expires_at = expires_at + make_interval(secs => %(seconds)s::double precision),
    remind_at = remind_at + make_interval(secs => %(seconds)s::double precision),
    escalate_at = escalate_at + make_interval(secs => %(seconds)s::double precision),
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND gate_id = %(gate_id)s
    AND state IN ('open', 'claimed')
    AND (expires_at IS NULL OR expires_at > clock_timestamp())
RETURNING due_at, expires_at
