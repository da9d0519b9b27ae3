-- A reminder was given.
UPDATE holdfast.gates
SET remind_at = NULL,
    updated_at = clock_timestamp()
WHERE tenant = %(tenant)s
    AND gate_id = %(gate_id)s
