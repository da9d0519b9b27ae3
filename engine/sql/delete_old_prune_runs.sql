-- Forget sweeps of long ago; what they removed stays counted in the samples of storage.
DELETE FROM holdfast.prune_runs
WHERE tenant = %(tenant)s
    AND started_at < clock_timestamp() - make_interval(days => %(days)s)
    AND EXISTS (
        SELECT
        FROM holdfast.storage_samples
        WHERE tenant = %(tenant)s
            AND sampled_at > clock_timestamp() - make_interval(days => %(days)s)
    )
