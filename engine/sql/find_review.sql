-- Whether a review exists, on a thread whose metadata contains the scope.
SELECT gate_id
FROM holdfast.gates
WHERE tenant = %(tenant)s
    AND gate_id = %(gate_id)s
    AND (%(scope)s::jsonb IS NULL
         OR EXISTS (
             SELECT 1
             FROM holdfast.threads
             WHERE threads.thread_id = gates.thread_id
                 AND threads.metadata @> %(scope)s::jsonb
         ))
