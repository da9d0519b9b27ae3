-- What this transaction writes need not be on disk before the first checkpoint is.
SELECT set_config('synchronous_commit', 'off', true) AS hurried
