-- The database as the server tells of itself.
SELECT
    current_setting('server_version') AS version,
    pg_database_size(current_database()) AS bytes,
    current_setting('max_connections')::integer AS max_connections,
    (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections,
    pg_postmaster_start_time() AS started_at,
    clock_timestamp() AS now
