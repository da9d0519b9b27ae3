-- Whether LangGraph's store is in this database and its items can expire.
SELECT EXISTS (
    SELECT
    FROM pg_attribute AS a
    WHERE a.attrelid = to_regclass('store')
        AND a.attname = 'expires_at'
        AND NOT a.attisdropped
) AS expiring
