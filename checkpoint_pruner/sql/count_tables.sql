-- Rows of the three tables, counted one by one.
SELECT
    (SELECT count(*) FROM checkpoints) AS checkpoints,
    (SELECT count(*) FROM checkpoint_blobs) AS checkpoint_blobs,
    (SELECT count(*) FROM checkpoint_writes) AS checkpoint_writes
