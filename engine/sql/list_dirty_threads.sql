-- Threads that were written to since the pruner last looked, the longest waiting first.
SELECT thread_id, touched_at
FROM holdfast.dirty_threads
WHERE tenant = %(tenant)s
ORDER BY touched_at
LIMIT %(limit)s
