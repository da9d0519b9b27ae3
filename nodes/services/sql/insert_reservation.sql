-- Hold money for one version of an order.
INSERT INTO holdfast.reservations (tenant, order_id, revision, department, currency, amount)
VALUES (%(tenant)s, %(order_id)s, %(revision)s, %(department)s, %(currency)s, %(amount)s)
