-- An event has answered a gate.
UPDATE holdfast.signals
SET delivered_at = clock_timestamp(),
    gate_id = %(gate_id)s
WHERE tenant = %(tenant)s
    AND thread_id = %(thread_id)s
    AND name = %(name)s
    AND signal_id = %(signal_id)s
    AND delivered_at IS NULL
