-- Cancel an order, also one that has not come yet.
INSERT INTO holdfast.register_orders (tenant, reference, state)
VALUES (%(tenant)s, %(reference)s, 'cancelled')
ON CONFLICT (tenant, reference) DO UPDATE
SET state = 'cancelled', updated_at = clock_timestamp()
