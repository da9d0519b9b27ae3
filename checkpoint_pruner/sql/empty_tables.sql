-- Give every page of the three tables back; rolled back with the transaction if it fails.
TRUNCATE checkpoints, checkpoint_blobs, checkpoint_writes
