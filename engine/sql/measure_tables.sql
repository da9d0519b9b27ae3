-- Rows, space and last vacuum of the checkpoint tables.
SELECT
    stat.relname AS table_name,
    stat.n_live_tup AS live_rows,
    stat.n_dead_tup AS dead_rows,
    pg_relation_size(stat.relid) AS table_bytes,
    coalesce(pg_total_relation_size(nullif(class.reltoastrelid, 0)), 0) AS toast_bytes,
    pg_indexes_size(stat.relid) AS index_bytes,
    greatest(stat.last_vacuum, stat.last_autovacuum) AS vacuumed_at
FROM pg_stat_user_tables AS stat
JOIN pg_class AS class ON class.oid = stat.relid
WHERE stat.relname IN ('checkpoints', 'checkpoint_blobs', 'checkpoint_writes')
    AND stat.schemaname = 'public'
ORDER BY stat.relname
