-- Messages of one state, newest first.
SELECT message_id, kind, target, state, attempts, next_at, last_error, created_at, delivered_at
FROM holdfast.outbox
WHERE tenant = %(tenant)s
  AND state = %(state)s
ORDER BY created_at DESC, message_id
LIMIT %(limit)s
