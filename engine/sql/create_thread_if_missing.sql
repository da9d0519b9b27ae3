-- A thread for a run, unless it exists.
INSERT INTO holdfast.threads (tenant, thread_id, metadata)
VALUES (%(tenant)s, %(thread_id)s, %(metadata)s)
ON CONFLICT (thread_id) DO NOTHING
