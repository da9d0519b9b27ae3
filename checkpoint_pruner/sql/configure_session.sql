-- Settings of a pruner's session: bounded waits, plans for arrays, no wait for the disk on deletes.
SELECT
    set_config('application_name', 'checkpoint-pruner', false),
    set_config('lock_timeout', %(lock_timeout_ms)s::text, false),
    set_config('statement_timeout', %(statement_timeout_ms)s::text, false),
    set_config('idle_in_transaction_session_timeout', '60000', false),
    set_config('synchronous_commit', 'off', false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('jit', 'off', false),
    set_config('max_parallel_workers_per_gather', '0', false),
    set_config('enable_nestloop', 'off', false),
    set_config('enable_mergejoin', 'off', false),
    set_config('work_mem', %(work_mem)s::text, false)
