-- Let one transaction at a time move the money of an order.
SELECT pg_advisory_xact_lock(hashtextextended(%(tenant)s || '/' || %(order_id)s, 0))
