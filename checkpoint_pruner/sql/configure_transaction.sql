-- Settings of one transaction on somebody else's connection: plans by hash, as the statements expect.
SELECT
    set_config('jit', 'off', true),
    set_config('enable_nestloop', 'off', true),
    set_config('enable_mergejoin', 'off', true)
