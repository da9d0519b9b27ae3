-- Where the values that stay wait while the tables are emptied.
CREATE TEMPORARY TABLE compact_blobs (LIKE checkpoint_blobs) ON COMMIT DROP
