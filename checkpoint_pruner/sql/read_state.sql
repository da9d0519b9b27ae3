-- What a sweep must know of the server before it begins; the insert counter moves with every save.
SELECT
    clock_timestamp() AS now,
    d.oid::bigint AS database,
    s.n_tup_ins AS inserted,
    greatest(s.n_live_tup + s.n_dead_tup, t.reltuples::bigint) AS rows,
    extract(epoch FROM db.stats_reset)::double precision AS stats_reset,
    EXISTS (
        SELECT
        FROM pg_trigger AS g
        WHERE g.tgrelid = to_regclass('checkpoints')
            AND g.tgname = 'checkpoint_pruner_guard'
            AND g.tgenabled IN ('O', 'A')
    ) AS guarded,
    EXISTS (
        SELECT
        FROM pg_index AS i
        JOIN pg_attribute AS a
            ON a.attrelid = i.indrelid
            AND a.attnum = i.indkey[0]
        WHERE i.indrelid = to_regclass('checkpoints')
            AND i.indisvalid
            AND i.indpred IS NULL
            AND a.attname = 'checkpoint_id'
    ) AS id_indexed
FROM pg_database AS d
LEFT JOIN pg_stat_database AS db ON db.datid = d.oid
LEFT JOIN pg_class AS t ON t.oid = to_regclass('checkpoints')
LEFT JOIN pg_stat_all_tables AS s ON s.relid = to_regclass('checkpoints')
WHERE d.datname = current_database()
