-- The sizes of the checkpoint tables over the last days, oldest first.
SELECT sampled_at, table_name, live_rows, dead_rows, table_bytes, toast_bytes, index_bytes, pruned_rows, pruned_bytes
FROM holdfast.storage_samples
WHERE tenant = %(tenant)s
    AND sampled_at > clock_timestamp() - make_interval(days => %(days)s)
ORDER BY sampled_at, table_name
