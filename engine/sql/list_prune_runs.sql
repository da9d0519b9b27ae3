-- Sweeps, newest first.
SELECT prune_run_id, trigger, dry_run, outcome, policy, report, started_at, duration_seconds
FROM holdfast.prune_runs
WHERE tenant = %(tenant)s
ORDER BY prune_run_id DESC
LIMIT %(limit)s
