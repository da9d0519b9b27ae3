-- An external event for a thread; nothing when the same event was received before.
INSERT INTO holdfast.signals (tenant, thread_id, name, signal_id, payload)
VALUES (%(tenant)s, %(thread_id)s, %(name)s, %(signal_id)s, %(payload)s)
ON CONFLICT (thread_id, name, signal_id) DO NOTHING
RETURNING name, signal_id, payload, received_at, delivered_at, gate_id
