-- Where the writes that stay wait while the tables are emptied.
CREATE TEMPORARY TABLE compact_writes (LIKE checkpoint_writes) ON COMMIT DROP
