-- What a sweep did.
INSERT INTO holdfast.prune_runs (tenant, trigger, dry_run, outcome, policy, report, started_at, duration_seconds)
VALUES (
    %(tenant)s, %(trigger)s, %(dry_run)s, %(outcome)s, %(policy)s, %(report)s,
    clock_timestamp() - make_interval(secs => %(duration_seconds)s), %(duration_seconds)s
)
