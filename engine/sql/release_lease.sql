-- Give a thread free again.
SELECT pg_advisory_unlock(hashtextextended(%(tenant)s || ':' || %(thread_id)s, 0)) AS released
