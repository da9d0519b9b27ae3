-- A vote is taken back with the decision that it completed.
DELETE FROM holdfast.gate_votes
WHERE tenant = %(tenant)s
    AND gate_id = %(gate_id)s
    AND voter = %(voter)s
