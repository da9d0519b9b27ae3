-- Say how far an order is; an ended order stays as it ended.
UPDATE holdfast.orders
SET stage = %(stage)s, updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND order_id = %(order_id)s
    AND stage NOT IN ('COMMITTED', 'REJECTED', 'FAILED')
