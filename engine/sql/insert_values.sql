-- Save versions of channels; a version never changes.
INSERT INTO checkpoint_blobs (
    thread_id,
    checkpoint_ns,
    channel,
    version,
    type,
    blob
)
VALUES {rows}
ON CONFLICT (thread_id, checkpoint_ns, channel, version) DO NOTHING
