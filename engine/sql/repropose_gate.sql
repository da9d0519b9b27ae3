-- The same question with another proposal: what was decided or voted on the old one is void.
UPDATE holdfast.gates
SET run_id = %(run_id)s,
    checkpoint_id = %(checkpoint_id)s,
    dialect = %(dialect)s,
    value = %(value)s,
    response_schema = %(response_schema)s,
    review = %(review)s,
    title = %(title)s,
    risk = %(risk)s,
    allowed = %(allowed)s,
    fingerprint = %(fingerprint)s,
    version = version + 1,
    state = 'open',
    claimed_by = NULL,
    claim_until = NULL,
    snoozed_until = NULL,
    effective_at = NULL,
    decision = NULL,
    answer = NULL,
    decided_by = NULL,
    decided_via = NULL,
    decided_at = NULL,
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND gate_id = %(gate_id)s
