-- Store one DeltaChannel value at the version its checkpoint names, with LangGraph's inline marker.
WITH target AS (
    SELECT
        c.thread_id,
        c.checkpoint_ns,
        c.checkpoint_id,
        c.checkpoint -> 'channel_versions' ->> %(channel)s AS version
    FROM checkpoints AS c
    WHERE c.thread_id = %(thread_id)s
        AND c.checkpoint_ns = %(checkpoint_ns)s
        AND c.checkpoint_id = %(checkpoint_id)s
        AND c.checkpoint -> 'channel_versions' ? %(channel)s
),
stored AS (
    INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
    SELECT t.thread_id, t.checkpoint_ns, %(channel)s, t.version, %(type)s, %(blob)s
    FROM target AS t
    ON CONFLICT (thread_id, checkpoint_ns, channel, version) DO NOTHING
)
UPDATE checkpoints AS c
SET checkpoint = jsonb_set(c.checkpoint, ARRAY['channel_values', %(channel)s], 'true')
FROM target AS t
WHERE c.thread_id = t.thread_id
    AND c.checkpoint_ns = t.checkpoint_ns
    AND c.checkpoint_id = t.checkpoint_id
