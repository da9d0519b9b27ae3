-- A ticket that waits for a consumer, and is not needed any more.
DELETE FROM procrastinate_jobs
WHERE id = %(ticket)s
    AND status = 'todo'
