-- A thread that seems to wait, although each of its questions has been answered, waits for nobody.
UPDATE holdfast.threads
SET status = %(status)s
WHERE tenant = %(tenant)s
    AND thread_id = %(thread_id)s
    AND status = 'interrupted'
    AND NOT EXISTS (
        SELECT 1
        FROM holdfast.gates
        WHERE gates.tenant = %(tenant)s
            AND gates.thread_id = %(thread_id)s
            AND gates.state IN ('open', 'claimed', 'scheduled')
    )
