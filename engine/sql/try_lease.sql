-- One worker per thread: held by this connection until it unlocks, closes or dies.
SELECT pg_try_advisory_lock(hashtextextended(%(tenant)s || ':' || %(thread_id)s, 0)) AS taken
