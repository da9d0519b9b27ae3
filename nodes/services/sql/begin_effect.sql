-- Write down that an effect is about to be sent; a row still `sending` makes it doubtful.
INSERT INTO holdfast.effects AS e (tenant, key, name, request, request_hash)
VALUES (%(tenant)s, %(key)s, %(name)s, %(request)s, %(request_hash)s)
ON CONFLICT (tenant, key) DO UPDATE
SET doubtful = e.doubtful OR e.state = 'sending',
    attempts = CASE WHEN e.state IN ('sending', 'not_applied') THEN e.attempts + 1 ELSE e.attempts END,
    state = CASE WHEN e.state = 'not_applied' THEN 'sending' ELSE e.state END,
    updated_at = clock_timestamp()
WHERE e.request_hash = excluded.request_hash
RETURNING state, attempts, doubtful, result, error
