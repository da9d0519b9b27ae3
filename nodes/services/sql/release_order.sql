-- End an order by hand and free its invoice.
UPDATE holdfast.orders
SET stage = 'FAILED', released_by = %(actor)s, release_reason = %(reason)s, updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND order_id = %(order_id)s
    AND stage NOT IN ('COMMITTED', 'REJECTED', 'FAILED')
RETURNING order_id
