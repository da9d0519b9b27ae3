-- Space and rows of some tables.
SELECT
    t.name AS table_name,
    coalesce(s.n_live_tup, 0) AS live_rows,
    coalesce(s.n_dead_tup, 0) AS dead_rows,
    pg_relation_size(c.oid) AS heap_bytes,
    CASE WHEN c.reltoastrelid <> 0 THEN pg_total_relation_size(c.reltoastrelid) ELSE 0 END AS toast_bytes,
    pg_indexes_size(c.oid) AS index_bytes
FROM unnest(%(tables)s::text[]) AS t (name)
JOIN pg_class AS c ON c.oid = to_regclass(t.name)
LEFT JOIN pg_stat_all_tables AS s ON s.relid = c.oid
ORDER BY t.name
