-- A review is put out of sight until a moment before its deadline; null brings it back.
UPDATE holdfast.gates
SET snoozed_until = %(until)s,
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND gate_id = %(gate_id)s
    AND state IN ('open', 'claimed')
    AND (%(until)s::timestamptz IS NULL
         OR (%(until)s > clock_timestamp() AND (expires_at IS NULL OR expires_at > %(until)s)))
RETURNING gate_id
