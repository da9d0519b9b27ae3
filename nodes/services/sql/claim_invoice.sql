-- Take an invoice for a thread; nothing is returned when somebody has it already.
INSERT INTO holdfast.orders (tenant, invoice_id, thread_id)
VALUES (%(tenant)s, %(invoice_id)s, %(thread_id)s)
ON CONFLICT (tenant, invoice_id) WHERE stage NOT IN ('REJECTED', 'FAILED') DO NOTHING
RETURNING order_id, thread_id, stage, 1 AS revision
