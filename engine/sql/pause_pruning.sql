-- Pause pruning for all processes, or say anew why and until when.
INSERT INTO holdfast.prune_pauses (tenant, paused_by, reason, until)
VALUES (%(tenant)s, %(paused_by)s, %(reason)s, %(until)s)
ON CONFLICT (tenant) DO UPDATE
SET
    paused_by = excluded.paused_by,
    reason = excluded.reason,
    paused_at = excluded.paused_at,
    until = excluded.until
RETURNING paused_by, reason, paused_at, until
