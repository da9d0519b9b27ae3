-- Where the rows that stay wait while the tables are emptied; they vanish with the transaction.
CREATE TEMPORARY TABLE compact_checkpoints (LIKE checkpoints) ON COMMIT DROP
