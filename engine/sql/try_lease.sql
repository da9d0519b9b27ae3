-- One worker per thread: held by this connection until it unlocks, closes or dies. The rest is for a claim that
-- travels in the same transaction: whether it may happen, and that it need not be on disk before the first checkpoint is.
SELECT
    set_config('holdfast.leased', pg_try_advisory_lock(hashtextextended(%(tenant)s || ':' || %(thread_id)s, 0))::text, true) AS taken,
    set_config('synchronous_commit', 'off', true) AS hurry
