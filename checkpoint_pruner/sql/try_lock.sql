-- Become the one pruner of this database, for as long as the session lasts.
SELECT pg_try_advisory_lock(%(advisory_key)s) AS locked
