-- Forget deleted threads whose last writer must have ended long ago.
DELETE FROM checkpoint_pruner_tombstones
WHERE deleted_at < now() - interval '30 days'
