-- End a pause of pruning; no row when nobody paused it.
DELETE FROM holdfast.prune_pauses
WHERE tenant = %(tenant)s
RETURNING paused_by, reason, paused_at, until
