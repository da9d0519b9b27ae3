-- An external event that was received.
SELECT name, signal_id, payload, received_at, delivered_at, gate_id
FROM holdfast.signals
WHERE tenant = %(tenant)s
    AND thread_id = %(thread_id)s
    AND name = %(name)s
    AND signal_id = %(signal_id)s
