-- The same proposal, told again with other words or evidence.
UPDATE holdfast.gates
SET value = %(value)s,
    review = %(review)s,
    title = %(title)s,
    risk = %(risk)s,
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND gate_id = %(gate_id)s
