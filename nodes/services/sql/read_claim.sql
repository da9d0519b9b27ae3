-- Read who has an invoice, and the revision that a new reservation of the order would be.
SELECT o.order_id, o.thread_id, o.stage,
    1 + coalesce((SELECT max(r.revision)
                  FROM holdfast.reservations AS r
                  WHERE r.tenant = o.tenant AND r.order_id = o.order_id), 0) AS revision
FROM holdfast.orders AS o
WHERE o.tenant = %(tenant)s AND o.invoice_id = %(invoice_id)s AND o.stage NOT IN ('REJECTED', 'FAILED')
