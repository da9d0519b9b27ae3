-- One sweeper at a time, for this transaction only: one that hangs stops nobody for long.
SELECT pg_try_advisory_xact_lock(hashtextextended('sweeper:' || %(tenant)s, 0)) AS taken
