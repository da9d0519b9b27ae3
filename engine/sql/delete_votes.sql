-- The votes on a proposal that is no more.
DELETE FROM holdfast.gate_votes
WHERE tenant = %(tenant)s
    AND gate_id = %(gate_id)s
