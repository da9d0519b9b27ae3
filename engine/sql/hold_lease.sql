-- Hold a thread as a worker does, until the transaction ends, unless somebody works on it.
SELECT pg_try_advisory_xact_lock(hashtextextended(%(tenant)s || ':' || %(thread_id)s, 0)) AS taken
