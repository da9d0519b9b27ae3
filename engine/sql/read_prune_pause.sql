-- Who paused pruning, since when, until when and why; no row when nobody did.
SELECT paused_by, reason, paused_at, until
FROM holdfast.prune_pauses
WHERE tenant = %(tenant)s
    AND (until IS NULL OR until > clock_timestamp())
