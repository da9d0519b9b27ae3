-- Take a key for this call; one that is older than the time keys are kept counts as free.
INSERT INTO holdfast.idempotency_keys AS kept (tenant, key, route, fingerprint)
VALUES (%(tenant)s, %(key)s, %(route)s, %(fingerprint)s)
ON CONFLICT (tenant, key, route) DO UPDATE
SET fingerprint = excluded.fingerprint,
    resource_id = NULL,
    status = NULL,
    headers = '{}',
    body = NULL,
    created_at = clock_timestamp()
WHERE kept.created_at < clock_timestamp() - make_interval(days => %(kept_days)s)
RETURNING key
