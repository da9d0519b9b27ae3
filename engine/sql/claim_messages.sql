-- Take a batch of due messages; if this process dies, they fall due again when the claim ends.
UPDATE holdfast.outbox
SET attempts = attempts + 1,
    next_at = clock_timestamp() + make_interval(secs => %(claim_seconds)s)
WHERE message_id IN (
    SELECT message_id
    FROM holdfast.outbox
    WHERE tenant = %(tenant)s
      AND state = 'pending'
      AND next_at <= clock_timestamp()
    ORDER BY next_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
RETURNING message_id, kind, target, payload, headers, attempts, created_at
