-- Who may vacuum what, and how much there is to vacuum.
SELECT
    t.name AS table_name,
    pg_has_role(c.relowner, 'USAGE')
        OR (SELECT pg_has_role(d.datdba, 'USAGE') FROM pg_database AS d WHERE d.datname = current_database())
        OR CASE
            WHEN current_setting('server_version_num')::integer >= 170000
                THEN has_table_privilege(c.oid, CASE WHEN current_setting('server_version_num')::integer >= 170000 THEN 'MAINTAIN' ELSE 'SELECT' END)
            ELSE false
        END AS permitted,
    coalesce(s.n_live_tup, 0) AS live,
    coalesce(s.n_dead_tup, 0) AS dead
FROM unnest(%(tables)s::text[]) AS t (name)
JOIN pg_class AS c ON c.oid = to_regclass(t.name)
LEFT JOIN pg_stat_all_tables AS s ON s.relid = c.oid
ORDER BY t.name
