-- Whether the guard is on, and in which schema the checkpoints are.
SELECT
    n.nspname AS schema_name,
    g.tgname IS NOT NULL AS installed,
    coalesce(g.tgenabled IN ('O', 'A'), false) AS enabled
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_trigger AS g
    ON g.tgrelid = c.oid
    AND g.tgname = 'checkpoint_pruner_guard'
WHERE c.oid = to_regclass('checkpoints')
