-- Leave a notice once.
INSERT INTO holdfast.notices (tenant, key, audience, thread_id, order_id, title, body)
VALUES (%(tenant)s, %(key)s, %(audience)s, %(thread_id)s, %(order_id)s, %(title)s, %(body)s)
ON CONFLICT (tenant, key) DO NOTHING
