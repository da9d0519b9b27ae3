-- Forget a batch of messages that were delivered long ago.
DELETE FROM holdfast.outbox
WHERE ctid IN (
    SELECT ctid
    FROM holdfast.outbox
    WHERE tenant = %(tenant)s
      AND state = 'delivered'
      AND delivered_at < clock_timestamp() - make_interval(days => %(kept_days)s)
    ORDER BY delivered_at
    LIMIT %(limit)s
)
