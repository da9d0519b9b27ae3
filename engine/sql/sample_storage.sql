-- The sizes of the checkpoint tables now, and what all sweeps so far took out of them; nothing where
-- another process has written them down lately.
INSERT INTO holdfast.storage_samples (
    tenant, sampled_at, table_name, live_rows, dead_rows, table_bytes, toast_bytes, index_bytes, pruned_rows, pruned_bytes
)
SELECT
    %(tenant)s,
    now(),
    stat.relname,
    stat.n_live_tup,
    stat.n_dead_tup,
    pg_relation_size(stat.relid),
    coalesce(pg_total_relation_size(nullif(class.reltoastrelid, 0)), 0),
    pg_indexes_size(stat.relid),
    coalesce(before.pruned_rows, 0) + coalesce(since.removed_rows, 0),
    coalesce(before.pruned_bytes, 0) + coalesce(since.removed_bytes, 0)
FROM pg_stat_user_tables AS stat
JOIN pg_class AS class ON class.oid = stat.relid
LEFT JOIN LATERAL (
    SELECT sample.sampled_at, sample.pruned_rows, sample.pruned_bytes
    FROM holdfast.storage_samples AS sample
    WHERE sample.tenant = %(tenant)s
        AND sample.table_name = stat.relname
    ORDER BY sample.sampled_at DESC
    LIMIT 1
) AS before ON true
LEFT JOIN LATERAL (
    SELECT
        sum((run.report -> 'rows' ->> stat.relname)::bigint) AS removed_rows,
        sum((run.report -> 'bytes' ->> stat.relname)::bigint) AS removed_bytes
    FROM holdfast.prune_runs AS run
    WHERE run.tenant = %(tenant)s
        AND NOT run.dry_run
        AND run.outcome = 'ok'
        AND (
            before.sampled_at IS NULL
            OR run.started_at + make_interval(secs => run.duration_seconds) > before.sampled_at
        )
) AS since ON true
WHERE stat.relname IN ('checkpoints', 'checkpoint_blobs', 'checkpoint_writes')
    AND stat.schemaname = 'public'
    AND (
        before.sampled_at IS NULL
        OR before.sampled_at <= clock_timestamp() - make_interval(secs => %(at_least_seconds)s)
    )
ON CONFLICT DO NOTHING
