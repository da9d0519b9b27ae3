-- Columns of the checkpoint tables, in order.
SELECT t.name AS table_name, a.attname AS column_name, format_type(a.atttypid, a.atttypmod) AS type
FROM unnest(%(tables)s::text[]) AS t (name)
JOIN pg_attribute AS a
    ON a.attrelid = to_regclass(t.name)
    AND a.attnum > 0
    AND NOT a.attisdropped
ORDER BY t.name, a.attnum
