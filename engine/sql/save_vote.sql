-- A person's vote; a later one takes the place of an earlier one.
INSERT INTO holdfast.gate_votes (tenant, gate_id, voter, decision)
VALUES (%(tenant)s, %(gate_id)s, %(voter)s, %(decision)s)
ON CONFLICT (gate_id, voter) DO UPDATE
SET decision = excluded.decision,
    created_at = clock_timestamp()
