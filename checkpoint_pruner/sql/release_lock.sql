-- Let another pruner begin.
SELECT pg_advisory_unlock_all()
