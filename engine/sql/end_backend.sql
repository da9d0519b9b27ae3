-- Ends one connection, if it still is the one we mean.
SELECT pg_terminate_backend(pid) AS ended
FROM pg_stat_activity
WHERE pid = %(pid)s
    AND application_name = %(application_name)s
    AND datname = current_database()
