-- End an open reservation as committed or released.
UPDATE holdfast.reservations
SET state = %(state)s, updated_at = clock_timestamp()
WHERE tenant = %(tenant)s AND order_id = %(order_id)s AND revision = %(revision)s AND state = 'open'
RETURNING department, currency, amount
