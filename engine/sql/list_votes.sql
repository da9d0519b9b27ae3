-- The votes on a proposal, in the order in which they came.
SELECT
    voter,
    decision,
    created_at
FROM holdfast.gate_votes
WHERE tenant = %(tenant)s
    AND gate_id = %(gate_id)s
ORDER BY created_at, voter
