-- Read the reservation that holds or has spent the money of an order.
SELECT order_id, revision, department, currency, amount, state
FROM holdfast.reservations
WHERE tenant = %(tenant)s AND order_id = %(order_id)s AND state IN ('open', 'committed')
