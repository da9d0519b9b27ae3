-- Put the values back.
INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
SELECT thread_id, checkpoint_ns, channel, version, type, blob
FROM compact_blobs
ORDER BY thread_id, checkpoint_ns, channel, version
