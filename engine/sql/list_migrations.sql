-- Migrations that were applied, the last first.
SELECT component, name, applied_at
FROM holdfast.migrations
ORDER BY applied_at DESC, component, name
