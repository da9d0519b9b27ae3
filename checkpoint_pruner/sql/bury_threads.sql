-- Remember deleted threads, so that a writer which began before can be told.
INSERT INTO checkpoint_pruner_tombstones (thread_hash, deleted_before)
SELECT DISTINCT hashtextextended(t.thread_id, 0), %(deleted_before)s::text
FROM unnest(%(thread_ids)s::text[]) AS t (thread_id)
ON CONFLICT (thread_hash) DO UPDATE SET
    deleted_before = EXCLUDED.deleted_before,
    deleted_at = EXCLUDED.deleted_at
