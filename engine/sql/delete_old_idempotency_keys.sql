-- Forget a batch of keys whose time is over.
DELETE FROM holdfast.idempotency_keys
WHERE ctid IN (
    SELECT ctid
    FROM holdfast.idempotency_keys
    WHERE tenant = %(tenant)s
      AND created_at < clock_timestamp() - make_interval(days => %(kept_days)s)
    ORDER BY created_at
    LIMIT %(limit)s
)
