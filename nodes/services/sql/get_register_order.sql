-- Read an order by its reference.
SELECT register_number, reference, state, supplier_id, amount, currency
FROM holdfast.register_orders
WHERE tenant = %(tenant)s AND reference = %(reference)s
