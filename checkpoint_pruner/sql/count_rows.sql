-- Checkpoints per thread, so that a batch fits one bounded transaction.
SELECT c.thread_id, count(*) AS count
FROM checkpoints AS c
WHERE c.thread_id = ANY(%(thread_ids)s)
GROUP BY c.thread_id
