-- Threads written to since a checkpoint id, by an index that leads with checkpoint_id.
SELECT DISTINCT c.thread_id
FROM checkpoints AS c
WHERE c.checkpoint_id >= %(since)s
ORDER BY c.thread_id
