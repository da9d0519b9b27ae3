-- The events of a thread, oldest first.
SELECT name, signal_id, payload, received_at, delivered_at, gate_id
FROM holdfast.signals
WHERE tenant = %(tenant)s
    AND thread_id = %(thread_id)s
    AND (%(name)s::text IS NULL OR name = %(name)s)
    AND (NOT %(only_waiting)s OR delivered_at IS NULL)
ORDER BY received_at, signal_id
LIMIT %(limit)s
