-- Write down how a delivery went: delivered, dead, or due again later.
UPDATE holdfast.outbox
SET state = %(state)s,
    last_error = %(error)s,
    next_at = clock_timestamp() + make_interval(secs => %(delay_seconds)s),
    delivered_at = CASE WHEN %(state)s = 'delivered' THEN clock_timestamp() END
WHERE tenant = %(tenant)s
  AND message_id = %(message_id)s
  AND attempts = %(attempts)s
