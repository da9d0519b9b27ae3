-- Forget sizes older than anybody looks at.
DELETE FROM holdfast.storage_samples
WHERE tenant = %(tenant)s
    AND sampled_at < clock_timestamp() - make_interval(days => %(days)s)
