-- Hold a thread as a worker does, until the transaction ends; waits as long as lock_timeout says.
SELECT pg_advisory_xact_lock(hashtextextended(%(tenant)s || ':' || %(thread_id)s, 0))
