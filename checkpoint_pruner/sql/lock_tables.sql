-- Keep everybody out until the rewrite has committed.
LOCK TABLE checkpoints, checkpoint_blobs, checkpoint_writes IN ACCESS EXCLUSIVE MODE
