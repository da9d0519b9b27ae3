-- Enter an order; nothing is returned when its reference is taken.
INSERT INTO holdfast.register_orders
    (tenant, reference, supplier_id, supplier_name, invoice_number, buyer_order, department, amount, currency, lines)
VALUES (%(tenant)s, %(reference)s, %(supplier_id)s, %(supplier_name)s, %(invoice_number)s, %(buyer_order)s,
    %(department)s, %(amount)s, %(currency)s, %(lines)s)
ON CONFLICT (tenant, reference) DO NOTHING
RETURNING register_number, reference, state, supplier_id, amount, currency
