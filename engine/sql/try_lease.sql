-- One worker per thread: held by this connection until it unlocks, closes or dies. The setting is for what travels
-- in the same transaction: whether it may begin a run.
SELECT
    set_config('holdfast.leased', pg_try_advisory_lock(hashtextextended(%(tenant)s || ':' || %(thread_id)s, 0))::text, true) AS taken
