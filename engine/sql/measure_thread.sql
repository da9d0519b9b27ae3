-- Rows and stored bytes of a thread, by table and channel.
SELECT 'checkpoints' AS section, NULL AS channel, count(*) AS items,
    coalesce(sum(pg_column_size(c.*)), 0)::bigint AS bytes
FROM checkpoints AS c
WHERE c.thread_id = %(thread_id)s
UNION ALL
SELECT 'channel_values', b.channel, count(*), coalesce(sum(pg_column_size(b.*)), 0)::bigint
FROM checkpoint_blobs AS b
WHERE b.thread_id = %(thread_id)s
GROUP BY b.channel
UNION ALL
SELECT 'pending_writes', NULL, count(*), coalesce(sum(pg_column_size(w.*)), 0)::bigint
FROM checkpoint_writes AS w
WHERE w.thread_id = %(thread_id)s
ORDER BY section, channel
