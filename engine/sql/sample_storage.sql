-- The sizes of the checkpoint tables now, and what all sweeps so far took out of them.
INSERT INTO holdfast.storage_samples (
    tenant, table_name, live_rows, dead_rows, table_bytes, toast_bytes, index_bytes, pruned_rows, pruned_bytes
)
SELECT
    %(tenant)s,
    stat.relname,
    stat.n_live_tup,
    stat.n_dead_tup,
    pg_relation_size(stat.relid),
    coalesce(pg_total_relation_size(nullif(class.reltoastrelid, 0)), 0),
    pg_indexes_size(stat.relid),
    coalesce(pruned.removed_rows, 0),
    coalesce(pruned.removed_bytes, 0)
FROM pg_stat_user_tables AS stat
JOIN pg_class AS class ON class.oid = stat.relid
LEFT JOIN LATERAL (
    SELECT
        sum((report -> 'rows' ->> stat.relname)::bigint) AS removed_rows,
        sum((report -> 'bytes' ->> stat.relname)::bigint) AS removed_bytes
    FROM holdfast.prune_runs
    WHERE tenant = %(tenant)s
        AND NOT dry_run
        AND outcome = 'ok'
) AS pruned ON true
WHERE stat.relname IN ('checkpoints', 'checkpoint_blobs', 'checkpoint_writes')
    AND stat.schemaname = 'public'
ON CONFLICT DO NOTHING
