-- Channels by the bytes of their stored values, largest first.
SELECT b.channel, count(*) AS versions, coalesce(sum(pg_column_size(b.blob)), 0)::bigint AS bytes
FROM checkpoint_blobs AS b
GROUP BY b.channel
ORDER BY bytes DESC, b.channel
LIMIT %(top)s
