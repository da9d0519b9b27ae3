-- Give a dead message another chance, from the start.
UPDATE holdfast.outbox
SET state = 'pending',
    attempts = 0,
    next_at = clock_timestamp()
WHERE tenant = %(tenant)s
  AND message_id = %(message_id)s
  AND state = 'dead'
