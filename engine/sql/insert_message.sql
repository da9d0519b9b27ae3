-- Put a message into the outbox; the same id twice is one message.
INSERT INTO holdfast.outbox (tenant, message_id, kind, target, payload, headers)
VALUES (%(tenant)s, %(message_id)s, %(kind)s, %(target)s, %(payload)s, %(headers)s)
ON CONFLICT DO NOTHING
