-- Gates at which a timer has work, the longest overdue first.
SELECT gate_id
FROM holdfast.gates
WHERE tenant = %(tenant)s
    AND wake_at <= clock_timestamp()
ORDER BY wake_at, gate_id
LIMIT %(limit)s
