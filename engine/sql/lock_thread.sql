-- The thread's row: taken before its gates and its runs, so that nobody waits in a ring.
SELECT thread_id
FROM holdfast.threads
WHERE tenant = %(tenant)s
    AND thread_id = %(thread_id)s
FOR UPDATE
