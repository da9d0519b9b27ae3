-- Read what is known of a supplier.
SELECT supplier_id, name, accounts
FROM holdfast.suppliers
WHERE tenant = %(tenant)s AND supplier_id = %(supplier_id)s
