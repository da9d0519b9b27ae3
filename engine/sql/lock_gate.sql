-- One gate, locked; the thread's row is locked before it.
SELECT gate_id
FROM holdfast.gates
WHERE tenant = %(tenant)s
    AND gate_id = %(gate_id)s
FOR UPDATE
